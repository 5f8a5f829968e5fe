import CausewayManager
import CausewayModel
import CausewayStore
import Testing

@Suite struct `A replicated service` {
    @Test func `comes to its number of replicas, each with its own address`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(
            spec("web", replicas: 3, ports: [.init(targetPort: 80, publishedPort: 8080)]))

        try await world.settle()

        let tasks = world.running(service)
        #expect(tasks.map(\.slot).sorted() == [1, 2, 3])
        #expect(
            tasks.compactMap { $0.networks.first?.addresses.first?.description }.sorted() == [
                "10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24",
            ])
        #expect(tasks.allSatisfy { $0.networks.count == 1 && $0.networks[0].addresses.count == 2 })
        #expect(try world.current(service).endpoint.ports.map(\.publishedPort) == [8080])
    }

    @Test func `scales up from the lowest free slot and down from the highest`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web", replicas: 5))
        try await world.settle()

        try await world.update(service) { $0.mode = .replicated(2) }
        try await world.settle()
        #expect(world.tasks(service).map(\.slot).sorted() == [1, 2])

        try await world.update(service) { $0.mode = .replicated(4) }
        try await world.settle()
        #expect(world.running(service).map(\.slot).sorted() == [1, 2, 3, 4])
        #expect(try world.current(service).updateStatus == nil)
    }

    @Test func `gives up what does not run before what does`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web", replicas: 3))
        try await world.settle()
        world.agent.killing = Set(world.running(service).filter { $0.slot == 1 }.map(\.id))
        try await world.settle()

        try await world.update(service) { $0.mode = .replicated(2) }
        try await world.settle()

        #expect(world.running(service).map(\.slot).sorted() == [2, 3])
    }

    @Test func `replaces a task that failed after five seconds, in its slot`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web", replicas: 2))
        try await world.settle()
        let victim = try #require(world.running(service).first { $0.slot == 2 })

        world.agent.killing = [victim.id]
        try await world.settle()
        let replacement = try #require(world.tasks(service).last)
        #expect((replacement.slot, replacement.desiredState, replacement.status.state) == (2, .ready, .ready))
        let failed = try #require(world.view.tasks[victim.id])
        #expect(
            (failed.desiredState, failed.status.state, failed.status.error) == (
                .shutdown, .failed, "task: non-zero exit (3)"
            ))

        try await world.run(4)
        #expect(world.running(service).count == 1)
        try await world.run(1)
        #expect(world.running(service).map(\.slot).sorted() == [1, 2])
    }

    @Test func `keeps five tasks of a slot that crashes again and again`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web", image: "crash2"))

        try await world.run(120)

        #expect(world.tasks(service).count == 5)
        #expect(world.tasks(service).filter { $0.desiredState <= .running }.count == 1)
        #expect(AddressLedger.doubles(in: world.view) == [])
    }

    @Test func `is restarted as often as its policy allows`() async throws {
        let world = try await World.started()
        var wanted = spec("job", image: "exit3")
        wanted.taskTemplate.restartPolicy = .init(condition: .any, delay: .seconds(1), maxAttempts: 3)
        let service = try await world.manager.createService(wanted)

        try await world.run(60)

        #expect(world.tasks(service).count == 4)
        #expect(world.tasks(service).allSatisfy { $0.status.state == .failed && $0.desiredState == .shutdown })
    }

    @Test func `forgets attempts that are older than the window`() async throws {
        let world = try await World.started()
        var wanted = spec("job", image: "crash2")
        wanted.taskTemplate.restartPolicy = .init(
            condition: .any, delay: .seconds(1), maxAttempts: 3, window: .seconds(5))
        let service = try await world.manager.createService(wanted)

        try await world.run(60)

        // One attempt in three seconds: never three within five.
        #expect(world.tasks(service).contains { $0.desiredState == .running })
    }

    @Test(arguments: [
        (Swarm.RestartPolicy.Condition.none, "exit3", 1), (.onFailure, "exit0", 1), (.none, "exit0", 1),
    ])
    func `is left alone when its policy says so`(condition: Swarm.RestartPolicy.Condition, image: String, count: Int)
        async throws
    {
        let world = try await World.started()
        var wanted = spec("job", image: image)
        wanted.taskTemplate.restartPolicy = .init(condition: condition, delay: .seconds(1))
        let service = try await world.manager.createService(wanted)

        try await world.run(30)

        #expect(world.tasks(service).count == count)
    }

    @Test func `shows why an image is refused`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web", image: "missing"))

        try await world.settle()

        let first = try #require(world.tasks(service).first)
        #expect((first.status.state, first.status.error) == (.rejected, "No such image: missing:latest"))
    }

    @Test func `goes away with its tasks, and its name is free at once`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(
            spec("web", image: "slowstop", replicas: 2, ports: [.init(targetPort: 80, publishedPort: 8080)]))
        try await world.settle()

        try await world.manager.removeService(service.id)
        #expect(try await world.manager.services().isEmpty)
        let again = try await world.manager.createService(
            spec("web", ports: [.init(targetPort: 80, publishedPort: 8080)]))
        try await world.settle()
        #expect(world.view.services.count == 2)
        #expect(world.assignment?.services.map(\.id) == [again.id])

        try await world.run(5)
        #expect(world.view.services.count == 1)
        #expect(world.view.tasks.count == 1)
    }

    @Test func `leaves a drained node and comes back to it`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web", replicas: 2))
        try await world.settle()
        var node = try #require(world.view.nodes.sorted.first)

        node.spec.availability = .drain
        try await world.manager.updateNode(node.id, node.spec, version: node.meta.version)
        try await world.run(2)
        #expect(world.running(service).isEmpty)
        let waiting = world.tasks(service).filter { $0.desiredState == .running }
        #expect(
            waiting.map(\.status.error)
                == Array(repeating: "no suitable node (1 node not available for new tasks)", count: 2))
        #expect(waiting.allSatisfy { $0.status.state == .pending && $0.status.message == "pending task scheduling" })

        node = try #require(world.view.nodes.sorted.first)
        node.spec.availability = .active
        try await world.manager.updateNode(node.id, node.spec, version: node.meta.version)
        try await world.settle()
        #expect(world.running(service).count == 2)
    }
}

