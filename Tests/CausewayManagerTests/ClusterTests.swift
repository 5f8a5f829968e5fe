import CausewayManager
import CausewayModel
import CausewayStore
import Testing

@Suite struct `A swarm` {
    @Test func `begins with one manager, an ingress network and Docker's defaults`() async throws {
        let world = World(routes: ["0.0.0.0/0", "10.0.0.0/16", "172.17.0.0/16"])
        var request = SwarmInit()
        request.spec = try JSONValue.decode(
            #"{"Raft":{"ElectionTick":0,"HeartbeatTick":0},"Orchestration":{},"CAConfig":{}}"#)

        let id = try await world.manager.initialize(request)

        let node = try #require(try await world.manager.nodes().first)
        #expect((node.id, node.number, node.spec.role, node.state, node.isLeader) == (id, 1, .manager, .ready, true))
        #expect(await world.manager.localNodeID() == id)
        let ingress = try #require(try await world.manager.networks().first)
        #expect((ingress.spec.name, ingress.spec.isIngress) == ("ingress", true))
        #expect(ingress.subnets.map(\.subnet.description) == ["10.1.0.0/24", "fd11:2233:4455:1::/64"])
        #expect(ingress.subnets.map(\.gateway.description) == ["10.1.0.1", "fd11:2233:4455:1::1"])
        let cluster = try await world.manager.cluster()
        #expect(cluster.spec == Swarm.ClusterSpec())
        #expect(
            (cluster.dataPathPort, cluster.subnetSize, cluster.defaultAddressPools.map(\.description)) == (
                4789, 24, ["10.0.0.0/8"]
            ))
        #expect(cluster.advertiseAddress.description == "192.0.2.1")
        #expect(cluster.uniqueLocalPrefix.description == "fd11:2233:4455::/48")
    }

    @Test func `cannot begin twice, nor answer before it has begun`() async throws {
        let world = World()
        let inactive = await #expect(throws: SwarmError.self) { _ = try await world.manager.services() }
        #expect(inactive?.reason == .unavailable)
        #expect(inactive?.message.hasPrefix("This node is not a swarm manager. Use \"docker swarm init\"") == true)
        await #expect(throws: SwarmError(.unavailable, "This node is not part of a swarm")) {
            try await world.manager.leave(force: true)
        }
        _ = try await world.manager.initialize(SwarmInit())

        let again = await #expect(throws: SwarmError.self) { _ = try await world.manager.initialize(SwarmInit()) }

