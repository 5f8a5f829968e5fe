import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

/// Rules, one at a time, against one packet that comes in by eth0: 203.0.113.9:40000 > 192.0.2.2:22.
@Suite struct NetfilterTests {
    private func run(_ rules: [Nft.Rule], sets: [Nft.Set] = [], chains: [Nft.Chain] = []) throws -> Trace {
        var host = Host()
        let base = Nft.Chain(name: "c", base: .init(.filter, .input, priority: 0), rules: rules)
        host.host.tables = [Nft.Table(family: .inet, name: "t", sets: sets, chains: [base] + chains)]
        host.host.sockets = [NamespaceState.Socket(protocol: .tcp, address: IPAddress("0.0.0.0")!, port: 22)]
        return try host.inventory.send("203.0.113.9", "192.0.2.2", 22)
    }

    private func drops(_ operand: Nft.Operand, _ comparison: Nft.Comparison, _ value: Nft.Value) throws -> Bool {
        let trace = try run([Nft.Rule([.match(operand, comparison, .value(value)), .verdict(.drop)])])
        #expect(trace.isCertain)
        return trace.verdict.outcome == .dropped
    }

    @Test func `matches compare as nft does`() throws {
        #expect(try drops(.payload("ip", "saddr"), .equal, .prefix(CIDR("203.0.113.0/24")!)))
        #expect(try !drops(.payload("ip", "saddr"), .notEqual, .prefix(CIDR("203.0.113.0/24")!)))
        #expect(try !drops(.payload("ip6", "saddr"), .notEqual, .prefix(CIDR("fd00::/8")!)))
        #expect(try drops(.payload("tcp", "dport"), .equal, .range(.number(20), .number(25))))
        #expect(try drops(.payload("th", "dport"), .equal, .anonymousSet([.number(80), .number(22)])))
        #expect(try !drops(.payload("udp", "dport"), .equal, .number(22)))
        #expect(try drops(.payload("tcp", "sport"), .greater, .number(1023)))
        #expect(try drops(.meta("iifname"), .equal, .name("eth*")))
        #expect(try !drops(.meta("iifname"), .equal, .name("cw-*")))
        #expect(try drops(.meta("l4proto"), .equal, .name("tcp")))
        #expect(try drops(.meta("nfproto"), .equal, .name("ipv4")))
        #expect(try drops(.ct("state"), .in, .anonymousSet([.name("new"), .name("related")])))
        #expect(try !drops(.ct("state"), .in, .name("established")))
        #expect(try drops(.ct("daddr", direction: "original", family: .ip), .equal, .address(IPAddress("192.0.2.2")!)))
        #expect(try drops(.fib(["daddr"], "type"), .equal, .name("local")))
        #expect(try !drops(.fib(["saddr"], "type"), .equal, .name("local")))
    }

    @Test func `flags are compared bit by bit`() throws {
        let masked = Nft.Operand.binary(
            "&", .payload("tcp", "flags"), .value(.anonymousSet([.name("syn"), .name("ack")])))
        #expect(try drops(masked, .equal, .name("syn")))
        #expect(try !drops(masked, .equal, .name("ack")))
    }

    @Test func `concatenations are looked up in sets with intervals`() throws {
        let set = Nft.Set(
            name: "s", key: [.ipv4Address, .inetService], flags: ["interval"],
            elements: [
                Nft.Element(key: [.prefix(CIDR("198.51.100.0/24")!), .number(22)]),
                Nft.Element(key: [.prefix(CIDR("203.0.113.0/24")!), .range(.number(20), .number(30))]),
            ])
        let rule = Nft.Rule([
            .match(
                .concatenation([.payload("ip", "saddr"), .payload("tcp", "dport")]), .equal, .value(.set("s"))),
            .verdict(.drop),
        ])

        #expect(try run([rule], sets: [set]).verdict.reason == .netfilter)
    }

