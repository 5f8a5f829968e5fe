import CausewayModel
import Testing

@testable import CausewayAgent

/// What is done for one task, for each state that it and its container may be in.
@Suite struct `The decision for a task` {
    static let now = Timestamp(seconds: 1_000)

    static func next(
        _ state: Swarm.Task.State, desired: Swarm.Task.State = .running, _ container: ObservedContainer?
    ) -> TaskDecision {
        let task = Swarm.Task.sample("t1", desired: desired)
        let status = Swarm.Task.Status(timestamp: .zero, state: state, message: "before")
        return .next(for: task, status: status, container: container, now: now)
    }

    static func container(_ state: ObservedContainer.State, exit code: Int = 0) -> ObservedContainer {
        ObservedContainer(
            id: "c1", taskID: "t1", nodeID: "n1", state: state, pid: state == .running ? 77 : 0, exitCode: code)
    }

    @Test(
        arguments: [
            (.new, nil, "report accepted"), (.assigned, nil, "report accepted"), (.accepted, nil, "report preparing"),
            (.preparing, nil, "prepare"), (.preparing, .created, "report ready"), (.ready, .created, "report starting"),
            (.starting, .created, "start"), (.starting, .running, "report running"), (.running, .running, "wait"),
            (.running, .exited, "report complete"), (.running, .dead, "report complete"),
            (.running, nil, "report failed"),
            (.ready, nil, "report failed"), (.starting, nil, "report failed"), (.starting, .exited, "report complete"),
            (.assigned, .running, "report running"), (.preparing, .exited, "report complete"),
            (.complete, nil, "wait"), (.failed, .exited, "wait"), (.failed, .running, "stop"), (.rejected, nil, "wait"),
        ] as [(Swarm.Task.State, ObservedContainer.State?, String)])
    func `towards running`(state: Swarm.Task.State, container: ObservedContainer.State?, expected: String) {
        #expect(Self.next(state, container.map { Self.container($0) }).brief == expected)
    }

    @Test(
        arguments: [
            (.assigned, nil, "report shutdown"), (.preparing, .created, "report shutdown"),
            (.ready, .created, "report shutdown"), (.running, .running, "stop"), (.starting, .running, "stop"),
            (.running, .exited, "report shutdown"), (.running, nil, "report shutdown"), (.shutdown, .exited, "wait"),
            (.shutdown, .running, "stop"), (.failed, nil, "wait"),
        ] as [(Swarm.Task.State, ObservedContainer.State?, String)])
    func `towards shutdown`(state: Swarm.Task.State, container: ObservedContainer.State?, expected: String) {
        for desired in [Swarm.Task.State.shutdown, .remove] {
            #expect(Self.next(state, desired: desired, container.map { Self.container($0) }).brief == expected)
        }
    }

    @Test func `a task that is only wanted ready waits before its start`() {
        #expect(Self.next(.preparing, desired: .ready, Self.container(.created)).brief == "report ready")
        #expect(Self.next(.ready, desired: .ready, Self.container(.created)) == .wait)
    }

    @Test func `an exit is told in Docker's words, with the code`() throws {
        var container = Self.container(.exited, exit: 3)
        guard case .report(let status) = Self.next(.running, container) else { throw Unexpected() }

        #expect(status.state == .failed)
        #expect(status.message == "started")
        #expect(status.error == "task: non-zero exit (3)")
        #expect(status.container == .init(id: "c1", pid: 0, exitCode: 3))
        #expect(status.timestamp == Self.now)

        container.error = "OOM"
        guard case .report(let killed) = Self.next(.running, container) else { throw Unexpected() }
        #expect(killed.error == "task: non-zero exit (3): OOM")
    }

    @Test func `a container that somebody removed fails its task and is named`() throws {
        let task = Swarm.Task.sample("t1")
        let status = Swarm.Task.Status(
            timestamp: .zero, state: .running, message: "started", container: .init(id: "0123456789abcdef"))
        guard case .report(let gone) = TaskDecision.next(for: task, status: status, container: nil, now: Self.now)
        else { throw Unexpected() }

        #expect(gone.error == "task: container 0123456789ab is gone: it was removed by somebody else")
        #expect(gone.container?.id == "0123456789abcdef")
    }

    // MARK: health

