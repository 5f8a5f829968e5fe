import CausewayManager
import CausewayModel
import CausewayStore
import Testing

private func job(
    _ image: String = "exit0", concurrent: UInt64 = 1, total: UInt64 = 1,
    condition: Swarm.RestartPolicy.Condition = .onFailure
) -> Swarm.ServiceSpec {
    var wanted = spec("job", image: image)
    wanted.mode = .replicatedJob(maxConcurrent: concurrent, totalCompletions: total)
    wanted.taskTemplate.restartPolicy = .init(condition: condition, delay: .seconds(1))
    return wanted
}

@Suite struct `A replicated job` {
    @Test func `completes as often as it is told, and no task is started again`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(job(concurrent: 2, total: 5))

        try await world.run(60)

        let tasks = world.tasks(service)
        #expect(tasks.map(\.status.state) == Array(repeating: .complete, count: 5))
        #expect(tasks.map(\.shownSlot).sorted() == [0, 1, 2, 3, 4])
        #expect(tasks.allSatisfy { $0.shownDesiredState == .complete && $0.jobIteration?.index == 0 })
        #expect(try world.current(service).updateStatus == nil)
    }

    @Test func `never has more tasks at once than it is told`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(job("crash2", concurrent: 2, total: 5))

        for _ in 0..<30 {
            try await world.run(1)
            let active = world.tasks(service).filter { $0.desiredState <= .running && !$0.status.state.isTerminal }
            #expect(active.count <= 2)
            #expect(Set(active.map(\.slot)).isSubset(of: [1, 2]))
        }
    }

    @Test func `tries a task again in its slot until it completes`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(job("ok", total: 2))
        try await world.settle()
        let first = try #require(world.tasks(service).first)
        world.agent.killing = [first.id]
        try await world.settle()
        #expect(world.view.tasks[first.id]?.shownDesiredState == .shutdown)
        #expect(world.tasks(service).map(\.slot) == [1, 1])
        #expect(world.tasks(service).last?.desiredState == .ready)

        try await world.run(1)
        #expect(world.running(service).map(\.slot) == [1])
    }

    @Test(arguments: [
        (Swarm.RestartPolicy.Condition.none, UInt64(0), 1), (.onFailure, 3, 4), (.any, 3, 4),
    ])
    func `gives a slot up when its policy says so`(
        condition: Swarm.RestartPolicy.Condition, attempts: UInt64, count: Int
    ) async throws {
        let world = try await World.started()
        var wanted = job("exit3", condition: condition)
        wanted.taskTemplate.restartPolicy?.maxAttempts = attempts
        let service = try await world.manager.createService(wanted)

        try await world.run(60)

        #expect(world.tasks(service).count == count)
        #expect(world.tasks(service).allSatisfy { $0.status.state == .failed && $0.desiredState == .shutdown })
    }

    @Test func `runs anew with each change, and ends what runs of the one before`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(job(total: 2))
        try await world.run(5)
        try await world.update(service) {
            $0.taskTemplate.forceUpdate = 1
            $0.taskTemplate.containerSpec?.image = "ok"
        }
        try await world.settle()

        let again = try world.current(service)
        #expect(again.jobStatus?.iteration.index == 1 && again.jobStatus?.lastExecution == world.script.now)
        let running = try #require(world.running(service).first)
        #expect(running.slot == 1 && running.jobIteration?.index == 1)
        #expect(world.tasks(service).count { $0.status.state == .complete && $0.jobIteration?.index == 0 } == 2)

        try await world.update(service) { $0.taskTemplate.containerSpec?.image = "exit0" }
        try await world.run(5)
        #expect(world.view.tasks[running.id] == nil)
        #expect(world.tasks(service).count { $0.jobIteration?.index == 2 && $0.status.state == .complete } == 2)

        let current = try world.current(service)
        _ = try await world.manager.updateService(
            service.id, current.spec, version: current.meta.version, rollback: true)
        try await world.settle()
        #expect(try world.current(service).jobStatus?.iteration.index == 3)
        #expect(try world.current(service).updateStatus == nil)
        #expect(world.running(service).map(\.jobIteration?.index) == [3])
    }

    @Test func `keeps its completed tasks, and as many former ones as the history allows`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(job())
        for number in 1...10 {
            try await world.run(2)
            try await world.update(service) { $0.taskTemplate.forceUpdate = UInt64(number) }
        }
        try await world.run(2)

        #expect(world.tasks(service).compactMap(\.jobIteration?.index) == [6, 7, 8, 9, 10])
        #expect(world.tasks(service).last?.shownDesiredState == .complete)
    }

    @Test func `goes on elsewhere when its node is drained`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 2)
        let service = try await cluster.manager.createService(job("ok"))
        try await cluster.settle()
        let first = try #require(cluster.world.running(service).first)

        try await cluster.set(.drain, of: try #require(first.nodeID))
        try await cluster.run(3)

        let second = try #require(cluster.world.running(service).first)
        #expect(second.nodeID != first.nodeID && second.slot == first.slot)
    }
}

@Suite struct `A global job` {
    private func started() async throws -> (ClusterWorld, Swarm.Service) {
        let cluster = try await ClusterWorld.started(nodes: 3)
        cluster.world.script.advance(.seconds(1))
        var wanted = job()
        wanted.mode = .globalJob
        let service = try await cluster.manager.createService(wanted)
        try await cluster.run(5)
        return (cluster, service)
    }

    @Test func `completes once on each node that was there when it began`() async throws {
        let (cluster, service) = try await started()
        #expect(cluster.world.tasks(service).map(\.status.state) == Array(repeating: .complete, count: 3))
        #expect(Set(cluster.world.tasks(service).compactMap(\.nodeID)).count == 3)
        #expect(cluster.world.tasks(service).allSatisfy { $0.slot == 0 && $0.shownDesiredState == .complete })

        let late = try await cluster.add()
        try await cluster.run(5)
        #expect(cluster.world.tasks(service).count == 3)

        try await cluster.world.update(service) { $0.taskTemplate.forceUpdate = 1 }
        try await cluster.run(5)
        #expect(cluster.world.tasks(service).count { $0.jobIteration?.index == 1 } == 4)
        #expect(cluster.world.tasks(service).contains { $0.nodeID == late.id && $0.status.state == .complete })
    }

    @Test func `takes its task from a node that is drained, and gives it back afterwards`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 2)
        cluster.world.script.advance(.seconds(1))
        var wanted = job("ok")
        wanted.mode = .globalJob
        let service = try await cluster.manager.createService(wanted)
        try await cluster.settle()
        #expect(try cluster.spread(service) == ["n1": 1, "n2": 1])

        try await cluster.set(.drain, of: cluster.nodes[0].id)
        try await cluster.run(3)
        #expect(try cluster.spread(service) == ["n1": 1, "n2": 0])
        try await cluster.set(.active, of: cluster.nodes[0].id)
        try await cluster.run(3)
        #expect(try cluster.spread(service) == ["n1": 1, "n2": 1])
    }
}
