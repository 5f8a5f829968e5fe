import CausewayManager
import CausewayModel
import CausewayStore
import Testing

@Suite struct `An update` {
    private func updated(
        _ config: Swarm.UpdateConfig?, replicas: UInt64 = 3, image: String = "ok2"
    ) async throws -> (World, Swarm.Service) {
        let world = try await World.started()
        var wanted = spec("web", replicas: replicas)
        wanted.updateConfig = config
        let service = try await world.manager.createService(wanted)
        try await world.settle()
        try await world.update(service) { $0.taskTemplate.containerSpec?.image = image }
        return (world, service)
    }

    private func images(_ world: World, _ service: Swarm.Service) -> [String] {
        world.running(service).compactMap { $0.spec.containerSpec?.image }.sorted()
    }

    @Test func `replaces tasks one after the other and says when it is done`() async throws {
        let (world, service) = try await updated(nil)

        await world.manager.step()
        let first = try world.current(service)
        #expect(first.updateStatus?.state == "updating")
        #expect(first.updateStatus?.message == "update in progress")
        #expect(first.previousSpec?.taskTemplate.containerSpec?.image == "ok")
        // One old task is told to stop, the new one waits for it.
        #expect(world.tasks(service).filter { $0.desiredState == .shutdown }.count == 1)
        #expect(world.tasks(service).filter { $0.desiredState == .ready }.count == 1)

        try await world.settle()
        #expect(images(world, service) == ["ok2", "ok2", "ok2"])
        #expect(try world.current(service).updateStatus?.state == "updating")
        try await world.run(6)
        let status = try #require(try world.current(service).updateStatus)
        #expect((status.state, status.message) == ("completed", "update completed"))
        #expect(status.completedAt != nil)
    }

    @Test func `waits for the delay between two`() async throws {
        var config = Swarm.UpdateConfig()
        config.delay = .seconds(10)
        let (world, service) = try await updated(config)

        try await world.settle()
        #expect(images(world, service) == ["ok", "ok", "ok2"])
        try await world.run(9)
        #expect(images(world, service) == ["ok", "ok", "ok2"])
        try await world.run(1)
        #expect(images(world, service) == ["ok", "ok2", "ok2"])
        try await world.run(30)
        #expect(try world.current(service).updateStatus?.state == "completed")
    }

    @Test func `replaces all at once with parallelism 0`() async throws {
        var config = Swarm.UpdateConfig()
        config.parallelism = 0
        let (world, service) = try await updated(config)

        await world.manager.step()

        #expect(world.tasks(service).filter { $0.desiredState == .shutdown }.count == 3)
    }

    @Test func `never goes below the number with start-first`() async throws {
        var config = Swarm.UpdateConfig()
        config.order = "start-first"
        let (world, service) = try await updated(config)

        var least = 3
        for _ in 0..<60 {
            await world.manager.step()
            least = min(least, world.running(service).count)
            try await world.manager.report(world.agent.obey(world.assignment, at: world.script.now))
        }

        #expect(least == 3)
        #expect(images(world, service) == ["ok2", "ok2", "ok2"])
    }

    @Test func `pauses when a new task fails, and goes on with the next specification`() async throws {
        let (world, service) = try await updated(nil, image: "missing")

        try await world.run(3)
        let status = try #require(try world.current(service).updateStatus)
        #expect(status.state == "paused")
        #expect(status.message?.hasPrefix("update paused due to failure or early termination of task ") == true)
        #expect(images(world, service) == ["ok", "ok"])

        try await world.update(service) { $0.taskTemplate.containerSpec?.image = "ok3" }
        try await world.run(30)
        #expect(images(world, service) == ["ok3", "ok3", "ok3"])
        #expect(try world.current(service).updateStatus?.state == "completed")
    }

    @Test func `goes on after failures if told so`() async throws {
        var config = Swarm.UpdateConfig()
        config.failureAction = "continue"
        let (world, service) = try await updated(config, image: "exit3")

        try await world.run(20)

        #expect(images(world, service) == [])
        #expect(try world.current(service).updateStatus?.state == "completed")
    }

    @Test func `rolls back by itself if told so`() async throws {
        var config = Swarm.UpdateConfig()
        config.failureAction = "rollback"
        let (world, service) = try await updated(config, image: "missing")

        try await world.settle()
        let status = try #require(try world.current(service).updateStatus)
        #expect(status.state == "rollback_started")
        #expect(status.message?.hasPrefix("update rolled back due to failure") == true)
        #expect(try world.current(service).previousSpec == nil)

        try await world.run(20)
        #expect(images(world, service) == ["ok", "ok", "ok"])
        #expect(try world.current(service).updateStatus?.message == "rollback completed")
    }

