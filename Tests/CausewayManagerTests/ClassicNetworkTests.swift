import CausewayManager
import CausewayModel
import CausewayStore
import Testing

private func classic(_ name: String, ingress: Bool = false) -> Swarm.NetworkSpec {
    var spec = network(name)
    spec.options = ["causeway.datapath": "classic"]
    spec.isIngress = ingress
    return spec
}

@Suite struct `A classic network` {
    @Test func `has a tunnel of its own, which no other one ever had`() async throws {
        let world = try await World.started()

        let first = try await world.manager.createNetwork(classic("one"))
        let second = try await world.manager.createNetwork(classic("two"))
        try await world.manager.removeNetwork(second.id)
        let third = try await world.manager.createNetwork(classic("three"))
        let direct = try await world.manager.createNetwork(network("plain"))

        #expect([first, second, third, direct].map(\.tunnelIdentifier) == [4096, 4097, 4098, nil])
        #expect(first.spec.options == ["causeway.datapath": "classic"])
    }

    @Test func `gives each node a balancer while it has a task there`() async throws {
        let world = try await World.started()
        let old = try await world.manager.createNetwork(classic("old"))
        #expect(world.view.nodes.all.allSatisfy { $0.balancers == nil })

        let service = try await world.manager.createService(spec("web", replicas: 2, networks: ["old"]))
        try await world.settle()

        let node = try #require(world.view.nodes.all.first { _ in true })
        #expect(node.balancers?.map(\.networkID) == [old.id])
        #expect(
            world.assignment?.balancers == [
                BalancerAddress(
                    networkID: old.id, nodeID: node.id, address: try #require(node.balancers?.first?.addresses.first))
            ])
        #expect(world.assignment?.dataAddress == node.address)
        #expect(AddressLedger.doubles(in: world.view) == [])

        try await world.manager.removeService(service.id)
        try await world.run(60)
        #expect(world.view.nodes.all.allSatisfy { $0.balancers == nil })
        #expect(world.assignment?.balancers == nil)
    }

    @Test func `gives each task a place on the bridge, and none to others`() async throws {
        let world = try await World.started()
        _ = try await world.manager.createNetwork(classic("old"))
        let service = try await world.manager.createService(spec("web", replicas: 3, networks: ["old"]))
        let other = try await world.manager.createService(spec("other", replicas: 2))
        try await world.settle()

        #expect(world.running(service).compactMap(\.gatewayNumber).sorted() == [3, 4, 5])
        #expect(world.running(other).allSatisfy { $0.gatewayNumber == nil })

        world.agent.killing = Set(world.running(service).prefix(1).map(\.id))
        try await world.run(10)
        #expect(world.running(service).compactMap(\.gatewayNumber).max() == 6)
        #expect(AddressLedger.doubles(in: world.view) == [])
    }

    @Test func `is refused, and nothing is stored, where the kernel lacks something for it`() async throws {
        let world = World(missing: "this kernel has no IPVS, which balances it (modprobe ip_vs)")
        _ = try await world.manager.initialize(SwarmInit())
        let before = world.view.networks.count

        let error = await #expect(throws: SwarmError.self) { try await world.manager.createNetwork(classic("old")) }

        #expect(error?.message.contains("has no IPVS, which balances it") == true)
        #expect(error?.message.contains("data path direct needs none of it") == true)
        #expect(world.view.networks.count == before && world.view.cluster?.lastTunnelIdentifier == nil)
        _ = try await world.manager.createNetwork(network("plain"))
    }

    @Test func `has no IPv6, and no other data path is known`() async throws {
        let world = try await World.started()
        var dual = classic("dual")
        dual.enableIPv6 = true
        var other = network("other")
        other.options = ["causeway.datapath": "fast"]

        await #expect(throws: SwarmError.self) { try await world.manager.createNetwork(dual) }
        let error = await #expect(throws: SwarmError.self) { try await world.manager.createNetwork(other) }
        #expect(error?.reason == .invalid && error?.message.contains("'fast'") == true)
    }

    @Test func `carries the mesh, with a virtual address for each published service`() async throws {
        let world = try await World.started()
        let old = try #require(world.view.networks.all.first { $0.spec.isIngress })
        try await world.manager.removeNetwork(old.id)
        let ingress = try await world.manager.createNetwork(classic("mesh", ingress: true))
        #expect(ingress.subnets.map(\.subnet.family) == [.ip])
        try await world.settle()
        #expect(world.view.nodes.all.allSatisfy { $0.balancers?.map(\.networkID) == [ingress.id] })

        let web = try await world.manager.createService(
            spec("web", replicas: 2, ports: [.init(targetPort: 80, publishedPort: 8080)]))
        let quiet = try await world.manager.createService(spec("quiet"))
        try await world.settle()

        #expect(try world.current(web).endpoint.virtualIPs.map(\.networkID) == [ingress.id])
        #expect(try world.current(quiet).endpoint.virtualIPs.isEmpty)
        #expect(world.running(web).count == 2 && world.running(quiet).count == 1)
        #expect(AddressLedger.doubles(in: world.view) == [])

        var scoped = spec("scoped", ports: [.init(targetPort: 80, publishedPort: 8081)])
        scoped.labels = ["causeway.publish.8081.from": "192.0.2.0/24"]
        let refused = scoped
        await #expect(throws: SwarmError.self) { try await world.manager.createService(refused) }
    }
}
