import CausewayModel

/// An agent without containers: it does what its assignment says, and an image's name says how it goes.
///
/// `ok` runs; `exit0`, `exit3` end at once; `crash2` runs for two seconds and fails; `missing` is not there.
/// `sick2` is not well after two seconds, and fails when it is stopped then.
/// `slowstop` takes three seconds to stop.
struct FakeAgent {
    private struct Run {
        var endsAt: Timestamp?
        var stopsAt: Timestamp?
        var isIll = false
    }

    private var runs: [Swarm.ID: Run] = [:]
    /// When a container will end or stop by itself.
    private(set) var next: Timestamp?
    /// Makes running tasks fail in the next round.
    var killing: Set<Swarm.ID> = []

    /// The reports of one round.
    mutating func obey(_ assignment: NodeAssignment?, at now: Timestamp) -> [TaskReport] {
        guard let assignment else { return [] }
        let reports = assignment.tasks.flatMap { task in
            step(task, now).map { TaskReport(taskID: task.id, status: $0) }
        }
        let known = Set(assignment.tasks.map(\.id))
        runs = runs.filter { known.contains($0.key) }
        next = runs.values.flatMap { [$0.endsAt, $0.stopsAt] }.compactMap(\.self).filter { $0 > now }.min()
        return reports
    }

    private mutating func step(_ task: Swarm.Task, _ now: Timestamp) -> [Swarm.Task.Status] {
        let image = task.spec.containerSpec?.image ?? ""
        func status(_ state: Swarm.Task.State, _ message: String = "", _ error: String? = nil) -> Swarm.Task.Status {
            Swarm.Task.Status(timestamp: now, state: state, message: message, error: error)
        }
        if task.status.state.isTerminal {
            runs[task.id] = nil
            return []
        }
        if task.desiredState > .running { return stop(task, now).map { [$0] } ?? [] }
        switch task.status.state {
        case ..<(.ready):
            if image == "missing" { return [status(.rejected, "preparing", "No such image: missing:latest")] }
            return [status(.accepted), status(.preparing), status(.ready)]
        case .ready..<(.running) where task.desiredState == .running:
            let life: Nanoseconds? =
                ["crash2", "sick2"].contains(image) ? .seconds(2) : image.hasPrefix("exit") ? .zero : nil
            runs[task.id] = Run(endsAt: life.map { now.advanced(by: $0) })
            return [status(.starting), status(.running, "started")]
        case .running:
            let isOver = runs[task.id]?.endsAt.map { $0 <= now } ?? false
            guard isOver || killing.remove(task.id) != nil else { return [] }
            if image == "sick2", runs[task.id] != nil {
                runs[task.id]?.endsAt = nil
                runs[task.id]?.isIll = true
                var ill = status(.running, "started")
                ill.isUnhealthy = true
                return [ill]
            }
            runs[task.id] = nil
            return [
                image == "exit0" ? status(.complete, "finished") : status(.failed, "started", "task: non-zero exit (3)")
            ]
        default:
            return []
        }
    }

    private mutating func stop(_ task: Swarm.Task, _ now: Timestamp) -> Swarm.Task.Status? {
        let isSlow = task.spec.containerSpec?.image == "slowstop" && task.status.state == .running
        let end = runs[task.id]?.stopsAt ?? now.advanced(by: isSlow ? .seconds(3) : .zero)
        guard end <= now else {
            runs[task.id, default: Run()].stopsAt = end
            return nil
        }
        if runs[task.id]?.isIll == true {
            return Swarm.Task.Status(timestamp: now, state: .failed, message: "started", error: "unhealthy container")
        }
        return Swarm.Task.Status(timestamp: now, state: .shutdown, message: "shutdown")
    }
}
