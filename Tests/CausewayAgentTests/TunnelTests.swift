import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayAgent

/// What a node holds of the others.
@Suite struct TunnelTests {
    private let desired = AssignmentCompiler().compile(Self.assignment(), facts: NodeFacts())

    /// Node 1 with the shop's tasks; node 2 and 300 others, of which node 2 has a task.
    static func assignment(peers: [Int] = [2, 300], remote: [String: Int] = ["far1": 2]) -> NodeAssignment {
        var assignment = Shop.assignment()
        assignment.tunnel = Tunnel(pool: Tunnel.defaultPool!, uniqueLocalPrefix: assignment.uniqueLocalPrefix)
        assignment.dataAddress = IPAddress("192.0.2.1")
        assignment.peers = peers.map { number in
            Peer(
                id: "node\(number)", hostname: "n\(number)", number: number,
                dataAddress: IPAddress("192.0.\(2 + number / 250).\(number % 250)")!)
        }
        let own = assignment.tasks.map { task in
            PlacedAddresses(
                id: task.id, nodeID: "node1", addresses: task.networks.flatMap { $0.addresses.map(\.address) })
        }
        let others = remote.map { id, node in
            let number = 200 + id.utf8.reduce(0) { $0 + Int($1) } % 50
            return PlacedAddresses(
                id: id, nodeID: "node\(node)",
                addresses: [IPAddress("10.0.1.\(number)")!, IPAddress("fd12:3456:789a:1::\(number)")!])
        }
        assignment.places = (own + others).sorted { $0.id < $1.id }
        return assignment
    }

    private func routes(_ desired: DesiredNode, to text: String) -> [String] {
        desired.host.routes.filter { $0.destination == CIDR(host: IPAddress(text)!) }.map(\.description)
    }

    @Test func `a node that is alone has no tunnel, and its routes are in our table`() {
        let alone = AssignmentCompiler().compile(Shop.assignment(), facts: NodeFacts()).host

        #expect(alone.links[Tunnel.linkName] == nil)
        #expect(alone.forwarding.isEmpty)
        #expect(alone.routes.allSatisfy { $0.table == 213 })
        #expect(Set(alone.rules.map(\.description)) == ["pref 21300 lookup 213", "-6 pref 21300 lookup 213"])
        #expect(alone.tables[0].chains.allSatisfy { $0.name != "from_tunnel" })
    }

