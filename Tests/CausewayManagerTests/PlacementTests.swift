import CausewayManager
import CausewayModel
import CausewayStore
import Testing

/// Three nodes: n1 the manager, n2 and n3; zones east, east and west.
private func zones() async throws -> ClusterWorld {
    let cluster = try await ClusterWorld.started(nodes: 3)
    for (id, zone) in [
        (try cluster.local, "east"), (cluster.nodes[0].id, "east"), (cluster.nodes[1].id, "west"),
    ] {
        try await cluster.edit(id) { $0.labels = ["zone": zone] }
    }
    return cluster
}

private func placed(
    _ name: String = "web", replicas: UInt64 = 1, constraints: [String] = [], spread: [String] = []
) -> Swarm.ServiceSpec {
    var wanted = spec(name, replicas: replicas)
    var placement = Swarm.Placement()
    placement.constraints = constraints
    placement.preferences = spread.map { .init(spread: $0) }
    wanted.taskTemplate.placement = placement
    wanted.taskTemplate.restartPolicy = .init(delay: .seconds(1))
    return wanted
}

@Suite struct `The scheduler` {
    @Test(
        arguments: [
            ([], ["n1": 2, "n2": 2, "n3": 2]), (["node.labels.zone"], ["n1": 2, "n2": 1, "n3": 3]),
            (["Node.Labels.zone"], ["n1": 2, "n2": 1, "n3": 3]), (["engine.labels.none"], ["n1": 2, "n2": 2, "n3": 2]),
            (["node.hostname"], ["n1": 2, "n2": 2, "n3": 2]),
        ] as [([String], [String: Int])])
    func `spreads tasks over the values of a label`(spread: [String], expected: [String: Int]) async throws {
        let cluster = try await zones()
        let service = try await cluster.manager.createService(placed(replicas: 6, spread: spread))

        try await cluster.settle()

        let found = try cluster.spread(service)
        #expect(found.values.sorted() == expected.values.sorted() && found["n3"] == expected["n3"])
    }

    @Test func `divides each branch again by the next preference`() async throws {
        let cluster = try await zones()
        let fourth = try await cluster.add()
        try await cluster.edit(fourth.id) { $0.labels = ["zone": "east", "rack": "b"] }

        let service = try await cluster.manager.createService(
            placed(replicas: 8, spread: ["node.labels.zone", "node.labels.rack"]))
        try await cluster.settle()

        let found = try cluster.spread(service)
        #expect(found == ["n1": 1, "n2": 1, "n3": 4, "n4": 2])
    }

    @Test func `leaves a branch alone in which no node can take a task`() async throws {
        let cluster = try await zones()
        try await cluster.set(.pause, of: cluster.nodes[1].id)

        let service = try await cluster.manager.createService(placed(replicas: 4, spread: ["node.labels.zone"]))
        try await cluster.settle()

        #expect(try cluster.spread(service) == ["n1": 2, "n2": 2, "n3": 0])
    }

    @Test(arguments: [
        ("node.hostname==N2", "n2"), ("node.hostname!=n2", "n1 n3"), ("node.role==worker", "n2 n3"),
        ("node.role!=worker", "n1"), ("node.id==node000000000000000000003", "n3"), ("node.ip==192.0.2.2", "n2"),
        ("node.ip!=192.0.2.0/30", ""), ("node.ip==192.0.2.2/31", "n2 n3"), ("node.ip!=here", ""),
        ("node.labels.zone==west", "n3"), ("node.labels.zone!=west", "n1 n2"), ("node.labels.none!=x", "n1 n2 n3"),
        ("node.platform.os==Linux", "n1 n2 n3"), ("node.platform.arch!=x86_64", ""),
        ("engine.labels.storage==ssd", "n4"), ("engine.labels.storage!=ssd", "n1 n2 n3"),
    ])
    func `knows every kind of constraint`(constraint: String, nodes: String) async throws {
        let cluster = try await zones()
        if constraint.hasPrefix("engine") { try await cluster.add { $0.engineLabels = ["storage": "ssd"] } }
        var wanted = placed(constraints: [constraint])
        wanted.mode = .global

        let service = try await cluster.manager.createService(wanted)
        try await cluster.settle()

        let found = try cluster.spread(service).filter { $0.value > 0 }.keys.sorted()
        #expect(found.joined(separator: " ") == nodes)
    }

