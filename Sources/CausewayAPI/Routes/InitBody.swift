import CausewayModel
import NIOCore
import NIOPosix

/// The body of `POST /swarm/init`, after its schema.
struct InitBody: Decodable, Sendable {
    var listenAddress: String?
    var advertiseAddress: String?
    var dataPathAddress: String?
    var dataPathPort: UInt32?
    var forceNewCluster: Bool?
    var availability: String?
    var pools: [String]?
    var subnetSize: UInt32?
    var spec: Swarm.ClusterSpec?
    var autoLocks: Bool?

    enum CodingKeys: String, CodingKey {
        case listenAddress = "ListenAddr"
        case advertiseAddress = "AdvertiseAddr"
        case dataPathAddress = "DataPathAddr"
        case dataPathPort = "DataPathPort"
        case forceNewCluster = "ForceNewCluster"
        case availability = "Availability"
        case pools = "DefaultAddrPool"
        case subnetSize = "SubnetSize"
        case spec = "Spec"
        case autoLocks = "AutoLockManagers"
    }

    /// With names of links replaced by their addresses, and everything checked that needs no store.
    func resolved(by host: HostAddresses) throws(APIError) -> SwarmInit {
        var result = SwarmInit()
        if let text = listenAddress, !text.isEmpty { result.listenAddress = try host.resolve(text, as: .listen) }
        if let text = advertiseAddress { result.advertiseAddress = try host.resolve(text, as: .advertise) }
        if let text = dataPathAddress { result.dataPathAddress = try host.resolve(text, as: .dataPath) }
        guard let port = UInt16(exactly: dataPathPort ?? 0), port == 0 || port >= 1024, port <= 49_151 else {
            throw APIError(
                400, "Datapath port number is not in valid range (1024-49151) : \(dataPathPort ?? 0)")
        }
        result.dataPathPort = port
        result.subnetSize = Int(subnetSize ?? 0)
        guard result.subnetSize == 0 || 8...29 ~= result.subnetSize else {
            throw APIError(400, "subnet size is out of range: \(result.subnetSize)")
        }
        for text in pools ?? [] { result.defaultAddressPools.append(try pool(text)) }
        if let text = availability, !text.isEmpty {
            guard let found = Swarm.Node.Availability(rawValue: text) else {
                throw APIError(400, "invalid Availability '\(text)': it must be active, pause or drain")
            }
            result.availability = found
        }
        result.forceNewCluster = forceNewCluster ?? false
        result.spec = filled
        // In two places, and clients differ in which they fill.
        var encryption = Swarm.ClusterSpec.EncryptionConfig()
        encryption.autoLockManagers = autoLocks == true || spec?.autoLocks == true
        result.spec.encryptionConfig = encryption
        return result
    }

    private func pool(_ text: String) throws(APIError) -> CIDR {
        guard let subnet = CIDR(text), subnet.family == .ip, subnet == subnet.network else {
            throw APIError(400, "invalid address pool '\(text)': it must be an IPv4 subnet such as 10.0.0.0/8")
        }
        guard subnet.prefixLength <= (subnetSize.flatMap { $0 == 0 ? nil : Int($0) } ?? 24) else {
            throw APIError(
                400,
                "invalid CIDR: \"\(text)\". Subnet size is too small for pool: \(subnetSize.flatMap { $0 == 0 ? nil : $0 } ?? 24)"
            )
        }
        return subnet
    }

    /// Zero means default, as everywhere in Docker's specification of a swarm.
    private var filled: Swarm.ClusterSpec {
        guard let given = spec else { return Swarm.ClusterSpec() }
        var result = Swarm.ClusterSpec()
        result.name = given.name.flatMap { $0.isEmpty ? nil : $0 } ?? result.name
        result.labels = given.labels ?? result.labels
        if let limit = given.orchestration?.taskHistoryRetentionLimit {
            result.orchestration?.taskHistoryRetentionLimit = limit
        }
        result.raft = raft(given.raft)
        if let period = given.dispatcher?.heartbeatPeriod, period != .zero {
            result.dispatcher?.heartbeatPeriod = period
        }
        if let expiry = given.caConfig?.nodeCertExpiry, expiry != .zero { result.caConfig?.nodeCertExpiry = expiry }
        result.caConfig?.forceRotate = given.caConfig?.forceRotate
        return result
    }

