import CausewayManager
import CausewayModel
import CausewayStore
import Testing

@Suite struct `A node that asks to be let in` {
    @Test func `gets the next number, never given before, and its peers hear of it`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 3)
        try await cluster.settle()
        #expect(cluster.view.nodes.sorted.map(\.number) == [1, 2, 3])
        #expect(cluster.view.nodes.all.allSatisfy { $0.state == .ready })

        let last = cluster.nodes.removeLast()
        try await cluster.manager.left(last.id)
        try await cluster.manager.removeNode(last.id, force: false)
        let next = try await cluster.add()
        try await cluster.settle()

        #expect(try cluster.node(next.id).number == 4)
        let assignment = try #require(cluster.nodes[0].applied)
        #expect(assignment.nodeNumber == 2)
        #expect(assignment.peers.map(\.number) == [1, 4])
        #expect(assignment.peers.map(\.dataAddress.description) == ["192.0.2.1", "192.0.2.4"])
        #expect(assignment.tunnel?.port == 4789 && assignment.tunnel?.pool == Tunnel.defaultPool)
        #expect(assignment.dataAddress?.description == "192.0.2.2")
    }

    @Test func `may come again once it has left, with a number of its own`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 2)
        let node = cluster.nodes[0]
        try await cluster.manager.left(node.id)
        #expect(try cluster.node(node.id).state == .down)
        await #expect(throws: SwarmError.self) { try await node.connect(cluster.world) }

        try await node.join(cluster.world)

        #expect(try cluster.node(node.id).number == 3)
        #expect(try cluster.node(node.id).state == .ready)
    }

    @Test func `is refused with a wrong token, a manager's, a live name or address, or routes over ours`() async throws
    {
        let cluster = try await ClusterWorld.started(nodes: 2)
        let other = FakeNode(9)
        func refusal(_ edit: (inout JoinRequest) -> Void) async -> String {
            var request = JoinRequest(token: "w", nodeID: other.id, hello: other.hello)
            edit(&request)
            let before = cluster.view.revision
            do throws(SwarmError) {
                _ = try await cluster.manager.admit(request)
                return "admitted"
            } catch {
                return cluster.view.revision == before ? error.message : "something was written"
            }
        }
        let words = [
            await refusal { $0.token = "x" }, await refusal { $0.token = "" }, await refusal { $0.token = "m" },
            await refusal { $0.nodeID = cluster.nodes[0].id }, await refusal { $0.nodeID = "../etc" },
            await refusal { $0.hello.address = cluster.nodes[0].hello.address },
            await refusal { $0.hello.routes = ["0.0.0.0/0", "10.0.0.128/25"].compactMap(CIDR.init) },
            await refusal { $0.hello.routes = ["100.64.3.0/24"].compactMap(CIDR.init) },
        ]
        #expect(words[0] == words[1])
        #expect(words[0].hasSuffix("A valid join token is necessary to join this cluster"))
        #expect(words[2].contains("docker swarm join-token worker"))
        #expect(words[3].contains("docker node rm --force \(cluster.nodes[0].id)"))
        #expect(words[4].contains("25 characters"))
        #expect(words[5].contains("192.0.2.2") && words[5].contains("--data-path-addr"))
        #expect(words[6].hasPrefix("route 10.0.0.128/25 of n9 overlaps subnet 10.0.0.0/24 of network ingress"))
        #expect(words[7].hasPrefix("route 100.64.3.0/24 of n9 overlaps the tunnel's addresses 100.64.0.0/16"))
        #expect(await refusal { $0.hello.routes = ["0.0.0.0/0"].compactMap(CIDR.init) } == "admitted")
    }

    @Test func `keeps new subnets off its routes`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 1)
        let node = FakeNode(2)
        var hello = node.hello
        hello.routes = [CIDR("10.0.1.0/24")].compactMap(\.self)
        _ = try await cluster.manager.admit(JoinRequest(token: "w", nodeID: node.id, hello: hello))

        let cut = try await cluster.manager.createNetwork(network("cut"))
        let refused = await #expect(throws: SwarmError.self) {
            _ = try await cluster.manager.createNetwork(network("asked", subnet: "10.0.1.0/25"))
        }

        #expect(cut.subnets.map(\.subnet.description) == ["10.0.2.0/24"])
        #expect(refused?.message.contains("overlaps route 10.0.1.0/24 of node n2") == true)
    }

    @Test func `has one session, and speaks for itself only`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 3)
        let service = try await cluster.manager.createService(spec("web", replicas: 6))
        try await cluster.settle()
        let (one, two) = (cluster.nodes[0], cluster.nodes[1])
        let old = try #require(one.session)
        try await one.connect(cluster.world)
        await #expect(throws: SwarmError.self) { try await cluster.manager.heartbeat(old) }
        await cluster.manager.close(old)
        try await cluster.manager.heartbeat(try #require(one.session))

        let foreign = try #require(cluster.world.running(service).first { $0.nodeID == two.id })
        let report = TaskReport(
            taskID: foreign.id, status: .init(timestamp: cluster.world.script.now, state: .failed, message: ""))
        await #expect(throws: SwarmError.self) {
            try await cluster.manager.report([report], in: try #require(one.session))
        }
        #expect(cluster.view.tasks[foreign.id]?.status.state == .running)

        try await cluster.manager.removeNode(one.id, force: true)
        let removed = await #expect(throws: SwarmError.self) {
            try await cluster.manager.heartbeat(try #require(one.session))
        }
        #expect(removed?.reason == .forbidden)
        await #expect(throws: SwarmError.self) { _ = try await cluster.manager.renew(one.id) }
    }
}

