import CausewayModel

/// The ports that a container is to be reached by: `PortBindings` and `ExposedPorts` of the Engine API.
struct PortBindings: Sendable {
    /// A port with the ports of the host among which it may choose.
    struct Wish: Hashable, Sendable {
        var port: AttachedContainer.Port
        /// 0...0: any free one.
        var published: ClosedRange<UInt16>
    }

    private struct Binding: Decodable {
        var address: String?
        var port: String?

        enum CodingKeys: String, CodingKey {
            case address = "HostIp"
            case port = "HostPort"
        }
    }

    private(set) var wishes: [Wish] = []

    /// `exposed`: keys such as `80/tcp`, which get a free port each where nothing is bound; for `--publish-all`.
    init(_ bindings: JSONText?, exposed: Set<String> = []) throws(APIError) {
        var bound: Set<String> = []
        let given = bindings?.object?.named ?? []
        for (key, value) in given {
            let target = try Self.target(key)
            guard let list: [Binding]? = value.value() else {
                throw APIError(400, "invalid PortBindings[\(key)]: it must be a list of HostIp and HostPort")
            }
            // Docker reads a port that is bound to nothing as one that may have any.
            let bindings = list.flatMap { $0.isEmpty ? nil : $0 } ?? [Binding()]
            for binding in bindings { try add(target, binding, key) }
            bound.insert(Self.key(target))
        }
        for key in exposed.sorted() {
            let target = try Self.target(key)
            guard bound.insert(Self.key(target)).inserted else { continue }
            try add(target, Binding(), key)
        }
    }

    /// The first choice of each that is not among `refused`; `nil` when a range has nothing left.
    func ports(without refused: Set<UInt16>) -> [AttachedContainer.Port]? {
        var ports: [AttachedContainer.Port] = []
        for wish in wishes {
            let isTaken = { (number: UInt16) in
                ports.contains { $0.publishedPort == number && $0.protocol == wish.port.protocol }
            }
            var port = wish.port
            if wish.published.count == 1 {
                port.publishedPort = wish.published.lowerBound
            } else {
                let free = wish.published.first { !refused.contains($0) && !isTaken($0) }
                guard let free else { return nil }
                port.publishedPort = free
            }
            ports.append(port)
        }
        return ports
    }

    /// Those of `ports` that were taken from a range.
    func ranged(_ ports: [AttachedContainer.Port]) -> [UInt16] {
        zip(wishes, ports).filter { $0.0.published.count > 1 }.map(\.1.publishedPort)
    }

    private mutating func add(_ target: AttachedContainer.Port, _ binding: Binding, _ key: String) throws(APIError) {
        var port = target
        port.address = try Self.address(binding.address ?? "")
        let wish = Wish(port: port, published: try Self.range(binding.port ?? "", key))
        // 0.0.0.0 and :: of one port mean the same here: every address.
        if !wishes.contains(wish) { wishes.append(wish) }
    }

    /// Reads `80/tcp` or `80`.
    static func target(_ key: String) throws(APIError) -> AttachedContainer.Port {
        let parts = key.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let number = UInt16(parts[0]), number > 0,
            let transport = Swarm.TransportProtocol(rawValue: parts.count > 1 ? parts[1].lowercased() : "tcp")
        else { throw APIError(400, "invalid port specification: \"\(key)\"") }
        return AttachedContainer.Port(protocol: transport, targetPort: number)
    }

    static func key(_ port: AttachedContainer.Port) -> String { "\(port.targetPort)/\(port.protocol.rawValue)" }

    private static func address(_ text: String) throws(APIError) -> IPAddress? {
        guard !text.isEmpty else { return nil }
        guard let address = IPAddress(text) else { throw APIError(400, "invalid IP address: \(text)") }
        return address.bytes.allSatisfy { $0 == 0 } ? nil : address
    }

    private static func range(_ text: String, _ key: String) throws(APIError) -> ClosedRange<UInt16> {
        guard !text.isEmpty else { return 0...0 }
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { UInt16($0) }
        guard let first = parts[0], let last = parts.count > 1 ? parts[1] : first, first <= last else {
            throw APIError(400, "invalid port specification: \"\(text)\" for \(key)")
        }
        return first...last
    }
}