    @Test func `says why there is no node, the most frequent reason first`() async throws {
        let cluster = try await zones()
        var wanted = placed(constraints: ["node.labels.zone==west"])
        wanted.taskTemplate.resources = .init()
        wanted.taskTemplate.resources?.reservations = .init()
        let service = try await cluster.manager.createService(wanted)
        try await cluster.settle()
        #expect(try cluster.spread(service)["n3"] == 1)

        wanted.name = "large"
        wanted.taskTemplate.resources?.reservations?.memoryBytes = 2 << 30
        let large = try await cluster.manager.createService(wanted)
        try await cluster.settle()
        #expect(
            cluster.world.tasks(large).map(\.status.error) == ["no suitable node (insufficient resources on 3 nodes)"])

        wanted.name = "small"
        wanted.taskTemplate.placement?.maxReplicas = 1
        wanted.taskTemplate.resources = nil
        wanted.mode = .replicated(2)
        try await cluster.set(.pause, of: cluster.nodes[0].id)
        let small = try await cluster.manager.createService(wanted)
        try await cluster.settle()
        #expect(
            cluster.world.tasks(small).compactMap(\.status.error) == [
                "no suitable node (1 node not available for new tasks; scheduling constraints not satisfied on 1 node; "
                    + "max replicas per node limit exceed)"
            ])
        try await cluster.set(.active, of: cluster.nodes[0].id)
        try await cluster.settle()
        #expect(
            cluster.world.tasks(small).compactMap(\.status.error) == [
                "no suitable node (scheduling constraints not satisfied on 2 nodes; "
                    + "max replicas per node limit exceed)"
            ])
    }

    @Test func `says of a global service's task only what is wrong with its node`() async throws {
        let cluster = try await zones()
        var wanted = placed()
        wanted.mode = .global
        wanted.taskTemplate.resources = .init()
        wanted.taskTemplate.resources?.reservations = .init()
        wanted.taskTemplate.resources?.reservations?.memoryBytes = 2 << 30

        let service = try await cluster.manager.createService(wanted)
        try await cluster.settle()

        #expect(
            cluster.world.tasks(service).map(\.status.error)
                == Array(repeating: "insufficient resources on 1 node", count: 3))
    }

    @Test func `gives generic resources, by name where the node has names`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 1)
        try await cluster.add {
            $0.genericResources = [
                .init(named: "gpu", "A"), .init("ssd", 3), .init(named: "gpu", "B"), .init(named: "gpu", "C"),
            ]
        }
        var wanted = placed(replicas: 2)
        wanted.taskTemplate.resources = .init()
        wanted.taskTemplate.resources?.reservations = .init()
        wanted.taskTemplate.resources?.reservations?.genericResources = [.init("gpu", 2), .init("ssd", 1)]

        let service = try await cluster.manager.createService(wanted)
        try await cluster.settle()

        let tasks = cluster.world.tasks(service)
        #expect(
            tasks.compactMap(\.genericResources) == [
                [.init(named: "gpu", "A"), .init(named: "gpu", "B"), .init("ssd", 1)]
            ])
        #expect(
            tasks.compactMap(\.status.error) == ["no suitable node (insufficient resources on 2 nodes)"])

        try await cluster.world.update(service) { $0.mode = .replicated(1) }
        try await cluster.settle()
        try await cluster.world.update(service) { $0.taskTemplate.forceUpdate = 1 }
        try await cluster.run(10)
        #expect(cluster.world.running(service).first?.genericResources?.map(\.text) == ["A", "B", "1"])
    }

    @Test func `avoids a node on which a service has failed five times of late`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 2)
        var wanted = placed(constraints: ["node.role==worker"])
        wanted.taskTemplate.containerSpec?.image = "exit3"
        wanted.mode = .replicated(2)
        let service = try await cluster.manager.createService(wanted)
        try await cluster.run(30)
        #expect(cluster.world.tasks(service).count { $0.status.state == .failed } >= 5)

        try await cluster.world.update(service) {
            $0.taskTemplate.placement = nil
            $0.taskTemplate.containerSpec?.image = "ok"
            $0.mode = .replicated(2)
        }
        try await cluster.run(5)

        #expect(try cluster.spread(service)["n1"] == 2)
    }
}

