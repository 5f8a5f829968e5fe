import CausewayModel

/// The next move for one task: something to say of it, something to do for it, or nothing.
///
/// Decides only; its caller reports or acts, and asks again. A state that it reports is always above the last one.
/// The words are Swarm's own.
package enum TaskDecision: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        case prepare
        case start(container: String)
        case stop(container: String)
    }

    case report(Swarm.Task.Status)
    case act(Action)
    case wait

    /// What to do for `task`, whose last known status is `status`, when `container` is what is there.
    package static func next(
        for task: Swarm.Task, status: Swarm.Task.Status, container: ObservedContainer?, now: Timestamp
    ) -> TaskDecision {
        let move = Move(status: status, container: container, now: now)
        if status.state.isTerminal { return move.afterEnd() }
        if task.desiredState >= .shutdown { return move.towardsShutdown() }
        return move.towardsRunning(mayStart: task.desiredState >= .running)
    }

    /// The status of a task after the engine, or the network, has refused `action`; `nil` if it is unchanged by that.
    ///
    /// Before the start a refusal rejects the task, from then on it fails it, as in Swarm.
    package static func refusal(
        of action: Action, because reason: String, status: Swarm.Task.Status, now: Timestamp
    ) -> Swarm.Task.Status? {
        var refused = status
        refused.timestamp = now
        switch action {
        case .prepare:
            refused.state = .rejected
            refused.error = reason
        case .start:
            refused.state = .failed
            refused.error = "starting container failed: \(reason)"
        case .stop: return nil
        }
        return refused
    }
}

/// One task at one moment.
private struct Move {
    let status: Swarm.Task.Status
    let container: ObservedContainer?
    let now: Timestamp

    func afterEnd() -> TaskDecision {
        guard let container, container.state == .running else { return .wait }
        return .act(.stop(container: container.id))
    }

    func towardsShutdown() -> TaskDecision {
        guard let container, container.state == .running else { return report(.shutdown, "shutdown") }
        return .act(.stop(container: container.id))
    }

    func towardsRunning(mayStart: Bool) -> TaskDecision {
        switch container?.state {
        case .running: status.state < .running ? report(.running, "started") : .wait
        case .exited, .dead: reportExit()
        case .created, nil: beforeRunning(mayStart: mayStart)
        }
    }

    private func beforeRunning(mayStart: Bool) -> TaskDecision {
        if status.state < .accepted { return report(.accepted, "accepted") }
        if status.state < .preparing { return report(.preparing, "preparing") }
        guard let container else { return status.state == .preparing ? .act(.prepare) : reportGone() }
        switch status.state {
        case .preparing: return report(.ready, "prepared")
        case .ready: return mayStart ? report(.starting, "starting") : .wait
        case .starting: return mayStart ? .act(.start(container: container.id)) : .wait
        default: return reportGone()
        }
    }

    private func reportExit() -> TaskDecision {
        guard let container, container.exitCode != 0 else {
            return report(.complete, "finished")
        }
        let cause = container.error.isEmpty ? "" : ": \(container.error)"
        return report(.failed, "started", error: "task: non-zero exit (\(container.exitCode))\(cause)")
    }

    private func reportGone() -> TaskDecision {
        let name = status.container.map { " \($0.id.prefix(12))" } ?? ""
        let error = "task: container\(name) is gone: it was removed by somebody else"
        return report(.failed, status.message, error: error)
    }

    private func report(_ state: Swarm.Task.State, _ message: String, error: String? = nil) -> TaskDecision {
        let known = container.map {
            Swarm.Task.Status.Container(id: $0.id, pid: $0.pid, exitCode: $0.exitCode)
        }
        return .report(
            Swarm.Task.Status(
                timestamp: now, state: state, message: message, error: error, container: known ?? status.container))
    }
}