    @Test func `pauses instead of rolling back to a port that another service holds by now`() async throws {
        let world = try await World.started()
        var wanted = spec("web", ports: [.init(targetPort: 80, publishedPort: 8080)])
        wanted.updateConfig = .init()
        wanted.updateConfig?.failureAction = "rollback"
        let web = try await world.manager.createService(wanted)
        try await world.settle()
        try await world.update(web) {
            $0.taskTemplate.containerSpec?.image = "missing"
            $0.endpointSpec = .init(ports: [.init(targetPort: 80, publishedPort: 8081)])
        }
        await world.manager.step()
        let other = try await world.manager.createService(
            spec("other", ports: [.init(targetPort: 80, publishedPort: 8080)]))

        try await world.run(20)

        #expect(try world.current(web).endpoint.ports.map(\.publishedPort) == [8081])
        #expect(try world.current(other).endpoint.ports.map(\.publishedPort) == [8080])
        let status = try #require(try world.current(web).updateStatus)
        #expect(status.state == "paused")
        #expect(status.message?.hasPrefix("update paused due to failure or early termination of task ") == true)
        #expect(status.message?.contains("port '8080' is already in use by service 'other'") == true)
    }

    @Test func `can be rolled back by hand, and back again`() async throws {
        let (world, service) = try await updated(nil)
        try await world.run(10)

        var current = try world.current(service)
        _ = try await world.manager.updateService(
            service.id, current.spec, version: current.meta.version, rollback: true)
        #expect(try world.current(service).updateStatus?.message == "manually requested rollback")
        try await world.run(10)
        #expect(images(world, service) == ["ok", "ok", "ok"])
        #expect(try world.current(service).updateStatus?.state == "rollback_completed")

        current = try world.current(service)
        _ = try await world.manager.updateService(
            service.id, current.spec, version: current.meta.version, rollback: true)
        try await world.run(10)
        #expect(images(world, service) == ["ok2", "ok2", "ok2"])
    }

    @Test func `replaces all tasks when forced, and none when only labels or the number change`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web", replicas: 2))
        try await world.settle()
        let before = Set(world.running(service).map(\.id))

        try await world.update(service) {
            $0.labels = ["a": "b"]
            $0.mode = .replicated(3)
        }
        try await world.run(10)
        #expect(before.isSubset(of: world.running(service).map(\.id)))
        #expect(world.running(service).allSatisfy { $0.specVersion == (try? world.current(service))?.specVersion })

        try await world.update(service) { $0.taskTemplate.forceUpdate = 1 }
        try await world.run(10)
        #expect(before.isDisjoint(with: world.running(service).map(\.id)))
        #expect(world.running(service).count == 3)
    }

    @Test func `publishes a port without replacing tasks that already stand on ingress`() async throws {
        let world = try await World.started()
        let overlay = try await world.manager.createNetwork(network("onet"))
        let bare = try await world.manager.createService(spec("bare"))
        let inner = try await world.manager.createService(spec("inner", networks: ["onet"]))
        try await world.settle()
        let before = (world.running(bare).map(\.id), world.running(inner).map(\.id))

        try await world.update(bare) { $0.endpointSpec = .init(ports: [.init(targetPort: 80, publishedPort: nil)]) }
        try await world.update(inner) { $0.endpointSpec = .init(ports: [.init(targetPort: 80, publishedPort: nil)]) }
        try await world.run(10)

        #expect(world.running(bare).map(\.id) == before.0)
        #expect(world.running(inner).map(\.id) != before.1)
        #expect(world.running(inner).first?.networks.map(\.networkID).last == overlay.id)
        #expect(world.running(inner).first?.networks.count == 2)
        #expect(try world.current(bare).endpoint.ports.first?.publishedPort == 30000)
        #expect(try world.current(inner).endpoint.ports.first?.publishedPort == 30001)
    }

    @Test func `goes on after the manager was restarted in the middle`() async throws {
        var config = Swarm.UpdateConfig()
        config.delay = .seconds(2)
        let (world, service) = try await updated(config)
        try await world.settle()

        let again = World(store: world.store, script: world.script)
        again.agent = world.agent
        try await again.run(30)

        #expect(images(again, service) == ["ok2", "ok2", "ok2"])
        #expect(try again.current(service).updateStatus?.state == "completed")
    }
}