    @Test func `accept ends its chain, not the hook; drop ends all`() throws {
        var host = Host()
        func chain(_ name: String, _ priority: Int32, _ verdict: Nft.Verdict) -> Nft.Chain {
            Nft.Chain(
                name: name, base: .init(.filter, .input, priority: priority), rules: [Nft.Rule([.verdict(verdict)])])
        }
        host.host.tables = [
            Nft.Table(family: .inet, name: "t", chains: [chain("second", 10, .drop), chain("first", -10, .accept)])
        ]

        let trace = try host.inventory.send("203.0.113.9", "192.0.2.2", 22)

        #expect(
            trace.outward.hops.compactMap { $0.stage.kind == .chain ? $0.action : nil }.suffix(2) == ["accept", "drop"])
        #expect(trace.verdict.text == "by inet t, chain second: drop")
    }

    @Test func `verdict maps jump, and return comes back`() throws {
        let jump = Nft.Rule([
            .verdictMap(
                key: .payload("tcp", "dport"),
                in: .anonymousMap([
                    Nft.Element(key: [.number(80)], verdict: .drop),
                    Nft.Element(key: [.number(22)], verdict: .jump("ssh")),
                ]))
        ])
        let ssh = Nft.Chain(name: "ssh", rules: [Nft.Rule([.verdict(.return)]), Nft.Rule([.verdict(.accept)])])

        let trace = try run([jump, Nft.Rule([.verdict(.drop)], comment: "last")], chains: [ssh])

        #expect(trace.verdict.text == "by inet t, chain c: \"last\" drop")
    }

    @Test func `marks are worked out bit by bit`() throws {
        let set = Nft.Expression.set(
            .meta("mark"),
            to: .binary("|", .binary("&", .meta("mark"), .value(.number(0xff00))), .value(.number(0x12))))
        let match = Nft.Expression.match(.meta("mark"), .equal, .value(.number(0x12)))

        #expect(try run([Nft.Rule([set]), Nft.Rule([match, .verdict(.drop)])]).verdict.reason == .netfilter)
    }

    @Test func `what is not understood is said, and the walk goes on`() throws {
        let trace = try run([Nft.Rule([.unknown("frobnicate 3"), .verdict(.drop)])])

        #expect(trace.verdict.outcome == .delivered)
        #expect(trace.verdict.uncertain == ["frobnicate 3 drop (not understood: frobnicate 3)"])
        #expect("\(trace.verdict)".hasPrefix("uncertain, probably delivered: "))
    }

    @Test func `what is not understood does not matter where the rule cannot match`() throws {
        let other = Nft.Expression.match(.payload("tcp", "dport"), .equal, .value(.number(80)))

        #expect(try run([Nft.Rule([.xt(kind: "match", name: "string"), other, .verdict(.drop)])]).isCertain)
        #expect(try run([Nft.Rule([.xt(kind: "match", name: "string"), .counter()])]).isCertain)
        #expect(try !run([Nft.Rule([.xt(kind: "match", name: "string"), .verdict(.drop)])]).isCertain)
    }

    @Test func `an unknown match of iptables is said with its rule`() throws {
        var host = demo()
        host.host.iptables[0].chains[1].rules.insert(
            IPTables.Rule(
                text: "-m string --string x -j DROP", matches: [.unknown("-m string --string x")], target: .drop),
            at: 0)

        let trace = try host.inventory.ask(Question(target: "web:8080"))

        #expect(trace.verdict.outcome == .delivered)
        #expect(
            trace.verdict.uncertain == ["-m string --string x -j DROP (not understood: -m string --string x)"])
    }

    @Test func `a balancer in a verdict map gives a branch for each chain`() throws {
        let rule = Nft.Rule([
            .verdictMap(
                key: .numgen(random: true, modulus: 4),
                in: .anonymousMap([
                    Nft.Element(key: [.number(0)], verdict: .goto("a")),
                    Nft.Element(key: [.range(.number(1), .number(3))], verdict: .goto("b")),
                ]))
        ])
        let chains = [
            Nft.Chain(name: "a", rules: [Nft.Rule([.verdict(.accept)])]),
            Nft.Chain(name: "b", rules: [Nft.Rule([.verdict(.drop)])]),
        ]

        let trace = try run([rule], chains: chains)

        #expect(trace.candidates.map { "\($0.target) \($0.share)" } == ["a 1/4", "b 3/4"])
        #expect(trace.verdict.outcome == .delivered)
    }

    @Test func `jumps in a circle end`() throws {
        let chains = [Nft.Chain(name: "a", rules: [Nft.Rule([.verdict(.jump("a"))])])]

        #expect(try !run([Nft.Rule([.verdict(.jump("a"))])], chains: chains).isCertain)
    }
}
