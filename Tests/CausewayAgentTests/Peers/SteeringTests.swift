import CausewayAgent
import CausewayKernel
import CausewayModel
import Logging
import Testing

@Suite struct `Steering` {
    private static func backend(
        _ task: String, on node: Swarm.ID, _ networks: [String], isActive: Bool = true
    ) -> ServiceEndpoint.Backend {
        ServiceEndpoint.Backend(
            taskID: task, taskName: "web.\(task)", slot: 1, nodeID: node,
            networks: networks.enumerated().map { index, network in
                Swarm.NetworkAttachment(
                    networkID: "net-\(network)", addresses: [CIDR("10.0.\(index).\(5 + index)/24")!])
            }, isActive: isActive)
    }

    private static func active(
        _ backends: [ServiceEndpoint.Backend], avoiding suspects: Set<Swarm.ID>
    ) -> [Swarm.ID] {
        let service = ServiceEndpoint(id: "svc-web", name: "web", mode: .vip, backends: backends)
        let steered = Shop.make([], [], [service]).avoiding(suspects)
        return steered.services[0].backends.filter(\.isActive).map(\.taskID)
    }

    @Test func `a suspect node's tasks rest while another's take connections`() {
        let backends = ["a", "b", "c"].map { Self.backend($0, on: "n-\($0)", ["front"]) }
        #expect(Self.active(backends, avoiding: ["n-b"]) == ["a", "c"])
        #expect(Self.active(backends, avoiding: ["n-b", "n-c"]) == ["a"])
    }

    @Test func `when all are suspect, all are used`() {
        let backends = ["a", "b"].map { Self.backend($0, on: "n-\($0)", ["front"]) }
        #expect(Self.active(backends, avoiding: ["n-a", "n-b"]) == ["a", "b"])
    }

    @Test func `one that takes no connections is nobody's reason to rest`() {
        let backends = [
            Self.backend("a", on: "n-a", ["front"]), Self.backend("b", on: "n-b", ["front"], isActive: false),
        ]
        #expect(Self.active(backends, avoiding: ["n-a"]) == ["a"])
    }

    @Test func `the last one on a network stays`() {
        let backends = [
            Self.backend("a", on: "n-a", ["front", "back"]), Self.backend("b", on: "n-b", ["front"]),
        ]
        #expect(Self.active(backends, avoiding: ["n-a"]) == ["a", "b"])
    }

    @Test func `nothing changes without a suspect, nor for services that have none`() {
        let assignment = Shop.assignment()
        #expect(assignment.avoiding([]) == assignment)
        #expect(assignment.avoiding(["elsewhere"]) == assignment)
    }

    @Test(arguments: 0..<6 as Range<UInt64>)
    func `a suspicion that comes and goes gives piece by piece what it gives at once`(number: UInt64) {
        let seed = 4711 &+ number
        var generator = ShopGenerator(seed: seed)
        var shop = RandomShop(seed: seed)
        var compiler = PiecewiseCompiler()
        var assignment = shop.next()
        for _ in 0..<25 {
            if generator.chance(50) { assignment = shop.next() }
            let suspects: Set<Swarm.ID> = generator.chance(50) ? ["node2"] : []
            var desired = compiler.compile(assignment.avoiding(suspects), facts: NodeFacts())
            compiler.addNames(to: &desired)
            let alone = AssignmentCompiler().compile(assignment.avoiding(suspects), facts: NodeFacts())

            #expect(desired.host.normalised == alone.host.normalised, "seed \(seed)")
            #expect(desired.names == alone.names, "seed \(seed)")
            #expect(desired.publishedPorts == alone.publishedPorts, "seed \(seed)")
        }
    }

