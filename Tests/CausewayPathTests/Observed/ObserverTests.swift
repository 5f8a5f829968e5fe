import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

/// A router that translates a port, as the kernel would tell of it.
private struct Script {
    static let namespace: UInt64 = 7
    var sightings: [Sighting] = []
    var time: UInt64 = 1_000_000

    let client = Packet(.tcp, from: IPAddress("10.1.1.2")!, 40_000, to: IPAddress("10.1.1.1")!, 8080)
    var translated: Packet {
        var other = client
        (other.destination, other.destinationPort) = (IPAddress("10.2.1.2")!, 80)
        return other
    }

    static var inventory: Inventory {
        var space = NamespaceState(name: "router", path: "/run/netns/router", inode: namespace)
        for (index, name) in [(2, "r0"), (3, "r1")] {
            space.links.append(
                NamespaceState.Link(index: UInt32(index), link: Rtnl.Link(name: name, kind: .other("dummy0"))))
        }
        for (link, text) in [("r0", "10.1.1"), ("r1", "10.2.1")] {
            space.addresses.append(Rtnl.Address(link: link, address: CIDR("\(text).1/24")!))
            space.routes.append(Rtnl.Route(destination: CIDR("\(text).0/24")!, link: link))
        }
        space.routes.append(
            Rtnl.Route(kind: .local, destination: CIDR(host: IPAddress("10.1.1.1")!), link: "r0", table: 255))
        space.sysctls = ["net.ipv4.ip_forward": "1"]
        let port = Nft.Expression.match(.payload("tcp", "dport"), .equal, .value(.number(8080)))
        let dnat = Nft.Expression.dnat(
            Nft.NAT(
                family: .ip, address: .value(.address(IPAddress("10.2.1.2")!)), port: .value(.number(80))))
        space.tables = [
            Nft.Table(
                family: .inet, name: "shop",
                chains: [
                    Nft.Chain(
                        name: "pre", base: .init(.nat, .prerouting, priority: -100),
                        rules: [Nft.Rule([port, .counter(), dnat], comment: "the shop")]),
                    Nft.Chain(
                        name: "filter", base: .init(.filter, .forward, priority: 0),
                        rules: [Nft.Rule([.counter()]), Nft.Rule([.verdict(.drop)])]),
                ])
        ]
        return Inventory(hostname: "router", machine: "boot", takenAt: Timestamp(seconds: 0), namespaces: [space])
    }

    static var handles: RuleHandles {
        var handles = RuleHandles()
        func chain(_ name: String) -> RuleHandles.Chain {
            RuleHandles.Chain(namespace: namespace, family: .inet, table: "shop", name: name)
        }
        handles.handles = [chain("pre"): [4], chain("filter"): [7, 9]]
        return handles
    }

    func seen(_ packet: Packet) -> SeenPacket { SeenPacket(packet, .tcp(sequence: 5, acknowledged: 0, flags: 2)) }

    mutating func device(_ event: Sighting.Event, _ packet: Packet) { device(event, seen(packet)) }

    mutating func device(_ event: Sighting.Event, _ packet: SeenPacket) {
        time += 1_000
        sightings.append(Sighting(namespace: Self.namespace, time: time, event, packet: packet))
    }

    mutating func chain(
        _ table: String, _ chain: String, _ kind: Sighting.ChainEvent.Kind, _ verdict: Sighting.ChainEvent.Verdict,
        _ packet: Packet? = nil, out: UInt32? = nil
    ) {
        time += 1_000
        let event = Sighting.ChainEvent(
            trace: 1, family: .inet, table: table, chain: chain, kind: kind, verdict: verdict,
            incoming: packet == nil ? nil : 2, outgoing: out)
        sightings.append(
            Sighting(namespace: Self.namespace, time: time + 50_000, .chain(event), packet: packet.map { seen($0) }))
    }

    mutating func arrive() {
        device(.received(link: 2), client)
        chain(TraceTable.name, "prerouting_first", .rule(handle: 1), .continue, client)
        chain(TraceTable.name, "prerouting_first", .policy, .accept)
        chain("shop", "pre", .rule(handle: 4), .accept, client)
        chain(TraceTable.name, "prerouting_last", .policy, .accept, translated)
        chain(TraceTable.name, "forward_first", .policy, .accept, translated, out: 3)
    }

    func observe(_ inventory: Inventory = Self.inventory) throws -> [Observation] {
        let tracer = try PathTracer([inventory])
        return Observer(tracer, rules: Self.handles, machine: "boot", tunnelPorts: [], seesDevices: true)
            .observations(of: sightings)
    }
}