@Suite struct `A cluster of several nodes` {
    @Test func `spreads a service, and has a global one on each node`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 3)
        let web = try await cluster.manager.createService(spec("web", replicas: 6))
        var wanted = spec("agent")
        wanted.mode = .global
        let agent = try await cluster.manager.createService(wanted)
        try await cluster.settle()
        #expect(try cluster.spread(web) == ["n1": 2, "n2": 2, "n3": 2])
        #expect(try cluster.spread(agent) == ["n1": 1, "n2": 1, "n3": 1])

        try await cluster.add()
        try await cluster.settle()
        #expect(try cluster.spread(agent)["n4"] == 1)
        #expect(try cluster.spread(web)["n4"] == 0)

        try await cluster.set(.pause, of: cluster.nodes[2].id)
        try await cluster.world.update(web) { $0.mode = .replicated(9) }
        try await cluster.settle()
        #expect(try cluster.spread(web) == ["n1": 3, "n2": 3, "n3": 3, "n4": 0])

        try await cluster.set(.drain, of: cluster.nodes[0].id)
        try await cluster.run(3)
        #expect(try cluster.spread(web)["n2"] == 0 && cluster.spread(agent)["n2"] == 0)
        #expect(cluster.world.running(web).count == 9)
    }

    @Test func `tells every node where each task is, and all the same`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 3)
        _ = try await cluster.manager.createService(spec("web", replicas: 4))
        try await cluster.settle()

        let assignments = try [#require(cluster.ownApplied)] + cluster.nodes.compactMap(\.applied)

        let places = try #require(assignments.first?.places)
        #expect(places.count == 4 && places.map(\.id) == places.map(\.id).sorted())
        #expect(places.allSatisfy { $0.addresses.count == 2 && cluster.view.tasks[$0.id]?.nodeID == $0.nodeID })
        #expect(Set(assignments.map(\.places)).count == 1 && Set(assignments.map(\.services)).count == 1)
        #expect(assignments.map { $0.tasks.count }.reduce(0, +) == 4)
        let pool = assignments.map { $0.peers.count }
        #expect(pool == [2, 2, 2])
    }

    @Test func `stops a task only when no other node sends it anything`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 3)
        let service = try await cluster.manager.createService(spec("web", replicas: 3))
        try await cluster.settle()
        let victim = try #require(cluster.world.running(service).first { $0.slot == 3 })
        let slow = try #require(cluster.nodes.first { $0.id != victim.nodeID })
        slow.slowness = 3

        try await cluster.world.update(service) { $0.mode = .replicated(2) }
        for second in 0..<3 {
            try await cluster.settle()
            #expect(cluster.view.tasks[victim.id]?.status.state == .running, "after \(second) s")
            let seen = try #require(cluster.ownApplied?.services.first?.backends.first { $0.taskID == victim.id })
            #expect(!seen.isActive)
            cluster.world.script.advance(.seconds(1))
        }
        try await cluster.run(1)

        #expect(cluster.view.tasks[victim.id] == nil)
    }

    @Test func `stops it nevertheless when a node never answers, after five seconds`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 3)
        let service = try await cluster.manager.createService(spec("web", replicas: 3))
        try await cluster.settle()
        let victim = try #require(cluster.world.running(service).first { $0.slot == 3 })
        let mute = try #require(cluster.nodes.first { $0.id != victim.nodeID })
        mute.slowness = 1000

        try await cluster.manager.removeService(service.id)
        try await cluster.run(4)
        #expect(cluster.view.tasks[victim.id]?.status.state == .running)
        try await cluster.run(2)

        #expect(cluster.view.tasks[victim.id] == nil)
    }

    @Test(arguments: ["stop-first", "start-first"])
    func `updates without a moment in which a node may send to a task that stops`(order: String) async throws {
        let cluster = try await ClusterWorld.started(nodes: 3)
        let service = try await cluster.manager.createService(spec("web", replicas: 4))
        try await cluster.settle()
        for (index, node) in cluster.nodes.enumerated() { node.slowness = Int64(index + 1) }
        try await cluster.world.update(service) {
            $0.taskTemplate.containerSpec?.image = "ok2"
            $0.updateConfig = .init()
            $0.updateConfig?.order = order
            $0.updateConfig?.monitor = .seconds(1)
        }

        try await cluster.run(90, each: { try cluster.checkNoneIsSentToTheEnded("order \(order)") })

        #expect(try cluster.world.current(service).updateStatus?.state == "completed")
        let running = cluster.world.running(service)
        #expect(running.count == 4 && running.allSatisfy { $0.spec.containerSpec?.image == "ok2" })
    }
}

