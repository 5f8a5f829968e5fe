import CausewayModel

/// The filters of `GET /networks`, for ours; Docker Engine applies them to its own.
struct NetworkFilters: Sendable {
    private let filters: Filters
    private let dangling: Bool?

    init(_ query: Query) throws(APIError) {
        filters = try Filters(
            query, allowed: ["id", "name", "driver", "label", "scope", "type", "dangling"])
        dangling = try filters.flag("dangling")
        for type in filters["type"] where type != "custom" && type != "builtin" {
            throw APIError(400, "invalid filter: 'type'='\(type)'")
        }
    }

    func contains(_ network: Swarm.Network, isInUse: Bool) -> Bool {
        // Docker takes names and identifiers of networks for regular expressions: `^web$` is one network.
        filters.allows("id") { Self.matches($0, network.id) }
            && filters.allows("name") { Self.matches($0, network.spec.name) }
            && filters.allows("driver") { $0 == "overlay" }
            && filters.allows("scope") { $0 == "swarm" }
            && filters.allows("type") { $0 == "custom" }
            && filters.allows(labels: network.spec.labels)
            && (dangling == nil || dangling == !isInUse)
    }

    private static func matches(_ wanted: String, _ text: String) -> Bool {
        text == wanted || NamePattern(wanted)?.isFound(in: text) ?? false
    }
}