@Suite struct `A global service` {
    @Test func `has one task on the node, and none when the node does not suit`() async throws {
        let world = try await World.started()
        var wanted = spec("agent")
        wanted.mode = .global
        let service = try await world.manager.createService(wanted)
        wanted.name = "elsewhere"
        wanted.taskTemplate.placement = Swarm.Placement()
        wanted.taskTemplate.placement?.constraints = ["node.role==worker"]
        let other = try await world.manager.createService(wanted)

        try await world.settle()

        let task = try #require(world.running(service).first)
        #expect((task.slot, task.nodeID) == (0, world.view.nodes.sorted.first?.id))
        #expect(task.name == "agent.\(task.nodeID ?? "").\(task.id)")
        #expect(world.tasks(other).isEmpty)
    }

    @Test func `is restarted, updated, paused and drained on its node`() async throws {
        let world = try await World.started()
        var wanted = spec("agent")
        wanted.mode = .global
        let service = try await world.manager.createService(wanted)
        try await world.settle()

        world.agent.killing = Set(world.running(service).map(\.id))
        try await world.run(6)
        #expect(world.running(service).count == 1)

        try await world.update(service) { $0.taskTemplate.containerSpec?.env = ["A=1"] }
        try await world.run(10)
        #expect(world.running(service).first?.spec.containerSpec?.env == ["A=1"])
        #expect(try world.current(service).updateStatus?.state == "completed")

        var node = try #require(world.view.nodes.sorted.first)
        node.spec.availability = .drain
        try await world.manager.updateNode(node.id, node.spec, version: node.meta.version)
        try await world.run(2)
        #expect(world.tasks(service).filter { $0.desiredState <= .running }.isEmpty)
    }
}
