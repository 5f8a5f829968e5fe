import CausewayModel

/// The place that a task fills: a number in a replicated service, a node in a global one.
package enum SlotKey: Hashable, Comparable, Sendable {
    case replica(Int)
    case node(Swarm.ID)

    package init(_ task: Swarm.Task) {
        self = task.slot > 0 ? .replica(task.slot) : .node(task.nodeID ?? "")
    }
}

/// All tasks that were ever made for one place and are still kept, oldest first.
package struct Slot: Hashable, Sendable {
    package let key: SlotKey
    package private(set) var tasks: [Swarm.Task]

    /// Sorts a service's tasks, oldest first, into their slots, in the order of the keys.
    package static func slots(of tasks: [Swarm.Task]) -> [Slot] {
        Dictionary(grouping: tasks, by: SlotKey.init).map { Slot(key: $0.key, tasks: $0.value) }
            .sorted { $0.key < $1.key }
    }

    /// The tasks that are to run, whether or not they do.
    package var wanted: [Swarm.Task] { tasks.filter { $0.desiredState <= .running } }

    package var newest: Swarm.Task? { tasks.last }

    /// The task that was there before `task`.
    package func predecessor(of task: Swarm.Task) -> Swarm.Task? {
        tasks.firstIndex { $0.id == task.id }.flatMap { $0 > 0 ? tasks[$0 - 1] : nil }
    }

    /// Whether the slot needs no new task: one is wanted, or the last one ended and is not to be restarted.
    package var isFilled: Bool {
        if !wanted.isEmpty { return true }
        guard let newest, newest.desiredState != .remove else { return false }
        return (newest.status.state.isTerminal || newest.isFailing)
            && !RestartSupervisor.shouldRestart(newest, in: self)
    }
}

/// What an orchestrator wants done about a service's tasks.
package enum TaskDirective: Hashable, Sendable {
    /// Make a task from the service's current specification.
    case create(SlotKey, desired: Swarm.Task.State)
    /// Raise what is wanted of a task. Never lowers it.
    case setDesired(Swarm.ID, Swarm.Task.State)
    /// Take a task out of the store.
    case delete(Swarm.ID)
    /// Let a task that already is as the new specification wants it count as made from it.
    case adopt(Swarm.ID)
}
