import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

/// What the IP stack does by itself, without any rule.
@Suite struct StackTests {
    @Test(arguments: ["net.ipv4.conf.all.rp_filter", "net.ipv4.conf.eth0.rp_filter"])
    func `a strict reverse path filter of either all or the link drops`(name: String) throws {
        var host = demo()
        host.host.sysctls[name] = "1"

        let trace = try host.inventory.send("10.0.1.20", "192.0.2.2", 22)

        #expect(trace.verdict.reason == .reversePathFilter)
        #expect(
            trace.verdict.text == "rp_filter is 1 on eth0 and the route back to 10.0.1.20 leaves by cw-client1xxx")
    }

    @Test func `a loose reverse path filter lets any routable source in`() throws {
        var host = demo()
        host.host.sysctls["net.ipv4.conf.all.rp_filter"] = "1"
        host.host.sysctls["net.ipv4.conf.eth0.rp_filter"] = "2"

        #expect(try host.inventory.send("10.0.1.20", "192.0.2.2", 22).verdict.reason == .noSocket)
    }

    @Test(arguments: [
        ("192.0.2.2", DropReason.localSource), ("127.0.0.1", .loopbackOutside), ("224.0.0.1", .invalidSource),
    ])
    func `martian sources are dropped`(source: String, reason: DropReason) throws {
        #expect(try demo().inventory.send(source, "192.0.2.2", 22).verdict.reason == reason)
    }

    @Test func `nothing is forwarded when forwarding is off`() throws {
        var host = demo()
        host.host.sysctls["net.ipv4.ip_forward"] = "0"

        let trace = try host.inventory.ask(Question(target: "web:8080"))

        #expect(trace.verdict.reason == .notForwarding)
        #expect(trace.verdict.text.contains("net.ipv4.ip_forward is 0"))
    }

    @Test func `forwarding that the inventory does not know makes the answer uncertain`() throws {
        var host = demo()
        host.host.sysctls = [:]

        let trace = try host.inventory.ask(Question(target: "web:8080"))

        #expect(!trace.isCertain)
        #expect(trace.verdict.outcome == .delivered)
        #expect(trace.verdict.uncertain == ["net.ipv4.ip_forward is not known"])
    }

    @Test(arguments: [
        (Rtnl.Route.Kind.blackhole, Verdict.Outcome.dropped), (.unreachable, .refused), (.prohibit, .refused),
    ])
    func `routes that lead nowhere end the path`(kind: Rtnl.Route.Kind, outcome: Verdict.Outcome) throws {
        var host = demo()
        host.host.routes.append(Rtnl.Route(kind: kind, destination: CIDR("10.0.1.0/24")!, metric: 0))
        host.host.routes.removeAll { $0.destination == CIDR("10.0.1.5/32") }

        let trace = try host.inventory.send("203.0.113.9", "10.0.1.5", 80)

        #expect(trace.verdict.outcome == outcome)
        #expect(trace.verdict.text == (kind == .unreachable ? "an" : "a") + " \(kind.rawValue) route covers 10.0.1.5")
    }

    @Test func `policy rules choose the table by the mark`() throws {
        var host = Host()
        host.host.rules = [
            NamespaceState.PolicyRule(family: .ip, priority: 0, table: 255),
            NamespaceState.PolicyRule(family: .ip, priority: 10, mark: 7, markMask: 0xff, table: 100),
            NamespaceState.PolicyRule(family: .ip, priority: 32766, table: 254),
        ]
        host.host.routes.append(Rtnl.Route(kind: .prohibit, destination: CIDR("0.0.0.0/0")!, table: 100))

        let routing = Routing(host.host)
        let target = IPAddress("198.51.100.1")!
        #expect(routing.decide(RouteQuery(destination: target)).route?.link == "eth0")
        #expect(routing.decide(RouteQuery(destination: target, mark: 0x107)).kind == .prohibit)
    }

    @Test func `the longest prefix wins, then the lowest metric`() {
        var space = NamespaceState(name: "host", path: "", inode: 1)
        func route(_ to: String, _ link: String, _ metric: UInt32 = 0) -> Rtnl.Route {
            Rtnl.Route(destination: CIDR(to)!, link: link, metric: metric)
        }
        space.routes = [
            route("10.0.0.0/8", "a"), route("10.1.0.0/16", "b", 20), route("10.1.0.0/16", "c", 10),
            route("0.0.0.0/0", "d"),
        ]
        let routing = Routing(space)
        func link(_ text: String) -> String? { routing.decide(RouteQuery(destination: IPAddress(text)!)).route?.link }

        #expect(link("10.1.2.3") == "c")
        #expect(link("10.2.2.3") == "a")
        #expect(link("9.9.9.9") == "d")
    }

    @Test func `a stale neighbour entry sends the frame to nobody`() throws {
        var host = demo()
        host.host.neighbors[0].neighbor.address = MACAddress("02:00:00:00:09:09")!

        let trace = try host.inventory.send("203.0.113.9", "192.0.2.2", 8080)

        #expect(trace.verdict.reason == .otherHost)
        #expect(trace.verdict.place.title == "web.1")
    }

    @Test func `an address that nobody answers for is a neighbour that fails`() throws {
        var host = demo()
        host.host.neighbors = []
        host.tasks[0].addresses = []

        let trace = try host.inventory.send("203.0.113.9", "192.0.2.2", 8080)

        #expect(trace.verdict.reason == .neighborFailed)
        #expect(trace.verdict.text == "nobody answers for 10.0.0.5 on cw-web1xxxxxx")
    }

    @Test func `a link that is down gives the packet up`() throws {
        var host = demo()
        host.tasks[0].links[1].link.isUp = false

        #expect(try host.inventory.send("203.0.113.9", "192.0.2.2", 8080).verdict.reason == .deviceNotReady)
    }

    @Test func `a socket on IPv6 alone does not take IPv4`() throws {
        var host = demo()
        host.tasks[0].sockets[0].isV6Only = true

        #expect(try host.inventory.send("203.0.113.9", "192.0.2.2", 8080).verdict.reason == .noSocket)
    }

    @Test func `a container behind a bridge is reached by Docker's rules`() throws {
        let trace = try dockerHost().ask(Question(target: "app:8081"), isReturning: true)

        #expect(trace.outward.verdict.place.title == "app")
        #expect(trace.counts.bridges == 1)
        #expect(trace.outward.hops.first { $0.stage.kind == .bridge }?.action == "to port veth1")
        #expect(trace.reply?.verdict.text == "leaves eth0 as 192.0.2.2:8081 > 203.0.113.9:40000 tcp")
    }

    private func dockerHost() -> Inventory {
        var host = Host()
        host.addLink(&host.host, 3, "docker0", .bridge, mac: "02:42:00:00:00:01")
        host.addLink(
            &host.host, 4, "veth1", .veth(peer: "eth0", namespace: ""), peer: (2, 50), controller: "docker0")
        host.host.addresses.append(host.address("docker0", "172.17.0.1/16"))
        host.host.routes.append(host.route("172.17.0.0/16", "docker0"))
        host.host.iptables = [
            IPTables.Table(
                family: .ip, name: "nat",
                chains: [
                    IPTables.Chain(
                        name: "PREROUTING", policy: "ACCEPT",
                        rules: [
                            IPTables.Rule(
                                text: "-m addrtype --dst-type LOCAL -j DOCKER", matches: [.destinationType("LOCAL")],
                                target: .jump("DOCKER"))
                        ]),
                    IPTables.Chain(
                        name: "DOCKER",
                        rules: [
                            IPTables.Rule(
                                text: "! -i docker0 -p tcp --dport 8081 -j DNAT --to-destination 172.17.0.2:80",
                                matches: [.not(.incoming("docker0")), .protocol(6), .destinationPort(8081...8081)],
                                target: .dnat(
                                    addresses: IPAddress("172.17.0.2")!...IPAddress("172.17.0.2")!, ports: 80...80))
                        ]),
                ])
        ]
        var app = NamespaceState(name: "app", path: "", inode: 50)
        host.addLink(&app, 2, "eth0", .vethPeer, mac: "02:42:ac:11:00:02", peer: (4, 1))
        app.addresses = [host.address("eth0", "172.17.0.2/16")]
        app.routes = [host.route("0.0.0.0/0", "eth0", via: "172.17.0.1"), host.route("172.17.0.0/16", "eth0")]
        app.sockets = [
            NamespaceState.Socket(protocol: .tcp, address: IPAddress("0.0.0.0")!, port: 80, processName: "app")
        ]
        host.tasks = [app]
        host.owners = [Inventory.Owner(containerID: "c", containerName: "app", namespaceInode: 50)]
        return host.inventory
    }
}
