import CausewayKernel
import CausewayModel

/// Tables of the kind that the agent writes, in many spellings: all that the printer and the reader must agree on.
struct RandomTables {
    var generator: SeededGenerator

    mutating func table(named name: String, family: Nft.Family = .inet) -> Nft.Table {
        let all = catalogue
        let sets = all.filter { _ in generator.chance(60) }.map { filled($0) }
        let helper = Nft.Chain(
            name: "others", rules: (0..<Int.random(in: 0...3, using: &generator)).map { _ in rule(sets, in: nil) })
        let bases: [Nft.Chain.Base] = [
            .init(.filter, .prerouting, priority: -300), .init(.filter, .forward, priority: -5, policy: .drop),
            .init(.filter, .input, priority: 0), .init(.route, .output, priority: -150),
            .init(.filter, .postrouting, priority: -7),
        ]
        var chains = [helper]
        for (index, base) in bases.enumerated() where generator.chance(60) {
            let rules = (0..<Int.random(in: 0...8, using: &generator)).map { _ in rule(sets, in: base.hook) }
            chains.append(Nft.Chain(name: "chain\(index)", base: base, rules: rules))
        }
        if generator.chance(70) {
            let base = Nft.Chain.Base(.nat, .prerouting, priority: -100)
            chains.append(
                Nft.Chain(name: "nat", base: base, rules: (0..<5).compactMap { _ in translation(sets) }))
        }
        return Nft.Table(family: family, name: name, sets: sets, chains: chains)
    }

    /// The same table with other elements in some of its sets.
    mutating func changed(_ table: Nft.Table) -> Nft.Table {
        var table = table
        for index in table.sets.indices where generator.chance(60) {
            let other = filled(table.sets[index])
            let kept = table.sets[index].elements.filter { _ in generator.chance(60) }
            let keys = Set(kept.map(\.key))
            table.sets[index].elements = kept + other.elements.filter { !keys.contains($0.key) }
        }
        return table
    }

    // MARK: sets

    private var catalogue: [Nft.Set] {
        [
            Nft.Set(
                name: "published4", key: [.inetProtocol, .inetService, .integer], data: [.ipv4Address, .inetService]),
            Nft.Set(
                name: "published6", key: [.inetProtocol, .inetService, .integer], data: [.ipv6Address, .inetService]),
            Nft.Set(name: "vips4", key: [.ipv4Address, .integer], data: [.ipv4Address]),
            Nft.Set(name: "vips6", key: [.ipv6Address, .integer], data: [.ipv6Address]),
            Nft.Set(name: "ports", key: [.inetProtocol, .inetService]),
            Nft.Set(name: "node_of", key: [.etherAddress], data: [.zone]),
            Nft.Set(name: "mark_of", key: [.zone], data: [.mark]),
            Nft.Set(name: "sources4", key: [.interfaceName, .ipv4Address]),
            Nft.Set(name: "sources6", key: [.interfaceName, .ipv6Address]),
            Nft.Set(name: "targets4", key: [.ipv4Address, .inetProtocol, .inetService]),
            Nft.Set(name: "same4", key: [.ipv4Address, .ipv4Address], flags: ["interval"]),
            Nft.Set(name: "same6", key: [.ipv6Address, .ipv6Address], flags: ["interval"]),
            Nft.Set(name: "subnets4", key: [.ipv4Address], flags: ["interval"]),
            Nft.Set(name: "subnets6", key: [.ipv6Address], flags: ["interval"]),
            Nft.Set(name: "portranges", key: [.inetService], flags: ["interval"]),
            Nft.Set(name: "macs", key: [.etherAddress]),
            Nft.Set(name: "marks", key: [.ipv4Address], data: [.mark]),
            Nft.Set(name: "verdicts", key: [.interfaceName], data: [.verdict]),
            Nft.Set(name: "slots", key: [.ipv4Address, .integer], data: [.verdict]),
        ]
    }

    private mutating func filled(_ empty: Nft.Set) -> Nft.Set {
        var set = empty
        var known: Set<[Nft.Value]> = []
        set.elements = []
        for _ in 0..<Int.random(in: 0...12, using: &generator) {
            let isInterval = set.flags.contains("interval")
            let key: [Nft.Value]
            if isInterval, set.key.count == 2 {
                let value = value(of: set.key[0], isInterval: true)
                key = [value, value]
            } else {
                key = set.key.map { value(of: $0, isInterval: isInterval) }
            }
            guard known.insert(key).inserted else { continue }
            set.elements.append(element(key, set))
        }
        return set
    }

