import CausewayManager
import CausewayModel
import Testing

private let start = Timestamp(seconds: 1_800_000_000)

private func after(_ seconds: Int64) -> Timestamp { start.advanced(by: .seconds(seconds)) }

@Suite struct `A node's heartbeats` {
    private func node(_ state: Swarm.Node.State, role: Swarm.Node.Role = .worker) -> Swarm.Node {
        Swarm.Node(
            id: "a", meta: Swarm.Meta(createdAt: start, updatedAt: start), number: 2,
            spec: Swarm.Node.Spec(role: role),
            description: Swarm.Node.Description(
                hostname: "n2", architecture: "x86_64", nanoCPUs: 1, memoryBytes: 1, engineVersion: "20.10"),
            state: state, address: .v4(IPv4Address(rawValue: 1)), isLeader: false)
    }

    /// State before, seconds since the last heartbeat, whether a session is open: state after, and whether evicted.
    @Test(arguments: [
        (Swarm.Node.State.ready, Int64(0), true, Swarm.Node.State.ready, false),
        (.ready, 14, false, .ready, false),
        (.ready, 15, true, .down, false),
        (.down, 0, true, .ready, false),
        (.down, 5, false, .down, false),
        (.unknown, 1, true, .ready, false),
        (.unknown, 1, false, .unknown, false),
        (.ready, 29, false, .down, false),
        (.ready, 30, false, .down, true),
        (.down, 3600, false, .down, true),
    ])
    func `decide its state, and apart from that its eviction`(
        before: Swarm.Node.State, silence: Int64, isConnected: Bool, state: Swarm.Node.State, isEvicted: Bool
    ) {
        let watch = NodeWatch(period: .seconds(5), evictionAfter: .seconds(30))
        let seen = NodesSeen(since: start, sightings: ["a": .init(lastHeard: start, isConnected: isConnected)])

        let decision = watch.reconcile([node(before)], seen: seen, at: after(silence))

        #expect(decision.changed.map(\.state) == (before == state ? [] : [state]))
        #expect(decision.evicted == (isEvicted ? ["a"] : []))
        #expect(decision.next.map { $0 > after(silence) } != false)
    }

    @Test func `are waited for their whole time after the manager has begun anew`() {
        let watch = NodeWatch(period: .seconds(5), evictionAfter: .seconds(30))
        let seen = NodesSeen(since: after(100))

        let early = watch.reconcile([node(.ready)], seen: seen, at: after(114))
        let late = watch.reconcile([node(.ready)], seen: seen, at: after(130))

        #expect(early.changed.isEmpty && early.evicted.isEmpty && early.next == after(115))
        #expect(late.changed.map(\.state) == [.down] && late.evicted == ["a"] && late.next == nil)
    }

    @Test func `never evict where the operator wants it so, and never the manager's own node`() {
        let watch = NodeWatch(period: .seconds(5), evictionAfter: nil)
        let seen = NodesSeen(since: start)
        let decision = watch.reconcile([node(.ready)], seen: seen, at: after(86_400))
        #expect(decision.evicted == [] && decision.changed.map(\.state) == [.down])

        let strict = NodeWatch(period: .seconds(5), evictionAfter: .seconds(1))
        let own = strict.reconcile([node(.ready, role: .manager)], seen: seen, at: after(9))
        #expect(own.changed.isEmpty && own.evicted.isEmpty && own.next == nil)
    }

    @Test func `may be waited for less long than the mark needs`() {
        let watch = NodeWatch(period: .seconds(5), evictionAfter: .seconds(6))
        let decision = watch.reconcile([node(.ready)], seen: NodesSeen(since: start), at: after(6))
        #expect(decision.evicted == ["a"] && decision.changed.map(\.state) == [.down])
    }
}

@Suite struct `A task that is to stop` {
    private let gate = DrainGate(patience: .seconds(5))

    private func task(
        on node: Swarm.ID = "own", _ state: Swarm.Task.State = .running, leftAt revision: UInt64 = 10
    ) -> Swarm.Task {
        let service = Swarm.Service(
            id: "s", meta: Swarm.Meta(createdAt: start, updatedAt: start),
            spec: Swarm.ServiceSpec(name: "web", taskTemplate: Swarm.TaskSpec()))
        var task = Swarm.Task(
            id: "t", meta: Swarm.Meta(createdAt: start, updatedAt: start), service: service, slot: 1, nodeID: node)
        task.status.state = state
        task.departure = .init(revision: revision, since: start)
        return task
    }

    @Test(arguments: [
        (["own"], Swarm.Task.State.running, false), (["own", "a"], .running, true), ([], .running, false),
        (["a"], .running, true), (["own", "a"], .starting, false), (["own", "a"], .complete, false),
    ])
    func `is held only where others may send it something`(
        nodes: [Swarm.ID], state: Swarm.Task.State, isHeld: Bool
    ) {
        #expect(gate.holds(task(state), nodes: nodes) == isHeld)
    }

    /// What each node has applied, and seconds since the task left: whether it is told, and who lags.
    @Test(arguments: [
        (["own": UInt64(0), "a": 9, "b": 12], Int64(0), false, [Swarm.ID]()),
        (["own": 0, "a": 10, "b": 12], 0, true, []),
        (["own": 0, "a": 9, "b": 0], 4, false, []),
        (["own": 0, "a": 9, "b": 10], 5, true, ["a"]),
        (["own": 0, "a": 9, "b": 0], 60, true, ["a", "b"]),
        ([:], 0, true, []),
    ])
    func `is told once all the others avoid it, or their time is over`(
        applied: [Swarm.ID: UInt64], seconds: Int64, isTold: Bool, lagging: [Swarm.ID]
    ) {
        let decision = gate.reconcile([task()], applied: applied, at: after(seconds))

        #expect(decision.released == (isTold ? ["t"] : []))
        #expect(decision.lagging["t"] ?? [] == lagging)
        #expect(decision.next == (isTold ? nil : after(5)))
    }

    @Test func `that has ended by itself is waited for no longer`() {
        let decision = gate.reconcile([task(.failed)], applied: ["a": 0], at: start)
        #expect(decision.released == ["t"] && decision.lagging.isEmpty)
    }
}
