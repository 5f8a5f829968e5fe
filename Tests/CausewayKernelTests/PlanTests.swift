import CausewayKernel
import CausewayModel
import Foundation
import Testing

@Suite struct PlanLawTests {
    @Test(arguments: UInt64(1)...200)
    func `taking a plan's steps from one state gives exactly the other`(seed: UInt64) async throws {
        var random = RandomStates(generator: SeededGenerator(seed: seed), hasSandboxes: seed % 2 == 0)
        let a = random.state()
        let b = random.state()
        let kernel = FakeKernel(a)
        let plan = Plan(from: a, to: b)
        for step in plan.steps {
            do {
                try await kernel.take(step)
            } catch {
                Issue.record("seed \(seed): \(error)\nin the plan\n\(plan)")
                return
            }
        }
        let result = try await kernel.observe()
        #expect(result.normalised == b.normalised, "seed \(seed), by the plan\n\(plan)")
        #expect(Plan(from: result, to: b).isEmpty, "seed \(seed)")
        #expect(Plan(from: b, to: b).isEmpty, "seed \(seed)")
        #expect(Plan(from: a, to: a).isEmpty, "seed \(seed)")
    }

    @Test(arguments: UInt64(1)...20)
    func `equal states give equal plans, and a plan survives its own coding`(seed: UInt64) throws {
        var random = RandomStates(generator: SeededGenerator(seed: seed), hasSandboxes: seed % 2 == 0)
        let a = random.state()
        let b = random.state()
        let plan = Plan(from: a, to: b)
        #expect(Plan(from: a, to: b).description == plan.description, "seed \(seed)")
        #expect(try JSONDecoder().decode(Plan.self, from: JSONEncoder().encode(plan)) == plan, "seed \(seed)")
    }
}

@Suite struct PlanTests {
    private let veth = Rtnl.Link(
        name: "cw-a", kind: .veth(peer: "eth0", namespace: "cw-web.1.abc"),
        address: MACAddress(rawValue: 0x0242_0000_0001),
        mtu: 1500, alias: "task web.1")

    private var task: KernelState {
        KernelState(
            links: ["cw-a": veth], routes: [Rtnl.Route(destination: cidr("10.0.1.5/32"), link: "cw-a")],
            neighbors: [
                Rtnl.Neighbor(
                    link: "cw-a", destination: ip("10.0.1.5"),
                    address: MACAddress(derivedFrom: IPv4Address(rawValue: 5)))
            ],
            tables: [Sample.table],
            sysctls: ["net.ipv4.ip_forward": "1", "net.ipv4.conf.cw-a.rp_filter": "0"], forwardAccepts: [.ip])
    }