        #expect(
            again?.message
                == "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join another one."
        )
    }

    @Test func `refuses what it cannot do, before anything is written`() async throws {
        let edits: [@Sendable (inout SwarmInit) -> Void] = [
            { $0.forceNewCluster = true },
            { $0.dataPathPort = 80 },
            { $0.subnetSize = 30 }, { $0.defaultAddressPools = [CIDR("10.0.0.1/8")].compactMap(\.self) },
            { $0.defaultAddressPools = ["10.0.0.0/8", "10.1.0.0/16"].compactMap(CIDR.init) },
            { $0.advertiseAddress = "nowhere0" },
        ]
        for edit in edits {
            let world = World()
            var request = SwarmInit()
            edit(&request)
            let wanted = request
            await #expect(throws: SwarmError.self) { _ = try await world.manager.initialize(wanted) }
            #expect(world.view.revision == 0)
        }
    }

    @Test func `is not left without force, and takes everything down with it`() async throws {
        let world = try await World.started()
        _ = try await world.manager.createService(spec("web", replicas: 2))
        try await world.settle()
        let polite = await #expect(throws: SwarmError.self) { try await world.manager.leave(force: false) }
        #expect(polite?.message.hasSuffix("Use `--force` to ignore this message. ") == true)
        let manager = world.manager
        let stream = await manager.assignments()
        let agent = Task {
            var obedient = FakeAgent()
            var states: [[Swarm.Task.State]] = []
            for await assignment in stream {
                states.append(assignment.tasks.map(\.status.state))
                try await manager.report(obedient.obey(assignment, at: world.script.now))
                try await manager.applied(revision: assignment.revision)
                if assignment.networks.isEmpty { break }
                #expect(assignment.tasks.allSatisfy { $0.desiredState != .running || states.count == 1 })
            }
            return states
        }

        try await manager.leave(force: true)

        let heard = try await agent.value
        // Tasks were told to stop while their networks still stood; then there was nothing.
        #expect(heard.last == [])
        #expect(heard.count >= 2 && heard.first == [.running, .running])
        #expect(await !manager.isActive())
        #expect(world.view.tasks.isEmpty && world.view.networks.isEmpty)
        // What a container says after the end is nobody's business, and no error.
        try await manager.report([
            TaskReport(taskID: "t", status: .init(timestamp: .zero, state: .shutdown, message: ""))
        ])
        _ = try await manager.initialize(SwarmInit())
        #expect(await manager.isActive())
    }

    @Test func `is left even if the agent never answers`() async throws {
        let world = try await World.started()
        _ = try await world.manager.createService(spec("web"))
        try await world.settle()
        let stream = await world.manager.assignments()

        try await world.manager.leave(force: true)

        #expect(await !world.manager.isActive())
        withExtendedLifetime(stream) {}
    }

    @Test func `changes tokens and keeps versions`() async throws {
        let world = try await World.started()
        let before = try await world.manager.cluster()

        try await world.manager.updateCluster(
            before.spec, version: before.meta.version, rotating: [.workerToken])

        let after = try await world.manager.cluster()
        #expect(after.workerToken != before.workerToken && after.managerToken == before.managerToken)
        await #expect(throws: SwarmError.outOfSequence) {
            try await world.manager.updateCluster(
                before.spec, version: before.meta.version, rotating: [])
        }
    }

    @Test func `keeps its only manager`() async throws {
        let world = try await World.started()
        let node = try #require(try await world.manager.nodes().first)
        var worker = node.spec
        worker.role = .worker
        let wanted = worker

        await #expect(
            throws: SwarmError(
                .invalid,
                "rpc error: code = FailedPrecondition desc = attempting to demote the last manager of the swarm")
        ) {
            try await world.manager.updateNode(node.id, wanted, version: node.meta.version)
        }
        await #expect(
            throws: SwarmError(
                .invalid,
                "rpc error: code = FailedPrecondition desc = node \(node.id) is a cluster manager and is a member of the "
                    + "raft cluster. It must be demoted to worker before removal")
        ) {
            try await world.manager.removeNode(node.id, force: false)
        }
        let forced = await #expect(throws: SwarmError.self) { try await world.manager.removeNode(node.id, force: true) }
        #expect(forced?.message.contains("is a cluster manager") == true)
    }
}

