import CausewayManager
import CausewayModel
import CausewayStore
import CausewayTestKit
import Testing

@Suite struct `Random lives of a swarm` {
    /// Random acts and failures; after each round the invariants hold, and in the end every service is whole.
    @Test(arguments: [0, 100, 200])
    func `keep every promise`(first: UInt64) async throws {
        for seed in first..<(first + 100) { try await live(seed) }
    }

    private func live(_ seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        var world = try await World.started()
        for var wanted in [network("tiny", subnet: "172.30.0.0/28"), network("wide")] {
            wanted.isAttachable = true
            _ = try await world.manager.createNetwork(wanted)
        }
        var states: [Swarm.ID: (Swarm.Task.State, Swarm.Task.State)] = [:]
        for round in 0..<16 {
            try await act(&world, &random)
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                await world.manager.step()
                let reports = world.agent.obey(world.assignment, at: world.script.now).filter { _ in
                    Bool.random(using: &random) || seed % 2 == 0
                }
                try await world.manager.report(reports)
                try check(world, &states, "seed \(seed), round \(round)")
            }
            world.script.advance(.seconds(Int64.random(in: 0...4, using: &random)))
        }
        try await activate(world)
        try await world.run(80)
        try check(world, &states, "seed \(seed), end")
        for service in try await world.manager.services() {
            guard case .replicated(let count) = service.spec.mode,
                service.updateStatus?.state?.contains("paused") != true,
                service.spec.taskTemplate.containerSpec?.image.hasPrefix("ok") == true
            else { continue }
            let isShort = service.allocationError != nil
            #expect(
                world.running(service).count == Int(count) || isShort,
                "seed \(seed): \(service.spec.name): \(story(world, service))")
            let slots = Set(world.running(service).map(\.slot))
            #expect(slots.count == world.running(service).count || isShort, "seed \(seed): \(story(world, service))")
        }
    }

    /// A service and its tasks in words, for a failing run.
    private func story(_ world: World, _ service: Swarm.Service) -> String {
        let tasks = world.tasks(service).map { task in
            "\(task.slot) \(task.id.suffix(3)) \(task.status.state)/\(task.desiredState) "
                + "\(task.spec.containerSpec?.image ?? "") v\(task.specVersion.index) \(task.status.error ?? "")"
        }
        let status = service.updateStatus.map { "\($0.state ?? ""): \($0.message ?? "")" } ?? ""
        return "\(service.spec.mode) v\(service.specVersion.index) \(status)\n" + tasks.joined(separator: "\n")
    }

    private func act(_ world: inout World, _ random: inout SeededGenerator) async throws {
        let services = try await world.manager.services()
        let service = services.randomElement(using: &random)
        let networks = [["tiny"], ["wide"], ["tiny", "wide"], []].randomElement(using: &random) ?? []
        let image =
            ["ok", "ok1", "ok2", "crash2", "exit3", "missing", "slowstop", "sick2"].randomElement(using: &random)
            ?? "ok"
        let count = UInt64.random(in: 0...5, using: &random)
        switch (Int.random(in: 0..<12, using: &random), service) {
        case (0...1, _) where services.count < 4:
            let ports = [Swarm.PortConfig(targetPort: 80, publishedPort: nil)]
            let publishes = Bool.random(using: &random)
            _ = try await world.manager.createService(
                spec(
                    "s\(world.script.newID().suffix(3))", image: image, replicas: count, networks: networks,
                    ports: publishes ? ports : []))
        case (2...3, let service?):
            try await world.update(service) { $0.mode = .replicated(count) }
        case (4, let service?):
            let order = Bool.random(using: &random) ? "start-first" : "stop-first"
            try await world.update(service) {
                $0.taskTemplate.containerSpec?.image = image
                $0.updateConfig = .init()
                $0.updateConfig?.order = order
                $0.updateConfig?.parallelism = count
                $0.updateConfig?.failureAction = ["pause", "continue", "rollback"][Int(count) % 3]
            }
        case (5, let service?):
            try await world.update(service) { $0.taskTemplate.networks = networks.map { .init(target: $0) } }
        case (6, let service?) where services.count > 1:
            try await world.manager.removeService(service.id)
        case (7, let service?):
            if let victim = world.running(service).randomElement(using: &random) {
                world.agent.killing.insert(victim.id)
            }
        case (8, _):
            var node = try #require(world.view.nodes.sorted.first)
            node.spec.availability = [.active, .active, .pause, .drain].randomElement(using: &random) ?? .active
            try await world.manager.updateNode(node.id, node.spec, version: node.meta.version)
        case (9, _):
            let again = World(store: world.store, script: world.script)
            again.agent = world.agent
            world = again
        case (10, _) where world.view.containers.count < 4:
            try await run(world, on: networks.isEmpty ? ["wide"] : networks, &random)
        case (10...11, _):
            guard let victim = world.view.containers.sorted.randomElement(using: &random) else { break }
            try await world.manager.detach(victim.id)
        default: break
        }
        if Int.random(in: 0..<3, using: &random) == 0 { try await activate(world) }
    }

    /// `docker run`; what is refused leaves nothing behind.
    private func run(_ world: World, on networks: [String], _ random: inout SeededGenerator) async throws {
        let name = "c\(world.script.newID().suffix(3))"
        let ids = world.view.networks.sorted.filter { networks.contains($0.spec.name) }.map(\.id)
        let port = UInt16.random(in: 30000...30003, using: &random)
        let request = AttachedContainer(
            id: "", createdAt: world.script.now, nodeID: "", name: name, networks: ids.map { .init(networkID: $0) },
            ports: Bool.random(using: &random)
                ? [.init(protocol: .tcp, targetPort: 80, publishedPort: port)] : [])
        let before = world.view.containers.count
        do throws(SwarmError) {
            let attached = try await world.manager.attach(request)
            try await world.manager.bind(attached.id, containerID: name)
            _ = try await world.manager.starting(containerID: name)
        } catch {
            guard error.message.contains("port is already allocated") || error.message.contains("no available") else {
                throw error
            }
            let left = world.view.containers.sorted.map(\.container).filter { $0.isRunning && $0.name == name }
            #expect(left.isEmpty && world.view.containers.count <= before + 1)
        }
    }

    private func activate(_ world: World) async throws {
        var node = try #require(world.view.nodes.sorted.first)
        node.spec.availability = .active
        try await world.manager.updateNode(node.id, node.spec, version: node.meta.version)
    }

    private func check(
        _ world: World, _ states: inout [Swarm.ID: (Swarm.Task.State, Swarm.Task.State)], _ label: String
    ) throws {
        let doubles = AddressLedger.doubles(in: world.view)
        #expect(doubles == [], "\(label)")
        for task in world.view.tasks.all {
            if let (observed, desired) = states[task.id] {
                #expect(task.status.state >= observed && task.desiredState >= desired, "\(label): task \(task.id)")
            }
            states[task.id] = (task.status.state, task.desiredState)
            #expect(task.status.state < .assigned || !task.networks.isEmpty, "\(label): task \(task.id) has no address")
        }
        for service in world.view.services.all {
            let wanted = Dictionary(
                grouping: world.tasks(service).filter { $0.desiredState == .running && $0.status.state == .running },
                by: \.slot)
            #expect(wanted.values.allSatisfy { $0.count <= 2 }, "\(label): \(story(world, service))")
        }
    }
}
