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
        // Docker matches names and identifiers of networks anywhere in them.
        filters.allows("id") { network.id.contains($0) }
            && filters.allows("name") { network.spec.name.contains($0) }
            && filters.allows("driver") { $0 == "overlay" }
            && filters.allows("scope") { $0 == "swarm" || $0 == "global" }
            && filters.allows("type") { $0 == "custom" }
            && filters.allows(labels: network.spec.labels)
            && (dangling == nil || dangling == !isInUse)
    }
}