extension ClusterWorld {
    /// No node's maps lead new connections to a task that has been stopped.
    func checkNoneIsSentToTheEnded(_ label: String) throws {
        for assignment in [ownApplied] + nodes.map(\.applied) {
            for backend in (assignment?.services ?? []).flatMap(\.backends) where backend.isActive {
                let state = view.tasks[backend.taskID]?.status.state
                #expect(state == .running, "\(label): \(assignment?.hostname ?? "") sends to \(backend.taskName)")
            }
        }
    }
}

@Suite struct `A node that is silent` {
    @Test func `is down after three heartbeats, and nothing else changes`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 3)
        let service = try await cluster.manager.createService(spec("web", replicas: 6))
        try await cluster.settle()
        let node = cluster.nodes[0]
        let before = Set(cluster.world.running(service).map(\.id))
        node.cut()

        try await cluster.run(14)
        #expect(try cluster.node(node.id).state == .ready)
        try await cluster.run(2)
        #expect(try cluster.node(node.id).state == .down)
        #expect(Set(cluster.world.running(service).map(\.id)) == before)
        let other = try #require(cluster.nodes[1].applied)
        #expect(other.services.first?.backends.filter(\.isActive).count == 6)
        #expect(other.peers.count == 2 && other.places.count == 6)

        try await node.connect(cluster.world)
        try await cluster.run(40)
        #expect(try cluster.node(node.id).state == .ready)
        #expect(Set(cluster.world.running(service).map(\.id)) == before)
    }

    @Test func `loses its tasks after eviction, and ends them when it comes back`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 3)
        let service = try await cluster.manager.createService(spec("web", replicas: 6))
        var wanted = spec("agent")
        wanted.mode = .global
        let agent = try await cluster.manager.createService(wanted)
        try await cluster.settle()
        let node = cluster.nodes[0]
        let lost = node.runs
        #expect(lost.count == 3)
        node.cut()

        try await cluster.run(32)
        #expect(cluster.world.running(service).count == 6)
        #expect(cluster.world.running(service).allSatisfy { $0.nodeID != node.id })
        #expect(lost.allSatisfy { cluster.view.tasks[$0]?.status.state == .orphaned })
        #expect(node.runs == lost)
        // They may still run there: nobody else gets their addresses.
        let held = AddressLedger.holders(cluster.view).map(\.owner)
        #expect(lost.allSatisfy { held.contains("task \($0)") })

        try await node.connect(cluster.world)
        try await cluster.settle()
        #expect(node.runs.isDisjoint(with: lost))
        #expect(cluster.world.running(service).count == 6)
        #expect(cluster.world.running(agent).count == 3)
        #expect(lost.allSatisfy { cluster.view.tasks[$0]?.status.state == .orphaned })
        let after = AddressLedger.holders(cluster.view).map(\.owner)
        #expect(lost.allSatisfy { !after.contains("task \($0)") })
    }

    @Test func `is not blamed for a manager that was stopped itself`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 2)
        let service = try await cluster.manager.createService(spec("web", replicas: 2))
        try await cluster.settle()

        cluster.world.script.advance(.seconds(300))
        await cluster.manager.step()
        #expect(try cluster.node(cluster.nodes[0].id).state == .ready)

        let again = World(store: cluster.world.store, script: cluster.world.script)
        cluster.world.script.advance(.seconds(10))
        await again.manager.step()
        #expect(try cluster.node(cluster.nodes[0].id).state == .ready)
        #expect(again.running(service).count == 2)
    }

    @Test func `goes only by force while it is ready, and its tasks with it`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 3)
        let service = try await cluster.manager.createService(spec("web", replicas: 3))
        var wanted = spec("agent")
        wanted.mode = .global
        let agent = try await cluster.manager.createService(wanted)
        try await cluster.settle()
        let node = cluster.nodes.removeFirst()
        await #expect(
            throws: SwarmError(
                .invalid,
                "rpc error: code = FailedPrecondition desc = node \(node.id) is not down and can't be removed")
        ) {
            try await cluster.manager.removeNode(node.id, force: false)
        }
        let known = try cluster.node(node.id)
        var promoted = known.spec
        promoted.role = .manager
        let asked = promoted
        let refused = await #expect(throws: SwarmError.self) {
            try await cluster.manager.updateNode(node.id, asked, version: known.meta.version)
        }
        #expect(refused?.message.contains("one manager") == true)

        try await cluster.manager.removeNode(node.id, force: true)
        try await cluster.settle()

        #expect(cluster.world.running(service).count == 3)
        #expect(cluster.world.tasks(agent).allSatisfy { $0.nodeID != node.id })
        #expect(cluster.nodes[0].applied?.peers.map(\.number) == [1])
    }

    @Test func `says which peers it cannot reach`() async throws {
        let cluster = try await ClusterWorld.started(nodes: 3)
        let (one, two) = (cluster.nodes[0], cluster.nodes[1])
        try await cluster.manager.observed(
            [PeerObservation(nodeID: two.id, isReachable: false, note: "no answer for 1 s")],
            in: try #require(one.session))

        let shown = try await cluster.manager.nodes().first { $0.id == one.id }

        #expect(shown?.message == "cannot reach n3 through the tunnel: no answer for 1 s")
        #expect(await cluster.manager.observations().keys.sorted() == [one.id])
    }
}