    @Test(
        arguments: [
            (.preparing, .starting, "report starting"), (.starting, .starting, "wait"), (.running, .starting, "wait"),
            (.starting, .healthy, "report running"), (.running, .healthy, "wait"), (.starting, .unhealthy, "stop"),
        ] as [(Swarm.Task.State, ObservedContainer.Health, String)])
    func `a task is starting until its container is healthy`(
        state: Swarm.Task.State, health: ObservedContainer.Health, expected: String
    ) {
        var container = Self.container(.running)
        container.health = health
        #expect(Self.next(state, container).brief == expected)
    }

    @Test func `a task that is not well says so, waits for the word to stop, and stops without it`() throws {
        var container = Self.container(.running)
        container.health = .unhealthy
        guard case .report(let ill) = Self.next(.running, container) else { throw Unexpected() }
        #expect(ill.state == .running && ill.isUnhealthy == true)

        func next(_ desired: Swarm.Task.State, after seconds: Int64) -> TaskDecision {
            .next(
                for: .sample("t1", desired: desired), status: ill, container: container,
                now: Self.now.advanced(by: .seconds(seconds)))
        }
        #expect(next(.running, after: 9) == .wait)
        #expect(next(.running, after: 10) == .act(.stop(container: "c1")))
        #expect(next(.shutdown, after: 0) == .act(.stop(container: "c1")))

        for (desired, code, error) in [
            (Swarm.Task.State.running, 137, "task: non-zero exit (137): dockerexec: unhealthy container"),
            (.shutdown, 143, "task: non-zero exit (143): dockerexec: unhealthy container"),
            (.shutdown, 0, "dockerexec: unhealthy container"),
        ] {
            container.state = .exited
            container.exitCode = code
            guard case .report(let failed) = next(desired, after: 1) else { throw Unexpected() }
            #expect(failed.state == .failed && failed.error == error)
        }
    }

    @Test func `a task that is shut down while it is starting is not called ill`() {
        var container = Self.container(.exited, exit: 143)
        container.health = .unhealthy
        #expect(Self.next(.starting, desired: .shutdown, container).brief == "report shutdown")
    }

    @Test func `a refusal rejects before the start and fails after it`() {
        func refused(_ action: TaskDecision.Action, _ state: Swarm.Task.State) -> Swarm.Task.Status? {
            TaskDecision.refusal(
                of: action, because: "no",
                status: Swarm.Task.Status(timestamp: .zero, state: state, message: "\(state)"), now: Self.now)
        }

        #expect(refused(.prepare, .preparing)?.state == .rejected)
        #expect(refused(.prepare, .preparing)?.error == "no")
        #expect(refused(.prepare, .preparing)?.message == "preparing")
        #expect(refused(.start(container: "c1"), .starting)?.state == .failed)
        #expect(refused(.start(container: "c1"), .starting)?.error == "starting container failed: no")
        #expect(refused(.stop(container: "c1"), .running) == nil)
    }

    @Test func `a reported state is above the last one, whatever is seen`() {
        for state in Swarm.Task.State.allCases {
            for desired in Swarm.Task.State.allCases {
                for seen in [nil, .created, .running, .exited, .dead] as [ObservedContainer.State?] {
                    let decision = Self.next(state, desired: desired, seen.map { Self.container($0) })
                    if case .report(let status) = decision {
                        #expect(status.state > state, "\(state) wanted \(desired) with \(String(describing: seen))")
                    }
                    if case .act(.start) = decision { #expect(seen == .created && desired >= .running) }
                }
            }
        }
    }
}

struct Unexpected: Error {}

extension TaskDecision {
    var brief: String {
        switch self {
        case .report(let status): "report \(status.state)"
        case .act(.prepare): "prepare"
        case .act(.start): "start"
        case .act(.stop): "stop"
        case .wait: "wait"
        }
    }
}

extension Swarm.Task {
    static func sample(
        _ id: String, desired: State = .running, state: State = .assigned, node: Swarm.ID? = "n1"
    ) -> Swarm.Task {
        let spec = Swarm.ServiceSpec(
            name: "web", taskTemplate: Swarm.TaskSpec(containerSpec: Swarm.ContainerSpec(image: "busybox:latest")))
        let meta = Swarm.Meta(version: Swarm.Version(1), createdAt: .zero, updatedAt: .zero)
        var task = Swarm.Task(
            id: id, meta: meta, service: Swarm.Service(id: "s1", meta: meta, spec: spec), slot: 1, nodeID: node,
            desiredState: desired)
        task.status.state = state
        return task
    }
}
