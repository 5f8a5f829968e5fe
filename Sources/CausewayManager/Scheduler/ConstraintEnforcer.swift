import CausewayModel

/// Finds the tasks that a node has to give up because it has changed: its labels, its role, what it has.
///
/// Decides only. A node that is being drained or is paused is left alone: the one loses all, the other keeps all.
package struct ConstraintEnforcer: Sendable {
    /// Swarm's words, on the task that is given up.
    package static let message = "task rejected by constraint enforcer"
    package static let error = "assigned node no longer meets constraints"

    package init() {}

    /// Of a node's tasks, oldest first, those that do not satisfy their constraints there, or find no room.
    package func reconcile(_ node: Swarm.Node, _ tasks: [Swarm.Task]) -> [Swarm.ID] {
        guard node.spec.availability == .active else { return [] }
        var cpus = node.description.nanoCPUs
        var memory = node.description.memoryBytes
        var resources = GenericResources(node.description.genericResources ?? [])
        return tasks.filter { task in
            guard task.desiredState <= .running, (.assigned...(.running)).contains(task.status.state),
                task.rejection == nil
            else { return false }
            guard Scheduler.satisfies(node, task.spec.placement?.constraints) else { return true }
            guard let wanted = task.spec.resources?.reservations else { return false }
            let (cpusWanted, memoryWanted) = (wanted.nanoCPUs ?? 0, wanted.memoryBytes ?? 0)
            var rest = resources
            let hasAll = (task.genericResources ?? []).allSatisfy { rest.take($0) }
            guard cpusWanted <= max(0, cpus), memoryWanted <= max(0, memory), hasAll else { return true }
            (cpus, memory, resources) = (cpus - cpusWanted, memory - memoryWanted, rest)
            return false
        }
        .map(\.id)
    }
}
