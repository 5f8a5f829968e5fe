import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

/// The way of the ICMP error back to the one who is refused: he hears it, or waits.
@Suite struct RefusalWayTests {
    /// A stranger's table that refuses UDP on its way, and drops what `lost` matches on its way out of the host.
    private func host(lost: [Nft.Expression]? = nil) -> Host {
        var host = demo()
        let isUDP = Nft.Expression.match(.meta("l4proto"), .equal, .value(.name("udp")))
        var chains = [
            Nft.Chain(
                name: "cut", base: .init(.filter, .forward, priority: -10),
                rules: [Nft.Rule([isUDP, .reject(.icmp("icmpx", code: "admin-prohibited"))])])
        ]
        if let lost {
            chains.append(
                Nft.Chain(
                    name: "quiet", base: .init(.filter, .output, priority: 0),
                    rules: [Nft.Rule(lost + [.verdict(.drop)], comment: "no errors")]))
        }
        host.host.tables.append(Nft.Table(family: .inet, name: "stranger", sets: [], chains: chains))
        return host
    }

    private func ask(_ host: Host, isReturning: Bool = true) throws -> Trace {
        try host.inventory.ask(
            Question(target: "web:80", from: "task:client.1", transport: .udp), isReturning: isReturning)
    }

    @Test func `an error about a packet to a virtual address comes from there, and reaches the socket`() throws {
        let trace = try ask(host())

        #expect(trace.verdict.outcome == .refused)
        #expect(trace.verdict.answer == "icmpx admin-prohibited")
        let refusal = try #require(trace.refusal)
        #expect(refusal.verdict.outcome == .delivered)
        #expect(refusal.verdict.place.title == "client.1")
        #expect((refusal.packet.icmpType, refusal.packet.icmpCode) == (3, 13))
        // Source and inner destination are again what the client knows.
        #expect(refusal.hops.last?.packet.source == IPAddress("10.0.1.2"))
        let translated = refusal.hops.first { $0.stage.kind == .conntrack }
        #expect(translated?.action == "source 10.0.1.2, and inside to 10.0.1.2:80")
        #expect(TextRenderer().render(trace).contains("the refusal"))
    }

    @Test(arguments: [("tcp", true), ("icmp", false)])
    func `a part of a key that is not known leaves a doubt only where the others fit`(name: String, isSure: Bool) throws
    {
        var host = host()
        let key: Nft.Operand = .concatenation([.payload("ip", "daddr"), .meta("l4proto"), .payload("th", "dport")])
        let element = Nft.Element(
            key: [.address(IPAddress("10.0.1.20")!), .name(name), .number(80)])
        host.host.tables.append(
            Nft.Table(
                family: .inet, name: "listed",
                sets: [
                    Nft.Set(name: "s", key: [.ipv4Address, .inetProtocol, .inetService], elements: [element])
                ],
                chains: [
                    Nft.Chain(
                        name: "out", base: .init(.filter, .output, priority: 0),
                        rules: [Nft.Rule([.match(key, .equal, .value(.set("s"))), .verdict(.drop)])])
                ]))

        let refusal = try #require(try ask(host).refusal)

        #expect(refusal.verdict.uncertain.isEmpty == isSure)
        #expect(refusal.verdict.outcome == .delivered)
    }

