import CausewayManager
import CausewayModel
import CausewayStore
import Testing

@Suite struct `A root certificate that is replaced` {
    private func rotate(_ cluster: ClusterWorld, to number: UInt64) async throws(SwarmError) {
        guard let before = cluster.view.cluster else { return }
        var spec = before.spec
        spec.caConfig?.forceRotate = number
        try await cluster.manager.updateCluster(
            spec, version: before.meta.version, rotating: [])
    }

    private func cluster(_ world: ClusterWorld) throws -> Swarm.Cluster { try #require(world.view.cluster) }

    @Test func `is trusted until every node has come with a certificate of the new one`() async throws {
        let world = try await ClusterWorld.started(nodes: 3)
        try await rotate(world, to: 1)

        let during = try cluster(world)
        #expect(during.caCertificate == "cert2" && during.caKey == "key2")
        #expect(during.workerToken == "w2" && during.managerToken == "m2")
        #expect(during.rotation == .init(formerCertificate: "cert", crossSigned: "cert2 by cert with key"))
        #expect(try await world.manager.renew(world.nodes[0].id).rotation == during.rotation)

        try await world.manager.certified(world.nodes[0].id, by: "cert2")
        try await world.manager.certified(world.nodes[1].id, by: "cert")
        try await world.settle()
        #expect(try cluster(world).rotation != nil)
        #expect(try world.node(world.nodes[0].id).hasFormerRoot != true)
        #expect(try world.node(world.nodes[1].id).hasFormerRoot == true)

        try await world.manager.certified(world.nodes[1].id, by: "cert2")
        try await world.settle()
        #expect(try cluster(world).rotation == nil)
        #expect(try await world.manager.roots() == .init(certificate: "cert2"))
    }

    @Test func `is not replaced again before that, and nobody waits for a node that is gone`() async throws {
        let world = try await ClusterWorld.started(nodes: 2)
        let silent = try #require(world.nodes.first)
        try await rotate(world, to: 1)
        let refusal = await #expect(throws: SwarmError.self) { try await rotate(world, to: 2) }
        #expect(refusal?.reason == .conflict && refusal?.message.contains(silent.hello.description.hostname) == true)
        #expect(try cluster(world).spec.caConfig?.forceRotate == 1)

        try await world.manager.left(silent.id)
        world.nodes = []
        try await world.settle()
        #expect(try cluster(world).rotation == nil)
        try await rotate(world, to: 2)
        // The refused one had drawn a root too.
        #expect(try cluster(world).caCertificate == "cert4")
    }

    @Test func `of a manager that is alone is replaced at once, and the count never falls`() async throws {
        let world = try await ClusterWorld.started(nodes: 1)
        try await rotate(world, to: 7)
        try await world.settle()
        #expect(try cluster(world).rotation == nil)
        let refusal = await #expect(throws: SwarmError.self) { try await rotate(world, to: 6) }
        #expect(refusal?.reason == .invalid)
    }
}