    private mutating func element(_ key: [Nft.Value], _ set: Nft.Set) -> Nft.Element {
        let comments = [
            nil, nil, "service web", "a \"quoted\" name", String(repeating: "long ä ", count: 30), "task web.1",
        ]
        let comment = generator.pick(comments)
        if set.data == [.verdict] {
            return Nft.Element(
                key: key, verdict: generator.pick([.accept, .drop, .jump("others"), .goto("others")]), comment: comment)
        }
        return Nft.Element(
            key: key, data: set.data.map { $0.map { value(of: $0, isInterval: false) } }, comment: comment)
    }

    private mutating func value(of type: Nft.DataType, isInterval: Bool) -> Nft.Value {
        let number = UInt64.random(in: 0...40, using: &generator)
        switch type {
        case .ipv4Address where isInterval:
            return generator.pick([
                prefix("10.\(number).0.0/16"), address("172.16.0.\(number)"), prefix("172.17.0.\(number)/32"),
                .range(address("172.18.\(number).0"), address("172.18.\(number).255")),
                .range(address("172.19.\(number).1"), address("172.19.\(number).9")),
            ])
        case .ipv6Address where isInterval:
            return generator.pick([
                prefix("fd00:\(number)::/64"), address("fd01::\(number)"), prefix("fd02::\(number)/128"),
                .range(address("fd03:\(number)::1"), address("fd03:\(number)::9")),
            ])
        case .inetService where isInterval:
            return generator.pick([.number(number), .range(.number(1000 + 20 * number), .number(1010 + 20 * number))])
        case .ipv4Address: return address("10.0.\(number % 3).\(number)")
        case .ipv6Address: return generator.pick([address("fd00::\(number)"), address("::ffff:10.0.0.\(number)")])
        case .etherAddress: return .name("02:42:0a:00:00:\(10 + number % 30)")
        case .inetProtocol: return .name(generator.pick(["tcp", "udp", "sctp"]))
        case .inetService: return .number(number * 1000 + 1)
        case .interfaceName: return .name("cw-\(number)abcdef")
        case .mark: return .number(number << 16)
        case .integer, .zone, .verdict, .other: return .number(number)
        }
    }

    // MARK: rules

    /// A rule; `hook` is `nil` in a chain that others go to.
    ///
    /// The kernel refuses some statements at some hooks.
    private mutating func rule(_ sets: [Nft.Set], in hook: Nft.Chain.Base.Hook?) -> Nft.Rule {
        var expressions: [Nft.Expression] = []
        for _ in 0..<Int.random(in: 0...4, using: &generator) {
            let next = match(sets)
            if fits(next, expressions), isAllowed(next, in: hook) { expressions.append(next) }
        }
        if generator.chance(40) { expressions.append(.counter()) }
        if generator.chance(15) {
            expressions.append(
                generator.pick([
                    .log(prefix: "causeway: "), .log(prefix: nil), .limit(Nft.Limit(rate: 10, per: "minute", burst: 7)),
                ]))
        }
        if generator.chance(25) { expressions.append(markChange()) }
        expressions.append(end(expressions, isAllowed(.reject(.tcpReset), in: hook), hook != nil))
        return Nft.Rule(
            expressions, comment: generator.pick([nil, "why", "a \"b\"", String(repeating: "x", count: 300)]))
    }

    private func isAllowed(_ expression: Nft.Expression, in hook: Nft.Chain.Base.Hook?) -> Bool {
        switch expression {
        case .match(.fib(_, let result), _, _):
            [.prerouting, .input, .forward].contains(hook) || (result == "type" && hook == .output)
        case .reject: [.prerouting, .input, .forward, .output].contains(hook)
        case .verdictMap: hook != nil
        default: true
        }
    }

    private mutating func end(_ before: [Nft.Expression], _ canReject: Bool, _ canJump: Bool) -> Nft.Expression {
        guard canReject else {
            return generator.pick([.verdict(.accept), .verdict(.return), .verdict(canJump ? .goto("others") : .drop)])
        }
        let isTCP = before.contains(.match(.meta("l4proto"), .equal, .name("tcp")))
        let isV4 = before.contains { $0.text.hasPrefix("ip ") }
        let isV6 = before.contains { $0.text.hasPrefix("ip6 ") }
        if isTCP, generator.chance(40) { return .reject(.tcpReset) }
        if isV4, generator.chance(30) { return .reject(.icmp("icmp", code: "host-unreachable")) }
        if isV6, generator.chance(30) { return .reject(.icmp("icmpv6", code: "admin-prohibited")) }
        return generator.pick([
            .verdict(.accept), .verdict(.drop), .verdict(.return), .verdict(.jump("others")),
            .reject(.icmp("icmpx", code: "port-unreachable")), .reject(.icmp("icmpx", code: "admin-prohibited")),
            .reject(.icmp("icmpx", code: "host-unreachable")),
        ])
    }

