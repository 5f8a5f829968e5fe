import CausewayEngine
import CausewayModel
import NIOCore
import NIOHTTP1

/// `/events`: Docker Engine's and the swarm's, in one stream.
struct EventRoutes: Sendable {
    let backends: Backends
    let networkEvents: NetworkEvents
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
        let connections = try await connections(selection, query.filter { $0.0 != "filters" })
        let deadline = selection.until.map { Duration.nanoseconds(max(0, $0.since(now()).rawValue)) }
        let translation = EventTranslation(backends: backends, networkEvents: networkEvents)
        return .answer(
            APIResponse(
                body: .stream { client in
                    // What has all happened is told in order, whoever kept it.
                    let past = deadline == .zero ? PastEvents() : nil
                    let writer = past.map { past in BodyWriter { await past.add($0) } } ?? client
                    try await withThrowingTaskGroup(of: Bool.self) { group in
                        group.addTask {
                            try await translation.pass(theirs, to: writer)
                            // Without `until` the engine's events have no end, unless the engine has.
                            return deadline == nil
                        }
                        if let connections {
                            group.addTask {
                                try await translation.translate(connections, selection, to: writer)
                                return false
                            }
                        }
                        group.addTask {
                            try await ours(selection, deadline, writer)
                            return false
                        }
                        while let endsAll = try await group.next() {
                            if endsAll { group.cancelAll() }
                        }
                    }
                    if let inOrder = await past?.inOrder(), inOrder.readableBytes > 0 {
                        try await client.write(inOrder)
                    }
                }))
    }

    /// What containers do with the engine's network `none`; `nil` when nobody wants to know of networks.
    private func connections(
        _ selection: EventSelection, _ moments: EngineClient.Query
    ) async throws(APIError) -> EngineStream? {
        guard selection.wantsConnections else { return nil }
        let filters = #"{"type":["network"],"network":["none"],"event":["connect","disconnect"]}"#
        return try await askingEngine { () async throws(EngineError) in
            try await backends.engine.stream(.GET, "/events", query: moments + [("filters", filters)])
        }
    }

    /// Writes the swarm's events until `deadline`, or until the client goes.
    private func ours(_ selection: EventSelection, _ deadline: Duration?, _ writer: BodyWriter) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            // Outside a swarm too: it may begin while the client listens.
            if selection.wantsSwarm {
                group.addTask {
                    for await event in await backends.control.events(since: selection.since) {
                        if let until = selection.until, until < event.time { return }
                        if selection.contains(event) { try await writer.line(Engine.Event(event)) }
                    }
                }
            }
            group.addTask {
                for await event in networkEvents.stream(since: selection.since) {
                    if let until = selection.until, until < event.time { return }
                    if selection.contains(event) { try await writer.line(Engine.Event(event)) }
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

/// Events that have all happened: few, because nobody keeps many.
private actor PastEvents {
    private var bytes = ByteBuffer()

    func add(_ lines: ByteBuffer) { bytes.writeImmutableBuffer(lines) }

    /// By their time; those of one moment as they came.
    func inOrder() -> ByteBuffer {
        let lines = bytes.readableBytesView.split(separator: UInt8(ascii: "\n")).map { ByteBuffer($0) }
        let timed = lines.enumerated().map { index, line in
            let time: Int64 = JSONText(line)?.object?["timeNano"]?.value() ?? 0
            return (time: time, index: index, line: line)
        }
        var ordered = ByteBuffer()
        for one in timed.sorted(by: { ($0.time, $0.index) < ($1.time, $1.index) }) {
            ordered.writeImmutableBuffer(one.line)
            ordered.writeString("\n")
        }
        return ordered
    }
}

extension BodyWriter {
    /// Writes a value as a line of JSON.
    func line(_ value: some Encodable) async throws {
        var line = try JSON.bytes(value)
        line.writeString("\n")
        try await write(line)
    }
}