    @Test(arguments: [true, false])
    func `an error that a rule drops is silence, and by whom is said`(isReturning: Bool) throws {
        let related = Nft.Expression.match(.ct("state"), .in, .value(.name("related")))
        let translated = Nft.Expression.match(.ct("status"), .in, .value(.name("dnat")))
        let back = Nft.Expression.match(.ct("direction"), .equal, .value(.name("reply")))
        let error = Nft.Expression.match(.payload("icmp", "code"), .equal, .value(.number(13)))

        let trace = try ask(host(lost: [related, translated, back, error]), isReturning: isReturning)

        #expect(trace.verdict.outcome == .refused)
        #expect(trace.verdict.answer == nil)
        #expect(
            trace.remarks == [
                "the sender is not told, and waits: the refusal itself is dropped in host node-a, by inet stranger, "
                    + "chain quiet: \"no errors\" ct state related ct status dnat ct direction reply icmp code 13 drop"
            ])
        #expect((trace.refusal != nil) == isReturning)
    }

    @Test(arguments: [true, false])
    func `a reset that a rule drops is silence too`(isReturning: Bool) throws {
        var host = demo()
        for index in host.tasks.indices { host.tasks[index].sockets = [] }
        let reset = Nft.Expression.match(.payload("tcp", "flags"), .in, .value(.name("rst")))
        host.host.tables.append(
            Nft.Table(
                family: .inet, name: "stranger", sets: [],
                chains: [
                    Nft.Chain(
                        name: "quiet", base: .init(.filter, .forward, priority: 10),
                        rules: [Nft.Rule([reset, .verdict(.drop)])])
                ]))

        let trace = try host.inventory.ask(
            Question(target: "web:80", from: "task:client.1"), isReturning: isReturning)

        #expect(trace.verdict.outcome == .refused)
        #expect(trace.verdict.answer == nil)
        #expect(trace.remarks.first?.contains("is dropped in host node-a, by inet stranger, chain quiet") == true)
        #expect((trace.reply != nil) == isReturning)
    }

    @Test func `a closed port of a task is told by the task's own kernel, with the address that was asked`() throws {
        var host = demo()
        for index in host.tasks.indices { host.tasks[index].sockets = [] }

        let trace = try ask(host)

        #expect(trace.verdict.answer == "icmp port-unreachable")
        #expect(trace.refusal?.verdict.outcome == .delivered)
        #expect(trace.refusal?.hops.last?.packet.source == IPAddress("10.0.1.2"))
        #expect(trace.refusal?.hops.first?.place.kind == .task)
    }

    @Test func `an error to somebody outside leaves as he expects it, about the packet that he sent`() throws {
        let trace = try host().inventory.ask(
            Question(target: "web:8080", transport: .udp), isReturning: true)

        #expect(trace.verdict.answer == "icmpx admin-prohibited")
        #expect(trace.refusal?.verdict.outcome == .sent)
    }

    @Test func `an error that belongs to nothing here is invalid`() throws {
        var host = host()
        host.host.tables.append(
            Nft.Table(
                family: .inet, name: "untracked", sets: [],
                chains: [
                    Nft.Chain(
                        name: "raw", base: .init(.filter, .prerouting, priority: -300),
                        rules: [
                            Nft.Rule([.match(.meta("l4proto"), .equal, .value(.name("udp"))), .notrack])
                        ]),
                    Nft.Chain(
                        name: "out", base: .init(.filter, .output, priority: 0),
                        rules: [
                            Nft.Rule([.match(.ct("state"), .in, .value(.name("invalid"))), .verdict(.drop)])
                        ]),
                ]))
        host.virtual = []

        let trace = try host.inventory.ask(
            Question(target: "web.1:80", from: "task:client.1", transport: .udp), isReturning: true)

        #expect(trace.refusal?.verdict.outcome == .dropped)
        #expect(trace.refusal?.verdict.text.contains("ct state invalid drop") == true)
    }

    @Test(
        arguments: [
            ("icmp port-unreachable", IPFamily.ip, (3, 3)), ("icmpx port-unreachable", .ip6, (1, 4)),
            ("icmp frag-needed (MTU 1400)", .ip, (3, 4)), ("icmpv6 packet-too-big (MTU 1400)", .ip6, (2, 0)),
            ("icmp net-unreachable", .ip6, (1, 0)), ("icmp time-exceeded", .ip, (11, 0)),
        ] as [(String, IPFamily, (UInt8, UInt8))])
    func `errors have the numbers of their family`(answer: String, family: IPFamily, numbers: (UInt8, UInt8)) {
        let error = ICMPError(answer: answer, family)
        #expect(error?.type == numbers.0 && error?.code == numbers.1)
    }

    @Test func `what is no error of ICMP is none`() {
        for answer in ["tcp reset", "network is unreachable (ENETUNREACH)", "message too long (EMSGSIZE)", "icmp"] {
            #expect(ICMPError(answer: answer, .ip) == nil)
        }
    }
}