    @Test func `a node with peers has one link for all, and one entry for each`() throws {
        let link = try #require(desired.host.links[Tunnel.linkName])

        #expect(
            link.description
                == "cw-vxlan type vxlan id 4095 local 192.0.2.1 dstport 4789 address 02:ca:75:00:00:01 mtu 1450 "
                + "alias \"tunnel to the other nodes\" up")
        #expect(
            desired.host.forwarding.map(\.description).sorted() == [
                "02:ca:75:00:00:02 dev cw-vxlan dst 192.0.2.2 self permanent",
                "02:ca:75:00:01:2c dev cw-vxlan dst 192.0.3.50 self permanent",
            ])
        #expect(
            desired.host.neighbors.filter { $0.link == Tunnel.linkName }.map(\.description).sorted() == [
                "100.64.0.2 lladdr 02:ca:75:00:00:02 dev cw-vxlan",
                "100.64.1.44 lladdr 02:ca:75:00:01:2c dev cw-vxlan",
                "fd12:3456:789a::1:12c lladdr 02:ca:75:00:01:2c dev cw-vxlan",
                "fd12:3456:789a::1:2 lladdr 02:ca:75:00:00:02 dev cw-vxlan",
            ])
    }

    @Test func `a task of another node is reached through that node, by both families`() {
        #expect(routes(desired, to: "10.0.1.212") == ["10.0.1.212 via 100.64.0.2 dev cw-vxlan table 213 onlink"])
        #expect(
            routes(desired, to: "fd12:3456:789a:1::212") == [
                "fd12:3456:789a:1::212 via fd12:3456:789a::1:2 dev cw-vxlan table 213 onlink"
            ])
        #expect(routes(desired, to: "10.0.1.5") == ["10.0.1.5 dev cw-web1abcdef table 213 scope link"])
    }

    @Test func `what was measured narrows the routes to that peer and no other`() {
        var facts = NodeFacts()
        facts.paths = ["node2": PeerPath(mtu: 1350), "node300": PeerPath(mtu: 9000)]
        facts.tunnelOffload = false
        let desired = AssignmentCompiler().compile(Self.assignment(), facts: facts)

        #expect(
            routes(desired, to: "10.0.1.212") == ["10.0.1.212 via 100.64.0.2 dev cw-vxlan table 213 mtu 1350 onlink"])
        // More than the link takes is no news.
        #expect(routes(desired, to: "100.64.1.44") == ["100.64.1.44 dev cw-vxlan src 100.64.0.1 table 213 scope link"])
        #expect(desired.host.links[Tunnel.linkName]?.checksumOffload == false)
    }

    @Test(arguments: [1, 15, 16, 255, 256, 300, 4094])
    func `a mark leads to its own peer, after at most 48 questions`(_ number: Int) throws {
        let rules = PolicyRules.all(peers: Array(1...4094)).filter { $0.family == .ip }
        #expect(rules.count < 4094 + 600)

        let (table, asked) = Self.decide(rules, mark: UInt32(number) << 16)
        #expect(table == 2_130_000 + UInt32(number))
        #expect(asked <= 51)
    }

    @Test func `a packet without a mark of ours, and one whose node is gone, are led past all of them`() {
        let rules = PolicyRules.all(peers: [1, 2, 300]).filter { $0.family == .ip6 }

        #expect(Self.decide(rules, mark: 0) == (nil, 3))
        #expect(Self.decide(rules, mark: 0x8000_0001) == (nil, 3))
        for number in [3, 16, 299, 301, 4000] { #expect(Self.decide(rules, mark: UInt32(number) << 16).0 == nil) }
    }

    /// As the kernel asks rules, where the table 213 has no answer.
    private static func decide(
        _ rules: Set<NamespaceState.PolicyRule>, mark: UInt32
    ) -> (table: UInt32?, asked: Int) {
        let order = rules.sorted { $0.priority < $1.priority }
        var (index, asked) = (0, 0)
        while index < order.count {
            let rule = order[index]
            asked += 1
            index += 1
            guard mark & (rule.markMask ?? 0) == rule.mark ?? 0 else { continue }
            if let table = rule.table, table != 213 { return (table, asked) }
            if let target = rule.target { index = order.firstIndex { $0.priority >= target } ?? order.count }
        }
        return (nil, asked)
    }

    @Test func `piece by piece it comes to the same as at once`() {
        var compiler = PiecewiseCompiler()
        var facts = NodeFacts()
        let steps: [([Int], [String: Int], UInt32?)] = [
            ([2], ["a": 2], nil), ([2], ["a": 2, "b": 2], nil), ([2, 3], ["a": 2, "b": 3], nil),
            ([2, 3], ["a": 3, "b": 3], 1400), ([2, 3, 300], ["b": 2], 1400), ([3], ["b": 2], 1300), ([], [:], nil),
            ([7], ["c": 7], nil),
        ]
        for (peers, remote, mtu) in steps {
            facts.paths = ["node3": PeerPath(mtu: mtu)]
            facts.tunnelOffload = mtu == nil
            let assignment = Self.assignment(peers: peers, remote: remote)
            let piecewise = compiler.compile(assignment, facts: facts)
            let whole = AssignmentCompiler().compile(assignment, facts: facts)
            #expect(Plan(from: piecewise.host, to: whole.host).description.isEmpty)
            #expect(piecewise.host.rules == whole.host.rules)
            #expect(piecewise.host.routes == whole.host.routes)
        }
    }

    @Test func `one remote task more is one route for each of its addresses`() {
        var compiler = PiecewiseCompiler()
        let before = compiler.compile(Self.assignment(remote: ["a": 2]), facts: NodeFacts())
        let after = compiler.compile(Self.assignment(remote: ["a": 2, "b": 300]), facts: NodeFacts())

        #expect(
            Plan(from: before.host, to: after.host).description == """
                route add 10.0.1.248 via 100.64.1.44 dev cw-vxlan table 213 onlink
                route add fd12:3456:789a:1::248 via fd12:3456:789a::1:12c dev cw-vxlan table 213 onlink
                """)
    }

    @Test func `a task that moves to another node is always somewhere`() {
        let before = AssignmentCompiler().compile(Self.assignment(remote: ["a": 2]), facts: NodeFacts())
        var assignment = Self.assignment(remote: ["a": 2])
        let index = assignment.places.firstIndex { $0.id == "a" }!
        assignment.places[index].nodeID = "node300"
        let after = AssignmentCompiler().compile(assignment, facts: NodeFacts())

        #expect(
            Plan(from: before.host, to: after.host).description == """
                route replace 10.0.1.247 via 100.64.1.44 dev cw-vxlan table 213 onlink
                route replace fd12:3456:789a:1::247 via fd12:3456:789a::1:12c dev cw-vxlan table 213 onlink
                """)
    }

    @Test func `peers of the other family are left out`() {
        var assignment = Self.assignment()
        assignment.peers[1].dataAddress = IPAddress("2001:db8::7")!
        let desired = AssignmentCompiler().compile(assignment, facts: NodeFacts())

        #expect(desired.host.forwarding.count == 1)
        #expect(!desired.host.rules.contains { $0.table == 2_130_300 })
    }

    @Test func `Linux would take the plan from nothing to two nodes, and back to one`() async throws {
        let kernel = FakeKernel()
        let alone = AssignmentCompiler().compile(Shop.assignment(), facts: NodeFacts()).host
        for state in [desired.host, alone, desired.host, KernelState()] {
            let plan = Plan(from: await kernel.state, to: state)
            for step in plan.steps { try await kernel.take(step) }
            #expect(Plan(from: await kernel.state, to: state).isEmpty)
        }
    }
}
