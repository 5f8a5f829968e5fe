import CausewayKernel
import CausewayModel
import Testing

@Suite struct NftTextTests {
    @Test func `a table prints as nft takes it`() {
        #expect(
            Sample.table.text == """
                table inet causeway {
                \tmap published4 {
                \t\ttypeof meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport
                \t\telements = {
                \t\t\ttcp . 8080 . 0 : 10.0.0.5 . 80,
                \t\t\ttcp . 8080 . 1 : 10.0.0.6 . 80
                \t\t}
                \t}

                \tmap vips6 {
                \t\ttypeof ip6 daddr . numgen random mod 2 : ip6 daddr
                \t}

                \tset knownports {
                \t\ttype inet_proto . inet_service
                \t\telements = {
                \t\t\tudp . 53 comment "service 'dns'"
                \t\t}
                \t}

                \tset sources4 {
                \t\ttype ifname . ipv4_addr
                \t\telements = {
                \t\t\t"cw-0123456789" . 10.0.0.5
                \t\t}
                \t}

                \tset same4 {
                \t\ttype ipv4_addr . ipv4_addr
                \t\tflags interval
                \t\telements = {
                \t\t\t10.0.1.0/24 . 10.0.1.0/24
                \t\t}
                \t}

                \tchain source {
                \t\ttype filter hook prerouting priority raw; policy accept;
                \t\tiifname "cw-*" iifname . ip saddr != @sources4 counter drop comment "spoofed"
                \t}

                \tchain prerouting {
                \t\ttype nat hook prerouting priority dstnat; policy accept;
                \t\tfib daddr type local dnat ip to meta l4proto . th dport . numgen random mod 64 map @published4
                \t}

                \tchain forward {
                \t\ttype filter hook forward priority -5; policy accept;
                \t\tct state invalid drop
                \t\tct state { established, related } goto accepted
                \t}

                \tchain accepted {
                \t\tmeta mark set meta mark & 0xf000ffff | 0x0fff0000 accept
                \t}
                }

                """)
    }

    @Test(arguments: [
        (
            Nft.Expression.dnat(Nft.NAT(family: .ip6, address: .value(address("fd00::1")), port: .number(80))),
            "dnat ip6 to [fd00::1]:80"
        ),
        (.dnat(Nft.NAT(family: nil, address: nil, port: .number(80))), "dnat to :80"),
        (
            .snat(Nft.NAT(family: .ip, address: .value(address("1.2.3.4")), flags: ["random", "persistent"])),
            "snat ip to 1.2.3.4 random,persistent"
        ),
        (.match(.payload("tcp", "flags"), .equal, .name("syn")), "tcp flags == syn"),
        (
            .match(.payload("tcp", "flags"), .in, .value(.anonymousSet([.name("syn"), .name("ack")]))),
            "tcp flags syn,ack"
        ),
        (
            .match(
                .binary("&", .payload("tcp", "flags"), .binary("|", .name("syn"), .name("ack"))), .equal, .name("syn")),
            "tcp flags & (syn | ack) == syn"
        ),
        (
            .match(.binary("&", .meta("mark"), .number(0x0fff_0000)), .equal, .number(0x0fff_0000)),
            "meta mark & 0x0fff0000 == 0x0fff0000"
        ),
        (
            .match(.ct("daddr", direction: "original", family: .ip), .equal, .value(address("1.2.3.4"))),
            "ct original ip daddr 1.2.3.4"
        ),
        (.match(.fib(["saddr", "iif"], "oif"), .equal, .name("missing")), "fib saddr . iif oif missing"),
        (
            .verdictMap(
                key: .payload("tcp", "dport"), in: .anonymousMap([Nft.Element(key: [.number(22)], verdict: .accept)])),
            "tcp dport vmap { 22 : accept }"
        ),
        (.reject(.tcpReset), "reject with tcp reset"),
        (.reject(.icmp("icmpx", code: "admin-prohibited")), "reject with icmpx admin-prohibited"),
        (.redirect(port: .number(53)), "redirect to :53"),
        (.limit(Nft.Limit(rate: 10, burst: 20, isOver: true)), "limit rate over 10/second burst 20 packets"),
        (
            .match(.jhash(of: [.payload("ip", "saddr")], modulus: 4, seed: 7), .equal, .number(1)),
            "jhash ip saddr mod 4 seed 0x7 1"
        ),
        (.match(.payload("@th", "0,16"), .equal, .number(80)), "@th,0,16 80"),
    ])
    func `an expression prints as nft writes it`(_ expression: Nft.Expression, _ text: String) {
        #expect(expression.text == text)
    }

    @Test func `a comment that nft would refuse is cut to what it takes`() {
        let long = Nft.Rule([.verdict(.accept)], comment: String(repeating: "ä", count: 100) + "\"\n")
        #expect(long.text == "accept comment \"" + String(repeating: "ä", count: 64) + "\"")
        #expect(Nft.Rule([.verdict(.drop)], comment: "a \"b\"\nc").text == "drop comment \"a 'b' c\"")
        #expect(Nft.Rule([.verdict(.drop)], comment: "").text == "drop")
    }

    @Test func `a name cannot break out of its quotes`() {
        let rule = Nft.Rule([.match(.meta("iifname"), .equal, .name("a\" accept; drop \""))])
        #expect(rule.text == "iifname \"a accept; drop \"")
    }
}
