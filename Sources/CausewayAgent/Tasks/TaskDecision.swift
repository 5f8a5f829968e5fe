import CausewayModel

/// The next move for one task: something to say of it, something to do for it, or nothing.
///
/// Decides only; its caller reports or acts, and asks again. A status that it reports always supersedes the last one.
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

    /// How long an unhealthy task waits for the word that nobody sends it new connections any more.
    package static let patience = Nanoseconds.seconds(10)

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
        guard let container, container.state == .running else {
            return isEndOfUnhealthy ? reportExit() : report(.shutdown, "shutdown")
        }
        return .act(.stop(container: container.id))
    }

    func towardsRunning(mayStart: Bool) -> TaskDecision {
        switch container?.state {
        case .running: whileRunning()
        case .exited, .dead: reportExit()
        case .created, nil: beforeRunning(mayStart: mayStart)
        }
    }

    /// With a health check a task stays `starting` until its container is healthy.
    private func whileRunning() -> TaskDecision {
        guard let container else { return .wait }
        switch (container.health, status.state) {
        case (.starting?, ..<(.starting)): return report(.starting, "starting")
        case (.starting?, _): return .wait
        case (.unhealthy?, ..<(.running)): return .act(.stop(container: container.id))
        case (.unhealthy?, _): return whileUnhealthy(container)
        case (.healthy?, _), (nil, _): return status.state < .running ? report(.running, "started") : .wait
        }
    }

    /// The manager leads new connections away, and then wants the task shut down; without it, it ends all the same.
    private func whileUnhealthy(_ container: ObservedContainer) -> TaskDecision {
        guard status.isUnhealthy == true else {
            return report(.running, status.message, isUnhealthy: true)
        }
        guard now.since(status.timestamp) >= TaskDecision.patience else { return .wait }
        return .act(.stop(container: container.id))
    }

    /// Whether the container has ended because it was said to be unhealthy.
    private var isEndOfUnhealthy: Bool { status.isUnhealthy == true && container != nil }

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
        let code = container?.exitCode ?? 0
        let isUnhealthy = status.isUnhealthy == true || container?.health == .unhealthy
        guard code != 0 || isUnhealthy else { return report(.complete, "finished") }
        let causes = [isUnhealthy ? "dockerexec: unhealthy container" : nil, container?.error]
        let words = ["task: non-zero exit (\(code))"] + causes.compactMap(\.self).filter { !$0.isEmpty }
        // A container that was ended because it was ill has failed, whatever it says itself.
        return report(.failed, "started", error: words.dropFirst(code == 0 ? 1 : 0).joined(separator: ": "))
    }

    private func reportGone() -> TaskDecision {
        let name = status.container.map { " \($0.id.prefix(12))" } ?? ""
        let error = "task: container\(name) is gone: it was removed by somebody else"
        return report(.failed, status.message, error: error)
    }

    private func report(
        _ state: Swarm.Task.State, _ message: String, error: String? = nil, isUnhealthy: Bool? = nil
    ) -> TaskDecision {
        let known = container.map {
            Swarm.Task.Status.Container(id: $0.id, pid: $0.pid, exitCode: $0.exitCode)
        }
        var report = Swarm.Task.Status(
            timestamp: now, state: state, message: message, error: error, container: known ?? status.container)
        report.isUnhealthy = isUnhealthy
        return .report(report)
    }
}
