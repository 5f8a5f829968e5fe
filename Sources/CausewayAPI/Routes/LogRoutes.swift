import CausewayEngine
import CausewayModel
import NIOHTTP1

/// `/services/{id}/logs` and `/tasks/{id}/logs`: the logs of the tasks' containers, merged.
struct LogRoutes: Sendable {
    let backends: Backends

    var routes: [Route] {
        [
            Route("GET", "/services/{id}/logs") { request throws(APIError) in
                let service = try await backends.service(request.capture("id"))
                return try await logs(request, of: service.spec.taskTemplate) { () async throws(APIError) in
                    let tasks = try await backends.tasks().filter { $0.serviceID == service.id }
                    let remains = try await backends.services().contains { $0.id == service.id }
                    return LogSource(tasks: tasks, mayGrow: remains)
                }
            },
            Route("GET", "/tasks/{id}/logs") { request throws(APIError) in
                let task = try await backends.task(request.capture("id"))
                return try await logs(request, of: task.spec) { () async throws(APIError) in
                    let now = try await backends.tasks().first { $0.id == task.id }
                    let waits = now.map { $0.status.container == nil && !$0.status.state.isTerminal } ?? false
                    return LogSource(tasks: now.map { [$0] } ?? [], mayGrow: waits)
                }
            },
        ]
    }

    private func logs(
        _ request: APIRequest, of spec: Swarm.TaskSpec,
        from source: @escaping @Sendable () async throws(APIError) -> LogSource
    ) async throws(APIError) -> APIReply {
        let options = try LogOptions(request.query)
        let isRaw = spec.containerSpec?.tty ?? false
        let copier = LogCopier(backends: backends, options: options, isRaw: isRaw, source: source)
        return .answer(
            APIResponse(
                contentType: isRaw
                    ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream",
                body: .stream { writer in try await copier.run(writer) }))
    }
}

/// Which tasks' logs are wanted now.
struct LogSource: Sendable {
    var tasks: [Swarm.Task]
    /// Whether asking again later may bring more.
    var mayGrow: Bool
}

/// The parameters of a call for logs.
struct LogOptions: Sendable {
    var follows: Bool
    var hasTimestamps: Bool
    var hasDetails: Bool
    private let passedOn: [(String, String)]
    private let tail: String

    init(_ query: Query) throws(APIError) {
        guard query.flag("stdout") || query.flag("stderr") else {
            throw APIError(500, "Bad parameters: you must choose at least one stream")
        }
        follows = query.flag("follow")
        hasTimestamps = query.flag("timestamps")
        hasDetails = query.flag("details")
        tail = query["tail"].flatMap { $0.isEmpty ? nil : $0 } ?? "all"
        guard tail == "all" || Int(tail) != nil else {
            throw APIError(400, "invalid tail '\(tail)': it must be a number of lines or all")
        }
        passedOn = ["stdout", "stderr", "timestamps", "follow"].map { ($0, query.flag($0) ? "1" : "0") }
            + ["since", "until"].compactMap { name in query[name].map { (name, $0) } }
    }

    /// - Parameter isLate: Whether the container came while the log was being followed: then all of it is new.
    func query(isLate: Bool) -> [(String, String)] { passedOn + [("tail", isLate ? "all" : tail)] }
}

/// Copies logs of containers to a client.
private struct LogCopier: Sendable {
    let backends: Backends
    let options: LogOptions
    let isRaw: Bool
    let source: @Sendable () async throws(APIError) -> LogSource

    func run(_ writer: BodyWriter) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var seen: Set<String> = []
            var isLate = false
            while true {
                let wanted = try await source()
                for task in wanted.tasks.sorted(by: { ($0.slot, $0.meta.createdAt) < ($1.slot, $1.meta.createdAt) }) {
                    guard let container = task.status.container?.id, seen.insert(container).inserted else { continue }
                    guard options.follows else {
                        try await copy(container, of: task, isLate: false, to: writer)
                        continue
                    }
                    group.addTask { [isLate] in try await copy(container, of: task, isLate: isLate, to: writer) }
                }
                guard options.follows, wanted.mayGrow else { break }
                isLate = true
                try await Task.sleep(for: .milliseconds(500))
            }
            try await group.waitForAll()
        }
    }

    private func copy(
        _ container: String, of task: Swarm.Task, isLate: Bool, to writer: BodyWriter
    ) async throws {
        let stream: EngineStream
        do {
            stream = try await backends.engine.stream(
                .GET, "/containers/\(container)/logs", query: options.query(isLate: isLate))
        } catch where error.isNotFound {
            // The container of an old task may have been removed; its log went with it.
            return
        }
        var frames = LogFrameReader()
        for try await bytes in stream {
            guard !isRaw else {
                try await writer.write(bytes)
                continue
            }
            frames.add(bytes)
            while var frame = try frames.next() {
                if options.hasDetails {
                    frame.insert(details: Self.details(of: task), afterTimestamp: options.hasTimestamps)
                }
                try await writer.write(frame.bytes)
            }
        }
    }

    /// Sorted by key, each part escaped as in a query: the CLI refuses lines without all three.
    private static func details(of task: Swarm.Task) -> String {
        [
            ("com.docker.swarm.node.id", task.nodeID ?? ""), ("com.docker.swarm.service.id", task.serviceID),
            ("com.docker.swarm.task.id", task.id),
        ]
        .map { "\($0.0)=\(EnginePath.escape($0.1))" }
        .joined(separator: ",")
    }
}
