import CausewayModel

/// Which events a client wants.
struct EventSelection: Sendable {
    let since: Timestamp?
    let until: Timestamp?
    private let filters: Filters

    /// Filters that name an object by its identifier, its name, or the beginning of either.
    private static let objects = [
        "service", "node", "network", "secret", "config", "container", "daemon", "volume", "plugin",
    ]
    private static let keys = Set(objects + ["type", "event", "scope", "image", "label"])

    init(_ query: Query) throws(APIError) {
        filters = try Filters(query, allowed: Self.keys)
        since = try query["since"].flatMap { text throws(APIError) in try Self.moment(text, "since") }
        until = try query["until"].flatMap { text throws(APIError) in try Self.moment(text, "until") }
    }

    /// Whether a filter leaves room for events of scope `swarm` at all.
    var wantsSwarm: Bool { filters.allows("scope") { $0 == "swarm" } }

    /// Whether it leaves room for containers that join and leave networks.
    var wantsConnections: Bool {
        filters.allows("scope") { $0 == "local" } && filters.allows("type") { $0 == "network" }
            && filters.allows("event") { ["connect", "disconnect"].contains($0) }
    }

    func contains(_ event: SwarmEvent) -> Bool {
        contains(event.kind.rawValue, event.action.rawValue, event.id, event.attributes)
    }

    func contains(_ event: NetworkEvent) -> Bool {
        filters.allows("scope") { $0 == "local" }
            && contains("network", event.action, event.networkID, event.attributes)
    }

    /// By moby's rule (`daemon/events/filter.go`): an object's filter looks at identifier and name of every event, whatever
    /// its type, so that `service=web` has the containers `web.1.…` too.
    private func contains(_ type: String, _ action: String, _ id: String, _ attributes: [String: String]) -> Bool {
        let name = attributes["name"] ?? ""
        return filters.allows("type") { $0 == type }
            && filters.allows("event") { $0 == action }
            && filters.allows(labels: attributes)
            && filters.allows("image") { $0 == id || $0 == attributes["image"] }
            && Self.objects.allSatisfy { key in filters.allows(key) { id.hasPrefix($0) || name.hasPrefix($0) } }
    }

    /// Reads `SECONDS[.NANOSECONDS]` or RFC 3339.
    static func moment(_ text: String, _ name: String) throws(APIError) -> Timestamp? {
        guard !text.isEmpty else { return nil }
        if let moment = Timestamp(text) { return moment }
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let seconds = Int64(parts[0]) else {
            throw APIError(400, "invalid \(name) '\(text)': it must be Unix seconds or an RFC 3339 time")
        }
        // Docker reads the part behind the dot as nanoseconds, padded on the right to nine digits.
        let digits = parts.count > 1 ? String(parts[1].prefix(9)) : ""
        let padded = digits + String(repeating: "0", count: 9 - digits.count)
        guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let nanoseconds = Int32(padded) else {
            throw APIError(400, "invalid \(name) '\(text)': it must be Unix seconds or an RFC 3339 time")
        }
        return Timestamp(seconds: seconds, nanoseconds: nanoseconds)
    }
}
