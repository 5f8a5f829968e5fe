import CausewayModel

/// Runs a job's tasks to their number of completions, a few at a time.
///
/// Looks at the tasks of the present iteration only. Decides only; its caller does.
package struct ReplicatedJobOrchestrator: Sendable {
    package init() {}

    /// Each completion has a slot of its own, so that a task that fails is replaced in it by its restart policy; one that
    /// may not be replaced keeps its slot, and the job never completes.
    package func reconcile(_ slots: [Slot], maxConcurrent: UInt64, totalCompletions: UInt64) -> [TaskDirective] {
        let taken = Set(slots.filter(\.isFilled).map(\.key))
        let active = slots.count { $0.wanted.contains { $0.status.state != .complete } }
        let free = max(0, Int(clamping: maxConcurrent) - active)
        let missing = max(0, Int(clamping: totalCompletions) - taken.count)
        let empty = (1...).lazy.map(SlotKey.replica).filter { !taken.contains($0) }
        return empty.prefix(min(free, missing)).map { .create($0, desired: .running) }
    }
}

/// Runs a job's task to completion on each node that was there when the job was begun.
package struct GlobalJobOrchestrator: Sendable {
    package init() {}

    package func reconcile(
        _ slots: [Slot], nodes: [Swarm.ID: GlobalOrchestrator.Eligibility]
    ) -> [TaskDirective] {
        let taken = Set(slots.filter(\.isFilled).map(\.key))
        let missing = nodes.keys.sorted().filter { nodes[$0] == .eligible && !taken.contains(.node($0)) }
        let lost = slots.filter { slot in
            guard case .node(let node) = slot.key else { return false }
            return nodes[node] ?? .ineligible == .ineligible
        }
        let shutDown = lost.flatMap(\.wanted).filter { $0.status.state != .complete }
        return missing.map { .create(.node($0), desired: .running) }
            + shutDown.map { .setDesired($0.id, .shutdown) }
    }
}

/// Ends what former iterations of a job left.
package struct JobIterations: Sendable {
    let current: Swarm.Version

    package init(current: Swarm.Version) { self.current = current }

    package func isCurrent(_ task: Swarm.Task) -> Bool { task.jobIteration == current }

    /// Tasks that have not ended are removed; the others stay as a history.
    package func reconcile(_ tasks: [Swarm.Task]) -> [TaskDirective] {
        tasks.filter { !isCurrent($0) && $0.desiredState < .remove }.compactMap { task in
            if !task.status.state.isTerminal { return .setDesired(task.id, .remove) }
            return task.desiredState <= .running ? .setDesired(task.id, .shutdown) : nil
        }
    }
}