@Suite struct `A node that has changed` {
    @Test func `gives up the tasks whose constraints it does not meet any more`() async throws {
        let cluster = try await zones()
        let service = try await cluster.manager.createService(
            placed(replicas: 2, constraints: ["node.labels.zone==east"]))
        let other = try await cluster.manager.createService(placed("other", constraints: ["node.hostname==n2"]))
        try await cluster.settle()
        #expect(try cluster.spread(service) == ["n1": 1, "n2": 1, "n3": 0])

        try await cluster.edit(cluster.nodes[0].id) { $0.labels = [:] }
        try await cluster.run(5)

        #expect(try cluster.spread(service) == ["n1": 2, "n2": 0, "n3": 0])
        #expect(cluster.world.tasks(other).count == 1)
        let rejected = try #require(cluster.world.tasks(service).first { $0.nodeID == cluster.nodes[0].id })
        #expect(rejected.desiredState == .shutdown && rejected.status.state == .rejected)
        #expect(rejected.status.message == "task rejected by constraint enforcer")
        #expect(rejected.status.error == "assigned node no longer meets constraints")
    }

    @Test func `is left by them only when nobody sends them anything new`() async throws {
        let cluster = try await zones()
        let service = try await cluster.manager.createService(placed(constraints: ["node.hostname==n2"]))
        try await cluster.settle()
        cluster.nodes[1].slowness = 3

        try await cluster.world.update(service) { $0.taskTemplate.placement?.constraints = ["node.labels.zone==east"] }
        try await cluster.settle()
        let task = try #require(cluster.world.running(service).first)
        try await cluster.edit(cluster.nodes[0].id) { $0.labels = [:] }
        try await cluster.settle()

        #expect(cluster.view.tasks[task.id]?.status.state == .running)
        #expect(cluster.view.tasks[task.id]?.departure != nil)
        try await cluster.run(6)
        #expect(cluster.view.tasks[task.id]?.status.state == .rejected)
    }

    @Test func `loses what it has no room for any more, the newest first`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 2)
        var wanted = placed(constraints: ["node.role==worker"])
        wanted.taskTemplate.resources = .init()
        wanted.taskTemplate.resources?.reservations = .init()
        wanted.taskTemplate.resources?.reservations?.memoryBytes = 400 << 20
        let first = try await cluster.manager.createService(wanted)
        try await cluster.settle()
        wanted.name = "second"
        let second = try await cluster.manager.createService(wanted)
        try await cluster.settle()
        #expect(cluster.world.running(first).count == 1 && cluster.world.running(second).count == 1)

        cluster.nodes[0].edit = { $0.memoryBytes = 512 << 20 }
        try await cluster.nodes[0].connect(cluster.world)
        try await cluster.run(3)

        #expect(cluster.world.running(first).count == 1)
        #expect(cluster.world.tasks(second).map(\.status.state) == [.rejected, .pending])
    }

    @Test(arguments: [Swarm.Node.Availability.pause, .drain])
    func `is not asked when it is paused or drained`(availability: Swarm.Node.Availability) async throws {
        let cluster = try await zones()
        let service = try await cluster.manager.createService(placed(constraints: ["node.labels.zone==west"]))
        try await cluster.settle()

        try await cluster.edit(cluster.nodes[1].id) {
            $0.availability = availability
            $0.labels = [:]
        }
        try await cluster.run(3)

        let states = cluster.world.tasks(service).map(\.status.state)
        #expect(states == (availability == .pause ? [.running] : [.shutdown, .pending]))
    }

    @Test func `keeps its place empty when the policy says so`() async throws {
        let cluster = try await zones()
        var wanted = placed(constraints: ["node.labels.zone==east"])
        wanted.taskTemplate.restartPolicy = .init(condition: Swarm.RestartPolicy.Condition.none)
        let service = try await cluster.manager.createService(wanted)
        try await cluster.settle()
        let node = try #require(cluster.world.running(service).first?.nodeID)

        try await cluster.edit(node) { $0.labels = [:] }
        try await cluster.run(5)

        #expect(cluster.world.tasks(service).map(\.status.state) == [.rejected])
    }
}
