extension Swarm {
    /// Something of which a node has some and that no kernel counts: `GPU=2`, or `GPU=UUID1` (`GenericResources`).
    package struct GenericResource: Hashable, Codable, Sendable {
        /// One thing with a name of its own.
        package struct Named: Hashable, Codable, Sendable {
            package var kind: String
            package var value: String

            enum CodingKeys: String, CodingKey {
                case kind = "Kind"
                case value = "Value"
            }
        }

        /// So many of a kind.
        package struct Discrete: Hashable, Codable, Sendable {
            package var kind: String
            package var value: Int64

            enum CodingKeys: String, CodingKey {
                case kind = "Kind"
                case value = "Value"
            }
        }

        package var named: Named?
        package var discrete: Discrete?

        package init(named kind: String, _ value: String) { named = Named(kind: kind, value: value) }

        package init(_ kind: String, _ value: Int64) { discrete = Discrete(kind: kind, value: value) }

        package var kind: String { named?.kind ?? discrete?.kind ?? "" }

        /// As a container reads it: the name, or the number.
        package var text: String { named?.value ?? "\(discrete?.value ?? 0)" }

        enum CodingKeys: String, CodingKey {
            case named = "NamedResourceSpec"
            case discrete = "DiscreteResourceSpec"
        }
    }
}
