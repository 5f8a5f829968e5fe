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
            throw APIError(400, "tail value must be a positive integer or \"all\"")
        }
        var passedOn: [(String, String)] = []
        for name in ["stdout", "stderr", "timestamps", "follow"] {
            passedOn.append((name, query.flag(name) ? "1" : "0"))
        }
        for name in ["since", "until"] { query[name].map { passedOn.append((name, $0)) } }
        self.passedOn = passedOn
    }

    /// `isLate`: Whether the container came while the log was being followed: then all of it is new.
    func query(isLate: Bool) -> [(String, String)] { passedOn + [("tail", isLate ? "all" : tail)] }
}

/// Copies logs of containers to a client.
private struct LogCopier: Sendable {
    let backends: Backends
    let options: LogOptions
    let isRaw: Bool
    let source: @Sendable () async throws(APIError) -> LogSource

    func run(_ writer: BodyWriter) async throws {
        guard options.follows else {
            for task in Self.inOrder(try await source().tasks) { try await copy(task, isLate: false, to: writer) }
            return
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            var seen: Set<Swarm.ID> = []
            var wanted = try await source()
            add(wanted, isLate: false, &seen, to: &group, writer)
            while wanted.mayGrow {
                try await Task.sleep(for: .milliseconds(500))
                wanted = try await source()
                add(wanted, isLate: true, &seen, to: &group, writer)
            }
            try await group.waitForAll()
        }
    }

    private func add(
        _ wanted: LogSource, isLate: Bool, _ seen: inout Set<Swarm.ID>,
        to group: inout ThrowingTaskGroup<Void, any Error>, _ writer: BodyWriter
    ) {
        for task in Self.inOrder(wanted.tasks) where task.status.container != nil && !seen.contains(task.id) {
            seen.insert(task.id)
            group.addTask { try await copy(task, isLate: isLate, to: writer) }
        }
    }

    private static func inOrder(_ tasks: [Swarm.Task]) -> [Swarm.Task] {
        tasks.sorted { a, b in
            a.slot != b.slot ? a.slot < b.slot : a.meta.createdAt < b.meta.createdAt
        }
    }

    private func copy(_ task: Swarm.Task, isLate: Bool, to writer: BodyWriter) async throws {
        guard let container = task.status.container?.id else { return }
        let found: EngineStream?
        do throws(EngineError) { found = try await log(of: container, isLate: isLate) } catch {
            // The answer has begun: what is wrong is said in it, as in Docker, and the other tasks go on.
            return try await writer.write(LogFrame.failure(error.message).shown(raw: isRaw))
        }
        guard let stream = found else { return }
        var frames = LogFrameReader()
        let details = options.hasDetails ? Self.details(of: task) : nil
        for try await bytes in stream {
            guard !isRaw else {
                try await writer.write(bytes)
                continue
            }
            frames.add(bytes)
            while let frame = try frames.next() {
                let shown = details.map { frame.with(details: $0, afterTimestamp: options.hasTimestamps) } ?? frame
                try await writer.write(shown.bytes)
            }
        }
    }

    /// `nil` when the container is gone: its log went with it.
    private func log(of container: String, isLate: Bool) async throws(EngineError) -> EngineStream? {
        do {
            return try await backends.engine.stream(
                .GET, "/containers/\(container)/logs", query: options.query(isLate: isLate))
        } catch {
            guard error.isNotFound else { throw error }
            return nil
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