    @Test(arguments: [Swarm.EndpointSpec.Mode.vip, .dnsrr])
    func `names stay whatever is suspect`(mode: Swarm.EndpointSpec.Mode) {
        var assignment = Shop.assignment()
        assignment.services[0].mode = mode
        if mode == .dnsrr { assignment.services[0].virtualIPs = [] }
        assignment.services[0].backends[1].nodeID = "node2"
        assignment.services[0].backends[2].nodeID = "node3"
        for suspects in [["node2"], ["node2", "node3"], ["node1", "node2", "node3"]] as [Set<Swarm.ID>] {
            let plain = AssignmentCompiler().compile(assignment, facts: NodeFacts())
            let steered = AssignmentCompiler().compile(assignment.avoiding(suspects), facts: NodeFacts())
            for (task, table) in plain.names {
                #expect(steered.names[task]?.names.keys.sorted() == table.names.keys.sorted())
                for (name, entry) in table.names {
                    #expect(steered.names[task]?.names[name]?.addresses.isEmpty == entry.addresses.isEmpty)
                }
                #expect(steered.names[task]?.reverse == table.reverse)
            }
        }
    }
}

/// Answers as a test says.
actor FakeProber: PeerProbing {
    private var silent: Set<Swarm.ID> = []
    private var mtu: UInt32 = 1450

    func silence(_ peers: Set<Swarm.ID>) { silent = peers }

    func narrow(to mtu: UInt32) { self.mtu = mtu }

    func round(_ probes: [PeerProbe], lasting period: Duration) async -> ProbeRound {
        // Rounds are counted, not waited for.
        _ = await Task.pause(for: .milliseconds(1))
        var answers: [Swarm.ID: ProbeRound.Answers] = [:]
        for probe in probes where !silent.contains(probe.peer) {
            switch probe.question {
            case .echo(let size): if size <= mtu { answers[probe.peer, default: .init()].sizes.insert(size) }
            case .connect: answers[probe.peer, default: .init()].isConnectAnswered = true
            }
        }
        return ProbeRound(link: .init(index: 7, mtu: 1450, isOffloadOn: true), answers: answers)
    }
}

@Suite(.timeLimit(.minutes(1))) struct `Agent with peers` {
    private let prober = FakeProber()
    private let node = FakeNode()
    private let source = FakeSource()
    private let watch: PeerWatch
    private let agent: Agent

    init() {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        watch = PeerWatch(prober: prober, logger: logger)
        agent = Agent(source: source, node: node, keeper: FakeKeeper(), peers: watch, logger: logger)
    }

    /// `web` has one task here, and one on the peer.
    private var assignment: NodeAssignment {
        var assignment = FakeWays.assignment(1)
        assignment.tasks.removeAll { $0.id == assignment.services[0].backends[1].taskID }
        assignment.services[0].backends.remove(at: 2)
        assignment.services[0].backends[1].nodeID = "peer2"
        return assignment
    }

    private func backends() async throws -> Set<Nft.Value> {
        let table = try #require(try await node.host.observe().tables.first)
        let set = try #require(table.sets.first { $0.name == "published4_64" })
        return Set(set.elements.compactMap { $0.data?.first })
    }

    private func wait(until isTrue: () async throws -> Bool) async throws {
        for _ in 0..<5_000 {
            if try await isTrue() { return }
            try await Task.sleep(for: .milliseconds(2))
        }
        Issue.record("it did not come true")
    }

    @Test func `new connections avoid a peer that falls silent, and find it again`() async throws {
        let running = Task { try await agent.run() }
        defer { running.cancel() }
        await source.send(assignment)
        try await source.waitApplied(1)
        #expect(try await backends().count == 2)

        await prober.silence(["peer2"])
        try await wait { try await backends().count == 1 }
        try await wait { await source.observed.last?.first?.isReachable == false }
        #expect(await agent.peerStatus().map(\.hostname) == ["n2"])

        await prober.silence([])
        try await wait { try await backends().count == 2 }
        try await wait { await source.observed.last?.first?.isReachable == true }
    }

    @Test func `what is measured is told`() async throws {
        await prober.narrow(to: 1301)
        let running = Task { try await agent.run() }
        defer { running.cancel() }
        await source.send(assignment)
        try await wait { await source.observed.last?.first?.mtu == 1301 }
        try await wait { await source.observed.last?.first?.takesChecksumOffload == true }
    }
}
