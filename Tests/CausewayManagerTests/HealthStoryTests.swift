import CausewayManager
import CausewayModel
import CausewayStore
import Testing

@Suite struct `A task that is not well` {
    private func sick(_ condition: Swarm.RestartPolicy.Condition) -> Swarm.ServiceSpec {
        var wanted = spec("web", image: "sick2", ports: [.init(targetPort: 80, publishedPort: 8080)])
        wanted.taskTemplate.restartPolicy = .init(condition: condition, delay: .seconds(5))
        return wanted
    }

    @Test func `is replaced after the delay, as one that failed`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(sick(.onFailure))
        try await world.settle()
        let first = try #require(world.running(service).first)

        try await world.run(2)
        let ill = try #require(world.view.tasks[first.id])
        #expect(ill.desiredState == .shutdown && ill.status.state == .failed)
        let next = try #require(world.tasks(service).last)
        #expect(next.slot == 1 && next.desiredState == .ready)

        try await world.run(4)
        #expect(world.running(service).isEmpty)
        try await world.run(1)
        #expect(world.running(service).map(\.id) == [next.id])
    }

    @Test func `is ended, and not replaced, when its policy says so`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(sick(.none))

        try await world.run(60)

        let tasks = world.tasks(service)
        #expect(tasks.map(\.status.state) == [.failed])
        #expect(tasks.map(\.desiredState) == [.shutdown])
    }

    /// A node that is slow still leads to the task for three seconds: so long it runs on.
    @Test func `leaves every node's maps before it is stopped`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 3)
        try await cluster.set(.pause, of: try cluster.local)
        try await cluster.set(.pause, of: cluster.nodes[1].id)
        let service = try await cluster.manager.createService(sick(.any))
        try await cluster.settle()
        let first = try #require(cluster.world.running(service).first)
        #expect(first.nodeID == cluster.nodes[0].id)
        func isActive(at node: FakeNode) -> Bool {
            (node.applied?.services ?? []).flatMap(\.backends).contains { $0.taskID == first.id && $0.isActive }
        }
        #expect(isActive(at: cluster.nodes[1]))

        cluster.nodes[1].slowness = 3
        var seconds = 0
        try await cluster.run(
            12,
            each: {
                seconds += isActive(at: cluster.nodes[1]) ? 1 : 0
                let task = try #require(cluster.view.tasks[first.id])
                #expect(!isActive(at: cluster.nodes[1]) || task.status.state == .running)
            })

        #expect(seconds >= 4)
        #expect(cluster.view.tasks[first.id]?.status.state == .failed)
    }

    @Test func `fails the update that made it`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web", replicas: 3))
        try await world.settle()
        try await world.update(service) { $0.taskTemplate.containerSpec?.image = "sick2" }

        try await world.run(4)

        let status = try #require(try world.current(service).updateStatus)
        #expect(status.state == "paused")
        #expect(world.tasks(service).contains { $0.status.error == "unhealthy container" })
    }
}