@Suite struct `A network` {
    @Test func `gets the next free subnet, or the one asked for`() async throws {
        let world = try await World.started(routes: ["10.0.2.0/24"])
        var given = network("given", subnet: "10.0.1.0/24")
        given.ipam[0].gateway = "10.0.1.254"
        given.ipam[0].range = "10.0.1.128/25"

        let one = try await world.manager.createNetwork(given)
        let two = try await world.manager.createNetwork(network("two"))

        #expect(
            one.subnets.map { [$0.subnet.description, $0.gateway.description, $0.range?.description ?? ""] } == [
                ["10.0.1.0/24", "10.0.1.254", "10.0.1.128/25"]
            ])
        #expect(two.subnets.map(\.subnet.description) == ["10.0.3.0/24"])
    }

    @Test(arguments: [
        (
            #"{"Subnet":"10.0.1.0"}"#, SwarmError.Reason.invalid,
            "Invalid subnet 10.0.1.0 : invalid CIDR address: 10.0.1.0"
        ),
        (
            #"{"Subnet":"10.9.1.5/24"}"#, .invalid,
            "invalid network config: invalid subnet 10.9.1.5/24: it should be 10.9.1.0/24"
        ),
        (
            #"{"Subnet":"10.9.1.0/31"}"#, .invalid,
            "invalid network config: invalid subnet 10.9.1.0/31: it has no room for tasks: a prefix of at most 30 has"
        ),
        (
            #"{"Subnet":"127.0.0.0/24"}"#, .invalid,
            "invalid network config: invalid subnet 127.0.0.0/24: it holds addresses with a meaning of their own"
        ),
        (
            #"{"Subnet":"10.9.1.0/24","Gateway":"10.9.2.1"}"#, .invalid,
            "invalid network config: invalid gateway 10.9.2.1: it is not within subnet 10.9.1.0/24"
        ),
        (
            #"{"Subnet":"10.9.1.0/24","IPRange":"10.9.2.0/25"}"#, .invalid,
            "invalid network config: invalid ip-range 10.9.2.0/25: it is not within subnet 10.9.1.0/24"
        ),
        (#"{"Gateway":"10.9.2.1"}"#, .invalid, "invalid network config: a gateway or an IP range needs a subnet"),
        (
            #"{"Subnet":"10.0.0.128/25"}"#, .forbidden,
            "Pool overlaps with other one on this address space: subnet 10.0.0.128/25 overlaps 10.0.0.0/24 of network ingress"
        ),
        (
            #"{"Subnet":"192.168.0.0/16"}"#, .forbidden,
            "Pool overlaps with other one on this address space: subnet 192.168.0.0/16 overlaps the host's route 192.168.7.0/24; choose another with --subnet"
        ),
        (
            #"{"Subnet":"fd00::/64"}"#, .invalid,
            "invalid network config: subnet fd00::/64 is IPv6, and IPv6 is not enabled: use --ipv6"
        ),
    ])
    func `with a wrong subnet is refused, and nothing is written`(
        ipam: String, reason: SwarmError.Reason, message: String
    ) async throws {
        let world = try await World.started(routes: ["0.0.0.0/0", "192.168.7.0/24"])
        var wanted = Swarm.NetworkSpec(name: "onet")
        wanted.ipam = [try JSONValue.decode(ipam)]
        let refused = wanted
        let before = world.view.revision

        await #expect(throws: SwarmError(reason, message)) { _ = try await world.manager.createNetwork(refused) }

        #expect(world.view.revision == before)
    }

    @Test(arguments: [
        ("ingress", SwarmError.Reason.conflict), ("host", .conflict), ("bridge", .conflict), ("a b", .invalid),
        ("", .invalid), ("-a", .invalid),
    ])
    func `with a wrong name is refused`(name: String, reason: SwarmError.Reason) async throws {
        let world = try await World.started()

        let error = await #expect(throws: SwarmError.self) { _ = try await world.manager.createNetwork(network(name)) }

        #expect(error?.reason == reason)
    }

    @Test func `in use stays, and goes once its last task has stopped`() async throws {
        let world = try await World.started()
        let onet = try await world.manager.createNetwork(network("onet"))
        let idle = try await world.manager.createNetwork(network("idle"))
        let service = try await world.manager.createService(
            spec("web", image: "slowstop", networks: ["onet"], ports: [.init(targetPort: 80, publishedPort: nil)]))
        try await world.settle()
        #expect(try await world.manager.unusedNetworks().map(\.id) == [idle.id])
        await #expect(
            throws: SwarmError(
                .invalid,
                "rpc error: code = FailedPrecondition desc = network \(onet.id) is in use by service \(service.id)")
        ) {
            try await world.manager.removeNetwork(onet.id)
        }
        let ingress = try #require(world.view.networks.sorted.first { $0.spec.isIngress })
        await #expect(
            throws: SwarmError(
                .invalid,
                "rpc error: code = FailedPrecondition desc = ingress network cannot be removed because service \(service.id) depends on it"
            )
        ) {
            try await world.manager.removeNetwork(ingress.id)
        }

        try await world.manager.removeService(service.id)
        try await world.settle()
        let waiting = await #expect(throws: SwarmError.self) { try await world.manager.removeNetwork(onet.id) }
        #expect(waiting?.message.contains("in use by task") == true)
        try await world.run(5)
        try await world.manager.removeNetwork(onet.id)

        #expect(world.view.networks[onet.id] == nil)
    }

    @Test func `that runs out of pool says how much is used`() async throws {
        let world = World()
        var request = SwarmInit()
        request.defaultAddressPools = [CIDR("10.20.0.0/23")].compactMap(\.self)
        _ = try await world.manager.initialize(request)
        _ = try await world.manager.createNetwork(network("one"))

        let error = await #expect(throws: SwarmError.self) { _ = try await world.manager.createNetwork(network("two")) }

        #expect(
            error?.message
                == "no free subnet /24 in the default address pool 10.20.0.0/23: 2 networks and 0 routes of the host use it; give one with --subnet"
        )
    }
}