    private mutating func markChange() -> Nft.Expression {
        let mark = Nft.Operand.meta("mark")
        let other = UInt64.random(in: 0...UInt64(UInt32.max), using: &generator)
        let value: Nft.Operand = generator.pick([
            .binary("|", mark, .number(0x0fff_0000)),
            .binary("|", .binary("&", mark, .number(0xf000_ffff)), .number(0x0fff_0000)),
            .binary("|", .binary("&", mark, .number(other)), .number(0x0012_0000)),
            .binary("^", .binary("&", .ct("mark"), .number(other)), .number(0xff)),
            .binary("^", mark, .number(1)), .ct("mark"), .number(5),
        ])
        return .set(generator.pick([.meta("mark"), .ct("mark")]), to: value)
    }

    /// Whether a rule can ask for both: one packet has one family and one protocol.
    private func fits(_ next: Nft.Expression, _ before: [Nft.Expression]) -> Bool {
        let texts = before.map(\.text) + [next.text]
        let has = { (word: String) in texts.contains { $0.contains(word) } }
        let protocols = ["tcp", "udp", "icmp type", "icmpv6", "th "].filter(has).count
        let isProtocol = has("meta l4proto 17") || has("meta l4proto {") || has("meta l4proto !=")
        if texts.filter({ $0.hasPrefix("meta l4proto ") }).count > 1 || (isProtocol && protocols > 0) { return false }
        if has("meta l4proto tcp"), has("udp ") || has("icmp") { return false }
        return !(has("ip ") && has("ip6 ")) && !(has("ipv4") && has("ip6 ")) && !(has("ipv6 ") && has("ip "))
            && protocols <= 1 && !before.contains(next) && !(has("icmp type") && has("ip6"))
            && !(has("icmpv6") && has("ip "))
    }

    private mutating func match(_ sets: [Nft.Set]) -> Nft.Expression {
        let keyed = sets.filter { $0.data == nil }.map { set in
            Nft.Expression.match(
                Self.operand(set.key), generator.pick([.equal, .notEqual]), .set(set.name))
        }
        let vmaps = sets.filter { $0.data == [.verdict] && !$0.key.contains(.integer) }.map { set in
            Nft.Expression.verdictMap(key: Self.operand(set.key), in: .set(set.name))
        }
        return generator.pick(keyed + vmaps + plain)
    }

    static func operand(_ types: [Nft.DataType]) -> Nft.Operand {
        let operands = types.map { type -> Nft.Operand in
            switch type {
            case .ipv4Address: .payload("ip", "daddr")
            case .ipv6Address: .payload("ip6", "daddr")
            case .etherAddress: .payload("ether", "saddr")
            case .inetProtocol: .meta("l4proto")
            case .inetService: .payload("th", "dport")
            case .interfaceName: .meta("iifname")
            case .mark: .meta("mark")
            case .integer: .numgen(random: true, modulus: 64)
            case .zone: .ct("zone")
            case .verdict, .other: .meta("cpu")
            }
        }
        return operands.count == 1 ? operands[0] : .concatenation(operands)
    }

