import CausewayKernel
import CausewayModel

/// The kind of table that the agent writes, with an element in every set.
enum Sample {
    static let table = Nft.Table(family: .inet, name: "causeway", sets: sets, chains: chains)

    static let sets: [Nft.Set] = [
        Nft.Set(
            name: "published4", key: [.inetProtocol, .inetService, .integer], data: [.ipv4Address, .inetService],
            elements: [
                Nft.Element(key: [.name("tcp"), .number(8080), .number(0)], data: [address("10.0.0.5"), .number(80)]),
                Nft.Element(key: [.name("tcp"), .number(8080), .number(1)], data: [address("10.0.0.6"), .number(80)]),
            ]),
        Nft.Set(name: "vips6", key: [.ipv6Address, .integer], data: [.ipv6Address]),
        Nft.Set(
            name: "knownports", key: [.inetProtocol, .inetService],
            elements: [Nft.Element(key: [.name("udp"), .number(53)], comment: "service \"dns\"")]),
        Nft.Set(
            name: "sources4", key: [.interfaceName, .ipv4Address],
            elements: [Nft.Element(key: [.name("cw-0123456789"), address("10.0.0.5")])]),
        Nft.Set(
            name: "same4", key: [.ipv4Address, .ipv4Address], flags: ["interval"],
            elements: [Nft.Element(key: [prefix("10.0.1.0/24"), prefix("10.0.1.0/24")])]),
    ]

    static let mapped = Nft.Operand.map(
        key: .concatenation([.meta("l4proto"), .payload("th", "dport"), .numgen(random: true, modulus: 64)]),
        in: .set("published4"))

    static let chains: [Nft.Chain] = [
        Nft.Chain(
            name: "source", base: .init(.filter, .prerouting, priority: -300),
            rules: [
                Nft.Rule(
                    [
                        .match(.meta("iifname"), .equal, .name("cw-*")),
                        .match(
                            .concatenation([.meta("iifname"), .payload("ip", "saddr")]), .notEqual, .set("sources4")),
                        .counter(), .verdict(.drop),
                    ], comment: "spoofed")
            ]),
        Nft.Chain(
            name: "prerouting", base: .init(.nat, .prerouting, priority: -100),
            rules: [
                Nft.Rule([
                    .match(.fib(["daddr"], "type"), .equal, .name("local")),
                    .dnat(Nft.NAT(family: .ip, address: mapped)),
                ])
            ]),
        Nft.Chain(
            name: "forward", base: .init(.filter, .forward, priority: -5),
            rules: [
                Nft.Rule([.match(.ct("state"), .in, .name("invalid")), .verdict(.drop)]),
                Nft.Rule([
                    .match(
                        .ct("state"), .equal, .value(.anonymousSet([.name("established"), .name("related")]))),
                    .verdict(.goto("accepted")),
                ]),
            ]),
        Nft.Chain(
            name: "accepted",
            rules: [
                Nft.Rule([
                    .set(
                        .meta("mark"),
                        to: .binary(
                            "|", .binary("&", .meta("mark"), .number(0xf000_ffff)), .number(0x0fff_0000))),
                    .verdict(.accept),
                ])
            ]),
    ]
}