@Suite struct `The manager's loop` {
    @Test(.timeLimit(.minutes(1)))
    func `brings assignments, takes reports and tells events without being stepped`() async throws {
        let store = MemoryStore()
        let world = World(store: store)
        let manager = world.manager
        let loop = Task { await manager.run() }
        defer { loop.cancel() }
        let events = await manager.events(since: nil)
        _ = try await manager.initialize(SwarmInit())
        let service = try await manager.createService(spec("web", replicas: 2))

        let agent = Task {
            var obedient = FakeAgent()
            for await assignment in await manager.assignments() {
                let reports = obedient.obey(assignment, at: Timestamp(seconds: 1_800_000_000))
                if !reports.isEmpty { try await manager.report(reports) }
                try await manager.applied(revision: assignment.revision)
                let active = assignment.services.first?.backends.filter(\.isActive) ?? []
                if active.count == 2 { return assignment }
            }
            throw SwarmError(.internal, "no assignment had two active backends")
        }
        let last = try await agent.value

        #expect(last.services.first?.backends.count == 2)
        #expect(last.nodeNumber == 1 && last.networks.count == 1)
        var kinds: Set<String> = []
        for await event in events {
            kinds.insert("\(event.kind.rawValue) \(event.action.rawValue) \(event.attributes["name"] ?? "")")
            if event.kind == .service { break }
        }
        #expect(kinds == ["network create ingress", "node create n1", "service create web"])
        try await world.update(service) { $0.mode = .replicated(1) }
        for await event in events where event.attributes["replicas.new"] != nil {
            #expect(event.attributes == ["name": "web", "replicas.old": "2", "replicas.new": "1"])
            break
        }
        let past = await manager.events(since: .zero)
        var first: SwarmEvent?
        for await event in past {
            first = event
            break
        }
        #expect(first?.action == .create)
    }

    @Test func `keeps a backend that is stopping, without new connections`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web", image: "slowstop", replicas: 2))
        try await world.settle()

        try await world.update(service) { $0.mode = .replicated(1) }
        await world.manager.step()

        let backends = try #require(world.assignment?.services.first?.backends)
        #expect(backends.map(\.isActive).filter { $0 }.count == 1 && backends.count == 2)
    }

    @Test func `ignores reports that would lower a state`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web"))
        try await world.settle()
        let task = try #require(world.running(service).first)
        let before = world.view.revision

        for state in [Swarm.Task.State.new, .assigned, .preparing, .starting] {
            try await world.manager.report([
                TaskReport(taskID: task.id, status: .init(timestamp: world.script.now, state: state, message: ""))
            ])
        }
        try await world.manager.report([
            TaskReport(taskID: "unknown", status: .init(timestamp: world.script.now, state: .running, message: ""))
        ])

        #expect(world.view.revision == before)
    }
}
