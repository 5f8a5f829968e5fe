import CausewayKernel
import CausewayModel
import Logging

/// What the tasks' side asks of the network.
extension Agent: TaskNetwork {
    /// How long the kernel may take to let a network go.
    private static let lettingGoPatience = Duration.seconds(2)
    /// A program that has not opened its ports by then is none that one waits for.
    private static let listeningPatience = Duration.seconds(1)

    /// The task's namespace, once all of it is there.
    ///
    /// What the kernel refused is tried again meanwhile; after some seconds it is this task's failure, with its reason.
    package func ready(_ task: Swarm.Task) async throws -> String {
        let name = TaskPlace.namespaceName(of: task)
        for _ in 0..<readyPatience {
            if applied?.namespaces[name] != nil, failure(of: name) == nil {
                return node.path(ofNamespace: name)
            }
            // Nearly always it is there at once: tasks are handed on after the round that made it. Only what was refused is
            // waited for, and the rounds that try it again come in their own time.
            try await Task.sleep(for: .milliseconds(100))
        }
        throw failure(of: name)
            ?? KernelError(
                step: "give task \(task.name) its network", reason: .noNamespace,
                detail: "no assignment with this task was applied yet")
    }

    /// What was refused of a task's namespace, or of what it depends on.
    private func failure(of namespace: String) -> KernelError? {
        let supports = applied?.supports[namespace] ?? []
        return failures[.task(namespace)] ?? failures[.host]
            ?? supports.sorted().lazy.compactMap { self.failures[.task($0)] }.first
    }

    /// Takes the networks of tasks that have ended away, and returns when they are gone.
    ///
    /// To be called before anybody is told of the end: then their addresses may be given to tasks of other nodes, whose
    /// kernels do not wait for this one.
    package func letGo(of tasks: Set<Swarm.ID>) async {
        guard tasks.contains(where: hasNamespace) else { return }
        inbox.put(ended: tasks)
        let deadline = ContinuousClock.now + Self.lettingGoPatience
        while tasks.contains(where: hasNamespace) {
            guard ContinuousClock.now < deadline else {
                return logger.warning(
                    "the networks of ended tasks are still there", metadata: ["tasks": "\(tasks.sorted())"])
            }
            guard await Task.pause(for: .milliseconds(2)) else { return }
        }
    }

    private func hasNamespace(_ task: Swarm.ID) -> Bool { applied?.namespaceOfTask[task] != nil }

    package func listening(_ task: Swarm.Task) async {
        let ports = Set(task.ports.filter { $0.protocol == .tcp }.map(\.targetPort))
        guard !ports.isEmpty else { return }
        let deadline = ContinuousClock.now + Self.listeningPatience
        while ContinuousClock.now < deadline {
            do throws(KernelError) {
                if try await node.listeners(in: TaskPlace.namespaceName(of: task)).isSuperset(of: ports) { return }
            } catch {
                return logger.warning("cannot tell whether \(task.name) listens; it counts as running: \(error)")
            }
            guard await Task.pause(for: .milliseconds(5)) else { return }
        }
        logger.notice("\(task.name) runs, and does not listen on all that it publishes: \(ports.sorted())")
    }
}

extension NodeAssignment {
    /// The same, with tasks that have ended shown as ended.
    func without(_ ended: Set<Swarm.ID>) -> NodeAssignment {
        guard !ended.isEmpty else { return self }
        var shown = self
        for index in tasks.indices where ended.contains(tasks[index].id) { shown.tasks[index].status.state = .complete }
        return shown
    }
}
