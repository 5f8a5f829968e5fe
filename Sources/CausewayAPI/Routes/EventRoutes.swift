import CausewayEngine
import CausewayModel
import NIOCore
import NIOHTTP1

/// `/events`: Docker Engine's and the swarm's, in one stream.
struct EventRoutes: Sendable {
    let backends: Backends
    let now: @Sendable () -> Timestamp

    var routes: [Route] {
        [Route("GET", "/events") { request throws(APIError) in try await events(request) }]
    }

    private func events(_ request: APIRequest) async throws(APIError) -> APIReply {
        let selection = try EventSelection(request.query)
        let names = ["since", "until", "filters"]
        let query = names.compactMap { name in request.query[name].map { (name, $0) } }
        // Refuses what the engine refuses, before anything is answered.
        let theirs = try await askingEngine { () async throws(EngineError) in
            try await backends.engine.stream(.GET, "/events", query: query)
        }
        let deadline = selection.until.map { Duration.nanoseconds(max(0, $0.since(now()).rawValue)) }
        return .answer(
            APIResponse(
                body: .stream { writer in
                    try await withThrowingTaskGroup(of: Bool.self) { group in
                        group.addTask {
                            var lines = WholeLines()
                            for try await bytes in theirs {
                                if let whole = lines.take(bytes) { try await writer.write(whole) }
                            }
                            if let last = lines.finish() { try await writer.write(last) }
                            // Without `until` the engine's events have no end, unless the engine has.
                            return deadline == nil
                        }
                        group.addTask {
                            try await ours(selection, deadline, writer)
                            return false
                        }
                        while let endsAll = try await group.next() {
                            if endsAll { group.cancelAll() }
                        }
                    }
                }))
    }

    /// Writes the swarm's events until `deadline`, or until the client goes.
    private func ours(_ selection: EventSelection, _ deadline: Duration?, _ writer: BodyWriter) async throws {
        // Outside a swarm too: it may begin while the client listens.
        guard selection.wantsSwarm else { return }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for await event in await backends.control.events(since: selection.since) {
                    if let until = selection.until, until < event.time { return }
                    guard selection.contains(event) else { continue }
                    var line = try JSON.bytes(Engine.Event(event))
                    line.writeString("\n")
                    try await writer.write(line)
                }
            }
            if let deadline {
                group.addTask {
                    // What has already happened is told at once; a moment is left for it to be written.
                    try await Task.sleep(for: deadline + .milliseconds(100))
                }
                try await group.next()
                group.cancelAll()
            } else {
                try await group.waitForAll()
            }
        }
    }
}

/// Which events a client wants.
struct EventSelection: Sendable {
    let since: Timestamp?
    let until: Timestamp?
    private let filters: Filters

    private static let keys: Set<String> = [
        "type", "event", "scope", "service", "node", "network", "secret", "config", "container", "image", "label",
        "daemon", "volume", "plugin",
    ]

    init(_ query: Query) throws(APIError) {
        filters = try Filters(query, allowed: Self.keys)
        since = try query["since"].flatMap { text throws(APIError) in try Self.moment(text, "since") }
        until = try query["until"].flatMap { text throws(APIError) in try Self.moment(text, "until") }
    }

    /// Whether a filter leaves room for events of scope `swarm` at all.
    var wantsSwarm: Bool { filters.allows("scope") { $0 == "swarm" } }

    func contains(_ event: SwarmEvent) -> Bool {
        let other = ["secret", "config", "container", "image", "daemon", "volume", "plugin"]
        let objects: [(String, SwarmEvent.Kind)] = [("service", .service), ("node", .node), ("network", .network)]
        return filters.allows("type") { $0 == event.kind.rawValue }
            && filters.allows("event") { $0 == event.action.rawValue }
            && filters.allows(labels: event.attributes)
            && other.allSatisfy { filters[$0].isEmpty }
            && objects.allSatisfy { key, kind in
                filters.allows(key) {
                    kind == event.kind && (event.id.hasPrefix($0) || event.attributes["name"] == $0)
                }
            }
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
