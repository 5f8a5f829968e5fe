import CausewayModel

/// Replaces tasks that ended by themselves, as the restart policy says.
///
/// A task is never started again: its slot gets a new one, wanted as `ready` until the delay is over. All is derived
/// from the tasks that the slot keeps, so a restart of the manager changes nothing.
package struct RestartSupervisor: Sendable {
    package init() {}

    /// Shuts down what has ended, is not well, or stands on a node that is being drained, and fills the slot again if it
    /// may.
    ///
    /// A replacement that fails while it still waits is only replaced once its own wait is over: otherwise an image
    /// that cannot be had would be asked for without end.
    ///
    /// Tasks on `drained` nodes have to leave; `mayRefill` says whether the orchestrator still wants a slot.
    package func reconcile(
        _ slots: [Slot], drained: Set<Swarm.ID>, at now: Timestamp, mayRefill: (SlotKey) -> Bool
    ) -> [TaskDirective] {
        slots.flatMap { slot -> [TaskDirective] in
            let ended = slot.wanted.filter { task in
                task.hasFailedOrEnded && (task.desiredState > .ready || StartGate.due(task, in: slot) <= now)
            }
            let leaving = slot.wanted.filter { task in
                task.status.state <= .running && !task.isFailing && task.nodeID.map(drained.contains) == true
            }
            let over = ended + leaving
            guard let last = over.last else { return [] }
            let directives = over.map { TaskDirective.setDesired($0.id, .shutdown) }
            let isRefilled = slot.wanted.count > over.count
            guard !isRefilled, mayRefill(slot.key), !leaving.isEmpty || Self.shouldRestart(last, in: slot) else {
                return directives
            }
            return directives + [.create(slot.key, desired: .ready)]
        }
    }

    /// Whether the policy wants a new task after this one.
    ///
    /// It counts the restarts that the slot remembers for the task's specification; the reaper keeps as many as the
    /// policy needs.
    package static func shouldRestart(_ task: Swarm.Task, in slot: Slot) -> Bool {
        // It was its node that failed.
        if task.status.state == .orphaned { return true }
        if task.hasCompletedJob { return false }
        let policy = task.spec.restartPolicy
        switch policy?.condition ?? .any {
        case .none: return false
        case .onFailure where task.status.state == .complete: return false
        case .onFailure, .any: break
        }
        guard let attempts = policy?.maxAttempts, attempts > 0 else { return true }
        var restarts = slot.tasks.filter {
            $0.specVersion == task.specVersion && $0.status.state != .orphaned
        }.dropFirst()
        if let window = policy?.window, window > .zero {
            let start = task.status.timestamp.advanced(by: Nanoseconds(-window.rawValue))
            restarts = restarts.drop { $0.meta.createdAt < start }
        }
        return UInt64(restarts.count) < attempts
    }

    /// How many tasks of a slot have to be remembered so that attempts can be counted.
    package static func memory(_ service: Swarm.Service) -> Int {
        guard let attempts = service.spec.taskTemplate.restartPolicy?.maxAttempts, attempts > 0 else { return 0 }
        return Int(clamping: attempts) + (attempts < 1 << 30 ? 2 : 0)
    }
}

/// Decides when a task that waits as `ready` may start.
package struct StartGate: Sendable {
    /// How long a replacement waits at most for the one before it to stop.
    package static let patience = Nanoseconds.seconds(60)

    package init() {}

    /// The directives that are due, and the next moment at which one will be.
    package func reconcile(_ slots: [Slot], at now: Timestamp) -> (directives: [TaskDirective], next: Timestamp?) {
        var directives: [TaskDirective] = []
        var next: Timestamp?
        for slot in slots {
            for task in slot.tasks where task.desiredState == .ready {
                let due = Self.due(task, in: slot)
                if due > now {
                    next = min(next ?? due, due)
                } else if task.status.state <= .running {
                    directives.append(.setDesired(task.id, .running))
                }
            }
        }
        return (directives, next)
    }

    /// A task waits for those that are stopping in its slot, within reason, and for the restart delay if it replaces
    /// one of the same specification that ended by itself.
    static func due(_ task: Swarm.Task, in slot: Slot) -> Timestamp {
        var due = task.meta.createdAt
        let stopping = slot.tasks.contains {
            $0.id != task.id && $0.desiredState > .running
                && ($0.status.state >= .assigned && $0.status.state <= .running
                    || $0.lastSeen != nil && $0.nodeID == task.nodeID)
        }
        if stopping { due = task.meta.createdAt.advanced(by: patience) }
        if let before = slot.predecessor(of: task), before.specVersion == task.specVersion,
            [.complete, .failed, .rejected].contains(before.status.state) || before.isFailing
        {
            let delay = task.spec.restartPolicy?.delay ?? .seconds(5)
            due = max(due, task.meta.createdAt.advanced(by: delay))
        }
        return due
    }
}

extension Swarm.Task {
    /// Whether it has done what a job's task is there for.
    var hasCompletedJob: Bool { jobIteration != nil && status.state == .complete }

    /// Whether it has to be replaced, as far as it knows itself.
    fileprivate var hasFailedOrEnded: Bool { !hasCompletedJob && (status.state > .running || isFailing) }
}
