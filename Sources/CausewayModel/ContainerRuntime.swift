/// Whoever runs the containers of a node's tasks.
///
/// It knows containers, never services: one container for each task, found again by its labels after a restart of
/// either side. Every call may be repeated: what has been done already is success.
package protocol ContainerRuntime: Sendable {
    /// Makes the task's container, and fetches its image if that is not here. Returns the container's identifier.
    ///
    /// `dependencies`: The secrets and configs that the task uses; without one of them it is `unavailable`. Their
    /// content is kept in memory, until ``keepFiles(of:dependenciesOf:)`` does not name the task.
    /// Refuses with Docker's words: they are shown to the user as they are.
    func prepare(
        _ task: Swarm.Task, with dependencies: [Swarm.AssignedDependency]
    ) async throws(ContainerError) -> String

    /// Removes what was made for other tasks than these: files that a container was to have and, but for those of
    /// `living`, secrets and configs.
    ///
    /// A task may have such files and no container: the engine may end while it is asked for one.
    func keepFiles(of tasks: Set<Swarm.ID>, dependenciesOf living: Set<Swarm.ID>) async

    /// Starts a container inside a network namespace that is complete.
    func start(_ id: String, namespacePath: String) async throws(ContainerError)

    /// Sends the container's stop signal, waits for `grace`, kills it; returns when it has ended.
    ///
    /// Without `grace`, the container's own (from its task's specification) is waited for.
    func stop(_ id: String, grace: Nanoseconds?) async throws(ContainerError)

    /// Removes a container with its anonymous volumes, and what was kept for it. `force` kills it first.
    func remove(_ container: ObservedContainer, force: Bool) async throws(ContainerError)

    /// A container as it is now, or nothing if it is gone.
    func inspect(_ id: String) async throws(ContainerError) -> ObservedContainer?

    /// All containers that carry a task's labels, those of other nodes that share the engine perhaps among them.
    func observe() async throws(ContainerError) -> [ObservedContainer]

    /// Calls `changed` whenever a container may have changed, until the caller is cancelled.
    ///
    /// Calls may be lost, doubled or late; after a broken connection there is at least one.
    func watch(_ changed: @escaping @Sendable () -> Void) async
}

extension ContainerRuntime {
    /// Prepares a task that uses no secret and no config.
    package func prepare(_ task: Swarm.Task) async throws(ContainerError) -> String {
        try await prepare(task, with: [])
    }
}

/// A task's container as the engine knows it.
package struct ObservedContainer: Hashable, Sendable, Identifiable {
    package enum State: String, Hashable, Sendable {
        case created
        case running
        case exited
        /// Half removed: it does not run, and will not.
        case dead
    }

    /// What its health check has found.
    package enum Health: String, Hashable, Sendable {
        /// Nothing yet.
        case starting
        case healthy
        case unhealthy
    }

    package var id: String
    package var taskID: Swarm.ID
    package var nodeID: Swarm.ID
    package var state: State
    /// 0 when it does not run.
    package var pid: Int
    package var exitCode: Int
    package var startedAt: Timestamp?
    package var finishedAt: Timestamp?
    /// What the engine says about why it ended or could not start.
    package var error: String
    /// Absent without a health check.
    ///
    /// Of one that has ended: how it was before.
    package var health: Health?

    package init(
        id: String, taskID: Swarm.ID, nodeID: Swarm.ID, state: State, pid: Int = 0, exitCode: Int = 0,
        startedAt: Timestamp? = nil, finishedAt: Timestamp? = nil, error: String = ""
    ) {
        self.id = id
        self.taskID = taskID
        self.nodeID = nodeID
        self.state = state
        self.pid = pid
        self.exitCode = exitCode
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.error = error
    }
}

/// Why a container could not be made, started, stopped or looked at.
package struct ContainerError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Reason: String, Hashable, Sendable {
        /// The engine did not answer. This says nothing about the task: try again.
        case unavailable
        /// There is no such container.
        case notFound
        /// The engine said no, and will say so again.
        case refused
    }

    package var reason: Reason
    package var message: String

    package init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    package var description: String { message }
}
