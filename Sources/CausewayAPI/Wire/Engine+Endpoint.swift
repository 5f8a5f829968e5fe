import CausewayModel

extension Engine {
    /// A container's place on a network (`EndpointSettings`).
    struct Endpoint: Encodable {
        struct IPAM: Encodable {
            var v4: String?
            var v6: String?

            enum CodingKeys: String, CodingKey {
                case v4 = "IPv4Address"
                case v6 = "IPv6Address"
            }
        }

        var ipam: IPAM?
        var aliases: [String]?
        var networkID: String
        var endpointID = ""
        var address = ""
        var prefixLength = 0
        var address6 = ""
        var prefixLength6 = 0
        var macAddress = ""
        var names: [String]?

        enum CodingKeys: String, CodingKey {
            case ipam = "IPAMConfig"
            case links = "Links"
            case aliases = "Aliases"
            case networkID = "NetworkID"
            case endpointID = "EndpointID"
            case gateway = "Gateway"
            case address = "IPAddress"
            case prefixLength = "IPPrefixLen"
            case gateway6 = "IPv6Gateway"
            case address6 = "GlobalIPv6Address"
            case prefixLength6 = "GlobalIPv6PrefixLen"
            case macAddress = "MacAddress"
            case options = "DriverOpts"
            case names = "DNSNames"
        }

        func encode(to encoder: any Encoder) throws {
            var values = encoder.container(keyedBy: CodingKeys.self)
            try values.encode(ipam, forKey: .ipam)
            try values.encodeNil(forKey: .links)
            try values.encode(aliases, forKey: .aliases)
            try values.encode(networkID, forKey: .networkID)
            try values.encode(endpointID, forKey: .endpointID)
            // As on Docker's overlay: the way out is not on this network.
            try values.encode("", forKey: .gateway)
            try values.encode(address, forKey: .address)
            try values.encode(prefixLength, forKey: .prefixLength)
            try values.encode("", forKey: .gateway6)
            try values.encode(address6, forKey: .address6)
            try values.encode(prefixLength6, forKey: .prefixLength6)
            try values.encode(macAddress, forKey: .macAddress)
            try values.encodeNil(forKey: .options)
            try values.encode(names, forKey: .names)
        }
    }

    /// One port of a container in `GET /containers/json`.
    struct ListedPort: Encodable, Hashable {
        var address: String?
        var target: UInt16
        var published: UInt16?
        var transport: String

        enum CodingKeys: String, CodingKey {
            case address = "IP"
            case target = "PrivatePort"
            case published = "PublicPort"
            case transport = "Type"
        }
    }

    /// A port of the host in `NetworkSettings.Ports`.
    struct BoundPort: Encodable, Hashable {
        var address: String
        var port: String

        enum CodingKeys: String, CodingKey {
            case address = "HostIp"
            case port = "HostPort"
        }
    }
}

extension Engine.Endpoint {
    /// `shortID`: the container's, which Docker counts among its aliases.
    ///
    /// An address is shown while it can be reached, which is while the container runs.
    init(_ place: Roster.Place, of member: Roster.Member, name: String, shortID: String, isRunning: Bool) {
        networkID = place.network.id
        aliases = place.aliases + (place.aliases.contains(shortID) ? [] : [shortID])
        names = [name] + (aliases ?? []).filter { $0 != name }
        guard isRunning else {
            ipam = Self.ipam(place.requested)
            return
        }
        let v4 = place.address(.ip)
        let v6 = place.address(.ip6)
        ipam = Self.ipam([v4, v6].compactMap { $0?.address })
        endpointID = Self.identifier(of: member.id, on: place.network.id)
        address = v4?.address.description ?? ""
        prefixLength = v4?.prefixLength ?? 0
        address6 = v6?.address.description ?? ""
        prefixLength6 = v6?.prefixLength ?? 0
        macAddress = v4?.address.v4.map { MACAddress(derivedFrom: $0).description } ?? ""
    }

    private static func ipam(_ addresses: [IPAddress]) -> IPAM? {
        guard !addresses.isEmpty else { return nil }
        return IPAM(
            v4: addresses.first { $0.family == .ip }?.description,
            v6: addresses.first { $0.family == .ip6 }?.description)
    }

    /// 64 hexadecimal digits, always the same for the same place (FNV-1a, four times): Causeway keeps no endpoints.
    static func identifier(of member: Swarm.ID, on network: Swarm.ID) -> String {
        (0..<4).map { round in
            let hash = "\(round)/\(member)/\(network)".utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) {
                ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3
            }
            let text = String(hash, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }.joined()
    }
}
