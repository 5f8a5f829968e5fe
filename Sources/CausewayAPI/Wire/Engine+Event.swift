import CausewayModel

extension Engine {
    /// One line of `GET /events`.
    struct Event: Encodable {
        struct Actor: Encodable {
            var id: String
            var attributes: [String: String]

            enum CodingKeys: String, CodingKey {
                case id = "ID"
                case attributes = "Attributes"
            }
        }

        var type: String
        var action: String
        var actor: Actor
        var scope = "swarm"
        var time: Int64
        var timeNano: Int64

        enum CodingKeys: String, CodingKey {
            case type = "Type"
            case action = "Action"
            case actor = "Actor"
            case scope, time, timeNano
        }

        init(_ event: SwarmEvent) {
            type = event.kind.rawValue
            action = event.action.rawValue
            actor = Actor(id: event.id, attributes: event.attributes)
            time = event.time.seconds
            timeNano = event.time.seconds * 1_000_000_000 + Int64(event.time.nanoseconds)
        }

        /// As Docker has it, with scope `local`: containers join networks on a node.
        init(_ event: NetworkEvent) {
            type = "network"
            action = event.action
            actor = Actor(id: event.networkID, attributes: event.attributes)
            scope = "local"
            time = event.time.seconds
            timeNano = event.time.seconds * 1_000_000_000 + Int64(event.time.nanoseconds)
        }
    }
}