    @Test func `a plan reads like the operator's own commands`() {
        #expect(
            Plan(from: KernelState(), to: task).description == """
                sysctl net.ipv4.ip_forward=1
                link add cw-a type veth peer eth0 netns cw-web.1.abc address 02:42:00:00:00:01 mtu 1500 alias "task web.1" up
                sysctl net.ipv4.conf.cw-a.rp_filter=0
                neighbour add 10.0.1.5 lladdr 02:42:00:00:00:05 dev cw-a
                route add 10.0.1.5 dev cw-a
                forward accept add ip
                table replace inet causeway (5 sets, 5 elements, 4 chains, 5 rules)
                """)
        #expect(Plan(from: task, to: task).description == "")
    }

    @Test func `what is on a link goes with it`() {
        var rest = task
        rest.links = [:]
        rest.routes = []
        rest.neighbors = []
        rest.sysctls = ["net.ipv4.ip_forward": "1"]
        #expect(Plan(from: task, to: rest).description == "link delete cw-a")
        #expect(
            Plan(from: task, to: KernelState()).description == """
                link delete cw-a
                table delete inet causeway
                forward accept delete ip
                """)
    }

    @Test func `a link with another peer is made anew, with all that is on it`() {
        var other = task
        other.links["cw-a"]?.kind = .veth(peer: "eth0", namespace: "cw-web.1.def")
        #expect(
            Plan(from: task, to: other).description == """
                link delete cw-a
                link add cw-a type veth peer eth0 netns cw-web.1.def address 02:42:00:00:00:01 mtu 1500 alias "task web.1" up
                sysctl net.ipv4.conf.cw-a.rp_filter=0
                neighbour add 10.0.1.5 lladdr 02:42:00:00:00:05 dev cw-a
                route add 10.0.1.5 dev cw-a
                """)
    }

    @Test func `a link's own address is a change of the link, and its neighbours are told again`() {
        var other = task
        other.links["cw-a"]?.address = MACAddress(rawValue: 0x0242_0000_0002)
        other.links["cw-a"]?.mtu = nil
        #expect(
            Plan(from: task, to: other).description == """
                link set cw-a address 02:42:00:00:00:02
                neighbour add 10.0.1.5 lladdr 02:42:00:00:00:05 dev cw-a
                """)
    }

    @Test func `a link that goes down takes its routes with it`() {
        var down = task
        down.links["cw-a"]?.isUp = false
        down.routes = []
        down.neighbors = []
        #expect(Plan(from: task, to: down).description == "link set cw-a down")
        #expect(
            Plan(from: down, to: task).description == """
                link set cw-a up
                neighbour add 10.0.1.5 lladdr 02:42:00:00:00:05 dev cw-a
                route add 10.0.1.5 dev cw-a
                """)
    }

    @Test func `a new way is there before the old one is taken away`() {
        var other = task
        other.routes.insert(Rtnl.Route(destination: cidr("10.0.1.6/32"), link: "cw-a"))
        other.routes.remove(Rtnl.Route(destination: cidr("10.0.1.5/32"), link: "cw-a"))
        other.tables[0].sets[0].elements[1].data = [address("10.0.1.6"), .number(80)]
        #expect(
            Plan(from: task, to: other).description == """
                route add 10.0.1.6 dev cw-a
                element delete inet causeway published4 { tcp . 8080 . 1 : 10.0.0.6 . 80 }
                element add inet causeway published4 { tcp . 8080 . 1 : 10.0.1.6 . 80 }
                route delete 10.0.1.5 dev cw-a
                """)
    }

    @Test func `a route that changes is replaced, unless it waits for another one`() {
        var other = task
        other.routes = [Rtnl.Route(destination: cidr("10.0.1.5/32"), link: "cw-a", scope: .link)]
        #expect(
            Plan(from: task, to: other).description == """
                route replace 10.0.1.5 dev cw-a scope link
                """)
        other.routes = [
            Rtnl.Route(destination: cidr("10.0.1.5/32"), gateway: ip("10.0.1.7"), link: "cw-a"),
            Rtnl.Route(destination: cidr("10.0.1.7/32"), link: "cw-a"),
        ]
        #expect(
            Plan(from: task, to: other).description == """
                route delete 10.0.1.5 dev cw-a
                route add 10.0.1.7 dev cw-a
                route add 10.0.1.5 via 10.0.1.7 dev cw-a
                """)
    }

    @Test func `a table whose rules differ is replaced whole`() {
        var other = task
        other.tables[0].chains[0].rules[0].comment = "another"
        let plan = Plan(from: task, to: other)
        #expect(plan.steps == [.tableReplace(other.tables[0])])
        #expect(
            plan.steps.first?.nftCommands
                == "add table inet causeway\ndelete table inet causeway\n" + other.tables[0].text)
    }

    @Test func `another spelling of the same table is no change`() throws {
        var other = task
        other.tables[0].sets.reverse()
        other.tables[0].sets[1].elements[0].key[0] = .name("cw-0123456789")
        other.tables[0].chains[2].rules[1].expressions[0] = .match(
            .ct("state"), .equal, .value(.anonymousSet([.name("related"), .name("established")])))
        #expect(Plan(from: task, to: other).isEmpty)
        #expect(
            try Plan(
                from: KernelState(tables: Nft.Table.read(json: fixture("sample.nft.json"))),
                to: KernelState(tables: [Sample.table])
            ).isEmpty)
    }

    @Test func `many elements are counted, and sent in several commands`() throws {
        var other = task
        other.tables[0].sets[0].elements = (0..<2500).map {
            Nft.Element(key: [.name("tcp"), .number(8080), .number($0)], data: [address("10.0.0.5"), .number(80)])
        }
        let plan = Plan(from: task, to: other)
        #expect(
            plan.description == """
                element delete inet causeway published4 { tcp . 8080 . 1 : 10.0.0.6 . 80 }
                element add inet causeway published4 { tcp . 8080 . 1 : 10.0.0.5 . 80, tcp . 8080 . 2 : 10.0.0.5 . 80, \
                tcp . 8080 . 3 : 10.0.0.5 . 80, tcp . 8080 . 4 : 10.0.0.5 . 80, 2495 more }
                """)
        let lines = try #require(plan.steps.first?.nftCommands).split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines[0] == "delete element inet causeway published4 { tcp . 8080 . 1 }")
        #expect(lines[3].hasPrefix("add element inet causeway published4 { tcp . 8080 . 2001 : 10.0.0.5 . 80, "))
    }

    @Test func `the loopback is never deleted, and what a state does not name of sysctls stays`() {
        let loopback = KernelState(
            links: ["lo": Rtnl.Link(name: "lo", kind: .loopback)], sysctls: ["net.ipv4.ip_forward": "1"])
        #expect(Plan(from: loopback, to: KernelState()).isEmpty)
    }

    @Test func `a veth pair whose other end would meet another's waits until that is gone`() {
        var other = task
        other.links = ["cw-b": Rtnl.Link(name: "cw-b", kind: veth.kind)]
        other.routes = [Rtnl.Route(destination: cidr("10.0.1.5/32"), link: "cw-b")]
        other.neighbors = []
        other.sysctls = ["net.ipv4.ip_forward": "1"]
        #expect(
            Plan(from: task, to: other).description == """
                link delete cw-a
                link add cw-b type veth peer eth0 netns cw-web.1.abc up
                route add 10.0.1.5 dev cw-b
                """)
    }
}
