import CausewayModel

@testable import CausewayAgent

/// An engine in memory, that fails when it is told to.
actor FakeRuntime: ContainerRuntime {
    private(set) var containers: [String: ObservedContainer] = [:]
    private(set) var calls: [String] = []
    private(set) var paths: [String: String] = [:]
    private var failures: [String: [ContainerError]] = [:]
    private(set) var running = 0
    private(set) var mostRunning = 0
    private var held: [CheckedContinuation<Void, Never>] = []
    private var isHolding = false
    private var isHoldingLook = false

    /// The next call named `call` throws.
    func fail(_ call: String, _ reason: ContainerError.Reason, _ message: String, times: Int = 1) {
        failures[call, default: []] += Array(repeating: ContainerError(reason, message), count: times)
    }

    func put(_ container: ObservedContainer) { containers[container.id] = container }
    func drop(_ id: String) { containers[id] = nil }
    func exit(_ id: String, code: Int) {
        containers[id]?.state = .exited
        containers[id]?.exitCode = code
        containers[id]?.pid = 0
    }

    /// Keeps calls of `prepare` until they are let go.
    func hold() { isHolding = true }
    func release() {
        isHolding = false
        for call in held { call.resume() }
        held = []
    }
    var heldCount: Int { held.count }

    /// Keeps the next look after it has looked.
    func holdLook() { isHoldingLook = true }

    private(set) var given: [Swarm.ID: [Swarm.AssignedDependency]] = [:]
    /// The tasks whose secrets and configs are kept, and those whose other files are.
    private(set) var kept: Set<Swarm.ID> = []
    private(set) var keptFiles: Set<Swarm.ID> = []

    func keepFiles(of tasks: Set<Swarm.ID>, dependenciesOf living: Set<Swarm.ID>) {
        kept = living
        keptFiles = tasks
    }

    func prepare(
        _ task: Swarm.Task, with dependencies: [Swarm.AssignedDependency]
    ) async throws(ContainerError) -> String {
        given[task.id] = dependencies
        try note("prepare", task.id)
        running += 1
        mostRunning = max(mostRunning, running)
        if isHolding { await withCheckedContinuation { held.append($0) } }
        running -= 1
        let id = "c-\(task.id)"
        containers[id] = ObservedContainer(id: id, taskID: task.id, nodeID: task.nodeID ?? "", state: .created)
        return id
    }

    func start(_ id: String, namespacePath: String) async throws(ContainerError) {
        try note("start", id)
        paths[id] = namespacePath
        guard containers[id] != nil else { throw ContainerError(.notFound, "No such container: \(id)") }
        containers[id]?.state = .running
        containers[id]?.pid = 100
    }

    func stop(_ id: String, grace: Nanoseconds?) async throws(ContainerError) {
        try note("stop", id)
        exit(id, code: 143)
    }

    func remove(_ container: ObservedContainer, force: Bool) async throws(ContainerError) {
        try note("remove", container.id)
        containers[container.id] = nil
    }

    func inspect(_ id: String) async throws(ContainerError) -> ObservedContainer? {
        try note("inspect", nil)
        return containers[id]
    }

    func observe() async throws(ContainerError) -> [ObservedContainer] {
        try note("observe", nil)
        let seen = containers.values.sorted { $0.id < $1.id }
        if isHoldingLook {
            isHoldingLook = false
            await withCheckedContinuation { held.append($0) }
        }
        return seen
    }

    func watch(_ changed: @escaping @Sendable () -> Void) async {}

    private func note(_ call: String, _ subject: String?) throws(ContainerError) {
        if let subject { calls.append("\(call) \(subject)") }
        if var waiting = failures[call], !waiting.isEmpty {
            let error = waiting.removeFirst()
            failures[call] = waiting
            throw error
        }
    }
}

struct FakeNetwork: TaskNetwork {
    struct Refusal: Error, CustomStringConvertible { var description: String }

    var refusal: String?
    /// What happens before a task that was started listens.
    var beforeListening: @Sendable (Swarm.Task) async -> Void = { _ in }

    func listening(_ task: Swarm.Task) async { await beforeListening(task) }

    func ready(_ task: Swarm.Task) async throws -> String {
        if let refusal { throw Refusal(description: refusal) }
        return "/run/netns/cw-\(task.id)"
    }
}

/// Takes reports as a manager would, and time as a clock would.
actor FakeManager {
    struct Away: Error {}

    private(set) var reports: [TaskReport] = []
    private var isAway = false

    func leave() { isAway = true }
    func comeBack() { isAway = false }

    func take(_ reports: [TaskReport]) throws {
        if isAway { throw Away() }
        self.reports += reports
    }

    func states(of task: Swarm.ID) -> [Swarm.Task.State] {
        reports.filter { $0.taskID == task }.map(\.status.state)
    }

    func last(_ task: Swarm.ID) -> Swarm.Task.Status? { reports.last { $0.taskID == task }?.status }
}
