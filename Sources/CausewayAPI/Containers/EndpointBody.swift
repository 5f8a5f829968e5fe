import CausewayModel

/// How a container wants to be on a network: `EndpointSettings` of the Engine API.
struct EndpointBody: Hashable, Sendable {
    private struct Given: Decodable {
        struct IPAM: Decodable {
            var v4: String?
            var v6: String?

            enum CodingKeys: String, CodingKey {
                case v4 = "IPv4Address"
                case v6 = "IPv6Address"
            }
        }

        var ipam: IPAM?
        var aliases: [String]?

        enum CodingKeys: String, CodingKey {
            case ipam = "IPAMConfig"
            case aliases = "Aliases"
        }
    }

    var aliases: [String] = []
    /// Addresses that were asked for.
    var requested: [IPAddress] = []

    /// Refuses what cannot be honoured, by name; `path` says where the body stands.
    init(_ text: JSONText?, at path: String) throws(APIError) {
        guard let text, !text.isNull else { return }
        let body = try BodySchema.endpoint.canonicalize(JSON.parse(text.buffer), at: path)
        let given: Given = try JSON.model(body)
        aliases = given.aliases ?? []
        for (asked, family) in [(given.ipam?.v4, IPFamily.ip), (given.ipam?.v6, .ip6)] {
            guard let asked, !asked.isEmpty else { continue }
            guard let address = IPAddress(asked), address.family == family else {
                throw APIError(400, "invalid \(family == .ip ? "IPv4" : "IPv6") address: \(asked)")
            }
            requested.append(address)
        }
    }

    func attachment(to network: Swarm.Network) -> AttachedContainer.Attachment {
        AttachedContainer.Attachment(networkID: network.id, aliases: aliases, requested: requested)
    }
}
