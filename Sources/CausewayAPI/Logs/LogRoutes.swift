import CausewayModel
import OrderedCollections
import Synchronization

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
                    let isAlive = now.map { !$0.status.state.isTerminal } ?? false
                    return LogSource(tasks: now.map { [$0] } ?? [], mayGrow: isAlive)
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

/// Copies logs of tasks to a client, wherever the tasks are.
///
/// What could not be read is said at the end, as Docker's swarm does: its clients stop at such a word. Whoever follows
/// hears it late or never; until then a node that comes back is taken up where it was lost.
private struct LogCopier: Sendable {
    let backends: Backends
    let options: LogOptions
    let isRaw: Bool
    let source: @Sendable () async throws(APIError) -> LogSource

    func run(_ writer: BodyWriter) async throws {
        let reasons = options.follows ? try await follow(writer) : try await copy(writer)
        guard !reasons.isEmpty else { return }
        try await writer.write(LogFrame.failure(reasons).shown(raw: isRaw))
    }

    /// One task after the other, so that nothing waits in memory.
    private func copy(_ writer: BodyWriter) async throws -> [String] {
        var reasons = OrderedSet<String>()
        for task in Self.inOrder(try await source().tasks) {
            if task.nodeID == nil { reasons.append("task \(task.id) has not been scheduled") }
            guard let reader = TaskLogReader(task, options, isRaw: isRaw, isLate: false) else { continue }
            if let why = try await reader.read(from: backends.logs, to: writer).reason { reasons.append(why) }
        }
        return Array(reasons)
    }

    private func follow(_ writer: BodyWriter) async throws -> [String] {
        let followed = Followed()
        try await withThrowingTaskGroup(of: Void.self) { group in
            var isLate = false
            while true {
                let wanted = try await source()
                for task in Self.inOrder(wanted.tasks) {
                    let reader = followed.next(task) { TaskLogReader(task, options, isRaw: isRaw, isLate: isLate) }
                    guard let reader else { continue }
                    group.addTask {
                        followed.ended(task.id, try await reader.read(from: backends.logs, to: writer))
                    }
                }
                guard wanted.mayGrow else { break }
                isLate = true
                // New tasks and nodes that come back are looked for: a person reads along, and it is a look into memory.
                try await Task.sleep(for: .milliseconds(500))
            }
            try await group.waitForAll()
        }
        return followed.reasons
    }

    private static func inOrder(_ tasks: [Swarm.Task]) -> [Swarm.Task] {
        tasks.sorted { a, b in
            a.slot != b.slot ? a.slot < b.slot : a.meta.createdAt < b.meta.createdAt
        }
    }
}

extension TaskLogReader.Ending {
    /// Why it is not whole.
    fileprivate var reason: String? {
        switch self {
        case .whole: nil
        case .interrupted(let why, _), .refused(let why): why
        }
    }
}

/// The tasks of a log that is followed, and how each stands.
private final class Followed: Sendable {
    private enum Reading: Sendable {
        case underway(TaskLogReader)
        case lost(TaskLogReader, String)
        case over(String?)
    }

    private let readings = Mutex<[Swarm.ID: Reading]>([:])

    /// Who is to read a task's log now; `nil` when somebody does, or nobody has to.
    func next(_ task: Swarm.Task, _ make: () -> TaskLogReader?) -> TaskLogReader? {
        readings.withLock { readings in
            let reader: TaskLogReader?
            switch readings[task.id] {
            case nil: reader = make()
            case .lost(let lost, _): reader = lost
            case .underway, .over: return nil
            }
            if let reader { readings[task.id] = .underway(reader) }
            return reader
        }
    }

    func ended(_ id: Swarm.ID, _ ending: TaskLogReader.Ending) {
        readings.withLock { readings in
            guard case .underway(let reader) = readings[id] else { return }
            if case .interrupted(let why, canGoOn: true) = ending {
                readings[id] = .lost(reader, why)
            } else {
                readings[id] = .over(ending.reason)
            }
        }
    }

    /// What is missing, each reason once.
    var reasons: [String] {
        readings.withLock { readings in
            Set(
                readings.values.compactMap { reading in
                    switch reading {
                    case .underway: nil
                    case .lost(_, let why): why
                    case .over(let why): why
                    }
                }
            ).sorted()
        }
    }
}