struct ObserverTests {
    @Test func `rules, translation and times are put into one list, and agree with the walk`() throws {
        var script = Script()
        script.arrive()
        script.chain("shop", "filter", .rule(handle: 7), .continue, script.translated, out: 3)
        script.chain("shop", "filter", .rule(handle: 9), .drop)
        script.device(.dropped(reason: "NETFILTER_DROP", function: "nft_do_chain"), script.translated)

        let seen = try #require(try script.observe().first)
        let hops = seen.observed.outward.hops
        #expect(hops.map(\.stage.kind) == [.deviceIn, .chain, .chain])
        #expect(hops.map(\.nanoseconds) == [0, nil, nil])
        #expect(hops[1].action == "dnat to 10.2.1.2:80")
        #expect(hops[1].rules.map(\.comment) == ["the shop"])
        // What only counts is no rule that acted.
        #expect(hops[2].rules.map(\.text) == ["drop"])
        let verdict = seen.observed.outward.verdict
        #expect(verdict.outcome == .dropped && verdict.reason == .netfilter)
        #expect(verdict.text == "by inet shop, chain filter: drop")
        #expect(seen.comparison.agrees, "\(ObservationRenderer().render(seen, number: 1, of: 1))")
        #expect(seen.comparison.rows.contains { $0.kind == .unseen && $0.predicted?.stage.kind == .route })
    }

    @Test func `a rule that nobody predicted is the first difference`() throws {
        var script = Script()
        script.arrive()
        script.chain("shop", "filter", .rule(handle: 7), .continue, script.translated, out: 3)
        // Made after the inventory was read.
        script.chain("shop", "filter", .rule(handle: 12), .accept)
        script.chain(TraceTable.name, "postrouting_last", .policy, .accept, script.translated, out: 3)
        script.device(.sent(link: 3), script.translated)

        let seen = try #require(try script.observe().first)
        let at = try #require(seen.comparison.firstDifference)
        #expect((seen.comparison.rows[at].observed ?? seen.comparison.rows[at].predicted)?.stage.name == "filter")
        let rules = seen.observed.outward.hops.flatMap(\.rules).map(\.text)
        #expect(rules.contains { $0.contains("handle 12") && $0.contains("nft -a list chain inet shop filter") })
        #expect(seen.observed.outward.verdict.outcome == .sent)
        #expect(seen.comparison.endsDiffer != nil)
        for line in ObservationRenderer(isASCII: true).render(seen, number: 1, of: 1).split(separator: "\n") {
            #expect(line.count <= 100 && line.allSatisfy(\.isASCII), "\(line)")
        }
    }

    @Test func `a packet that is sent again is another one`() throws {
        var script = Script()
        for _ in 0..<2 {
            script.arrive()
            script.chain("shop", "filter", .rule(handle: 9), .drop, script.translated, out: 3)
            script.time += 1_000_000_000
        }
        let seen = try script.observe()
        #expect(seen.count == 2)
        #expect(seen.allSatisfy { $0.observed.outward.hops.count == 3 })
    }

    @Test func `what vanishes is said to have vanished, not to be well`() throws {
        var script = Script()
        script.arrive()
        let seen = try #require(try script.observe().first)
        #expect(seen.observed.outward.verdict.outcome == .dropped)
        #expect(!seen.observed.isCertain)
    }

    @Test func `a reason of the kernel's is the end`() throws {
        var script = Script()
        script.arrive()
        script.device(.dropped(reason: "QDISC_DROP", function: "__dev_queue_xmit"), script.translated)
        let verdict = try #require(try script.observe().first).observed.outward.verdict
        #expect(verdict.text == "given up by the kernel in __dev_queue_xmit: QDISC_DROP")
    }

    @Test func `nobody answers a reset that no socket takes`() throws {
        var script = Script()
        let noSocket = Sighting.Event.dropped(reason: "NO_SOCKET", function: "tcp_v4_rcv")
        var reset = script.client.reply
        reset.flags = [.rst, .ack]
        let answer = SeenPacket(reset, .tcp(sequence: 0, acknowledged: 6, flags: 0x14))
        script.device(.received(link: 2), script.client)
        script.device(noSocket, script.client)
        script.device(.sent(link: 2), answer)
        script.device(noSocket, answer)

        let observed = try #require(try script.observe().first).observed
        #expect(observed.outward.verdict.outcome == .refused && observed.outward.verdict.answer == "tcp reset")
        let end = try #require(observed.reply).verdict
        #expect(end.outcome == .dropped && end.reason == .noSocket && end.answer == nil)
    }

    @Test func `a copy that is given up on the way is not the packet's end`() throws {
        var script = Script()
        script.device(.dropped(reason: "OTHERHOST", function: "ip_rcv_core"), script.client)
        script.arrive()
        script.chain("shop", "filter", .rule(handle: 9), .drop, script.translated, out: 3)
        let verdict = try #require(try script.observe().first).observed.outward.verdict
        #expect(verdict.reason == .netfilter)
    }
}
