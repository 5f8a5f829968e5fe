import CausewayModel

/// Forgets tasks that are over: those to be removed, those that never began, and the oldest of a long history.
package struct TaskReaper: Sendable {
    package init() {}

    /// The tasks to be deleted.
    ///
    /// `limit` says how many tasks a slot keeps, the running one included (negative: all of them), and `memory` how
    /// many it keeps at least, whatever the limit.
    package func reconcile(_ slots: [Slot], limit: Int64, memory: Int) -> [TaskDirective] {
        let kept = limit < 0 ? Int.max : max(Int(clamping: limit), memory)
        return slots.flatMap { slot -> [TaskDirective] in
            var rest = slot.tasks.filter { !Self.isGone($0) }
            var gone = slot.tasks.filter(Self.isGone)
            while rest.count > kept, let index = rest.firstIndex(where: Self.isHistory) {
                gone.append(rest.remove(at: index))
            }
            return gone.map { .delete($0.id) }
        }
    }

    /// Not wanted, and either never given to a node or already ended and to be removed.
    private static func isGone(_ task: Swarm.Task) -> Bool {
        guard task.desiredState > .running, task.lastSeen == nil else { return false }
        if task.status.state < .assigned { return true }
        return task.desiredState == .remove && task.status.state.isTerminal
    }

    private static func isHistory(_ task: Swarm.Task) -> Bool {
        task.desiredState > .running && task.status.state.isTerminal && task.lastSeen == nil
    }
}