    private func raft(_ given: Swarm.ClusterSpec.Raft?) -> Swarm.ClusterSpec.Raft {
        var raft = Swarm.ClusterSpec.Raft()
        raft.snapshotInterval = given?.snapshotInterval.nonzero ?? raft.snapshotInterval
        raft.keepOldSnapshots = given?.keepOldSnapshots ?? raft.keepOldSnapshots
        raft.logEntriesForSlowFollowers = given?.logEntriesForSlowFollowers.nonzero ?? raft.logEntriesForSlowFollowers
        raft.electionTick = given?.electionTick.nonzero ?? raft.electionTick
        raft.heartbeatTick = given?.heartbeatTick.nonzero ?? raft.heartbeatTick
        return raft
    }
}

extension Optional where Wrapped: BinaryInteger {
    /// `nil` for zero too.
    fileprivate var nonzero: Wrapped? { self == 0 ? nil : self }
}

/// The addresses of this host's links, by their names.
struct HostAddresses: Sendable {
    private let byLink: [String: [IPAddress]]

    init(_ byLink: [String: [IPAddress]]) { self.byLink = byLink }

    init() throws(APIError) {
        do {
            var found: [String: [IPAddress]] = [:]
            for device in try System.enumerateDevices() {
                guard let text = device.address?.ipAddress, let address = IPAddress(text) else { continue }
                found[device.name, default: []].append(address)
            }
            self.init(found)
        } catch {
            throw APIError(500, "cannot list the addresses of this host: \(error)")
        }
    }

    /// What an address is for; Docker refuses each in words of its own.
    enum Use {
        case listen, advertise, dataPath

        var refusal: String {
            switch self {
            case .listen: "listen address must be an IP address or network interface (with optional port number)"
            case .advertise:
                "advertise address must be a non-zero IP address or network interface (with optional port number)"
            case .dataPath:
                "data path address must be a non-zero IP address or network interface (without a port number)"
            }
        }
    }

    /// `eth0`, `10.0.0.1`, each with or without a port, to an address.
    ///
    /// The address to listen at comes out as `ADDRESS:PORT`, with 2377 if none is given.
    func resolve(_ text: String, as use: Use) throws(APIError) -> String {
        guard !text.isEmpty else { return "" }
        let (host, port) = try Self.split(text)
        let address = try self.address(host, use)
        guard use == .listen else { return address.description }
        return address.family == .ip6 ? "[\(address)]:\(port ?? 2377)" : "\(address):\(port ?? 2377)"
    }

    private func address(_ host: String, _ use: Use) throws(APIError) -> IPAddress {
        if let address = IPAddress(host) {
            guard use == .listen || !address.isUnspecified else { throw APIError(400, use.refusal) }
            return address
        }
        guard let addresses = byLink[host] else { throw APIError(400, use.refusal) }
        let usable = addresses.filter { $0.v6?.isLinkLocal != true }.sorted()
        guard let first = usable.first else {
            throw APIError(400, "interface '\(host)' has no IP address: give another one, or an address")
        }
        return first
    }

    private static func split(_ text: String) throws(APIError) -> (String, UInt16?) {
        if IPAddress(text) != nil { return (text, nil) }
        guard let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") else {
            return (text.filter { $0 != "[" && $0 != "]" }, nil)
        }
        guard let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            throw APIError(400, "invalid address '\(text)': its port must be 1 to 65535")
        }
        return (text[..<colon].filter { $0 != "[" && $0 != "]" }, port)
    }
}