    private var plain: [Nft.Expression] {
        [
            .match(.meta("iifname"), .equal, .name("cw-*")), .match(.meta("oifname"), .notEqual, .name("eth0")),
            .match(.meta("iifname"), .equal, .value(.anonymousSet([.name("eth1"), .name("eth0")]))),
            .match(.payload("ip", "saddr"), .notEqual, .value(prefix("127.0.0.0/8"))),
            .match(.payload("ip", "daddr"), .equal, .value(prefix("10.0.0.5/32"))),
            .match(
                .payload("ip", "saddr"), .equal, .value(.anonymousSet([prefix("10.1.0.0/16"), address("9.9.9.9")]))),
            .match(.payload("ip6", "daddr"), .notEqual, .value(address("::1"))),
            .match(.payload("ip6", "saddr"), .equal, .value(prefix("fd00::/8"))),
            .match(.meta("l4proto"), .equal, .name("tcp")), .match(.meta("l4proto"), .equal, .number(17)),
            .match(.meta("l4proto"), .equal, .value(.anonymousSet([.name("udp"), .number(6)]))),
            .match(.meta("l4proto"), .notEqual, .name("icmpv6")), .match(.meta("nfproto"), .equal, .name("ipv4")),
            .match(.payload("tcp", "dport"), .equal, .number(80)),
            .match(.payload("tcp", "sport"), .equal, .number(81)),
            .match(.payload("tcp", "dport"), .equal, .value(.range(.number(1024), .number(65535)))),
            .match(.payload("udp", "dport"), .equal, .value(.anonymousSet([.number(53)]))),
            .match(.payload("tcp", "flags"), .in, .name("syn")), .match(.payload("tcp", "flags"), .equal, .name("syn")),
            .match(
                .binary("&", .payload("tcp", "flags"), .binary("|", .name("syn"), .name("rst"))), .equal, .name("syn")),
            .match(.ct("state"), .in, .name("invalid")), .match(.ct("state"), .equal, .name("new")),
            .match(.ct("state"), .equal, .value(.anonymousSet([.name("related"), .name("established")]))),
            .match(.ct("state"), .equal, .value(.anonymousSet([.name("new")]))),
            .match(.ct("state"), .in, .value(.anonymousSet([.name("related"), .name("established")]))),
            .match(.ct("status"), .in, .name("dnat")), .match(.ct("direction"), .equal, .name("original")),
            .match(.ct("daddr", direction: "original", family: .ip), .equal, .value(address("1.2.3.4"))),
            .match(.binary("&", .meta("mark"), .number(0x0fff_0000)), .equal, .number(0x0fff_0000)),
            .match(.meta("mark"), .notEqual, .number(0)), .match(.ct("mark"), .equal, .number(7)),
            .match(.fib(["daddr"], "type"), .equal, .name("local")),
            .match(.fib(["iif", "saddr"], "oif"), .equal, .name("missing")),
            .match(.fib(["daddr"], "type"), .equal, .value(.anonymousSet([.name("local"), .name("broadcast")]))),
            .match(.payload("icmp", "type"), .equal, .name("echo-request")),
            .match(.payload("icmpv6", "type"), .equal, .value(.anonymousSet([.name("nd-neighbor-solicit")]))),
            .match(.meta("pkttype"), .equal, .name("broadcast")), .match(.payload("ip", "ttl"), .equal, .number(1)),
            .match(.payload("ether", "saddr"), .equal, .name("02:42:0a:00:00:05")),
            .match(.jhash(of: [.payload("ip", "saddr")], modulus: 4, seed: 7), .equal, .number(1)),
            .match(.meta("skuid"), .equal, .number(1000)),
        ]
    }

    private mutating func translation(_ sets: [Nft.Set]) -> Nft.Rule? {
        let maps = sets.filter { ["published4", "published6", "vips4", "vips6"].contains($0.name) }
        let fixed: [Nft.Rule] = [
            Nft.Rule([
                .match(.meta("nfproto"), .equal, .name("ipv4")), .match(.payload("udp", "dport"), .equal, .number(53)),
                .redirect(port: .number(5353)),
            ]),
            Nft.Rule([
                .match(.payload("ip", "daddr"), .equal, .value(address("10.0.0.1"))),
                .match(.meta("l4proto"), .equal, .name("tcp")),
                .dnat(Nft.NAT(family: .ip, address: .value(address("10.0.0.5")), port: .number(80))),
            ]),
            Nft.Rule([
                .dnat(Nft.NAT(family: .ip6, address: .value(address("fd00::5")), flags: ["random", "persistent"]))
            ]),
            Nft.Rule([
                .dnat(
                    Nft.NAT(
                        family: .ip,
                        address: .map(
                            key: .numgen(random: true, modulus: 2),
                            in: .anonymousMap([
                                Nft.Element(key: [.number(1)], data: [address("10.0.0.2")]),
                                Nft.Element(key: [.number(0)], data: [address("10.0.0.1")]),
                            ]))))
            ]),
        ]
        guard !maps.isEmpty, generator.chance(60) else { return generator.pick(fixed) }
        let map = generator.pick(maps)
        let family: IPFamily = map.name.hasSuffix("4") ? .ip : .ip6
        let value = Nft.Operand.map(key: Self.operand(map.key), in: .set(map.name))
        return Nft.Rule(
            [.match(.fib(["daddr"], "type"), .equal, .name("local")), .dnat(Nft.NAT(family: family, address: value))],
            comment: "published")
    }
}
