import CausewayKernel
import CausewayModel
import Testing

/// A host with one task, as it is desired: what the live kernel and the fake are both held to.
struct ContractStates {
    let taskNamespace: String

    static let hostMAC = MACAddress(derivedFrom: IPv4Address(rawValue: 0xa9fe_0101))
    static let taskMAC = MACAddress(derivedFrom: IPv4Address(rawValue: 0x0a00_0102))

    var host: KernelState {
        get throws {
            let (v4, v6) = (try #require(IPAddress("10.0.1.2")), try #require(IPAddress("fd00:1::2")))
            return KernelState(
                links: [
                    "cw-a": Rtnl.Link(
                        name: "cw-a", kind: .veth(peer: "eth0", namespace: taskNamespace), address: Self.hostMAC,
                        mtu: 1450,
                        alias: "task web.1"),
                    "cw-vxlan": Rtnl.Link(
                        name: "cw-vxlan", kind: .vxlan(id: 4095, local: IPAddress("192.0.2.1"), port: 4789),
                        address: Self.hostMAC, mtu: 1400, alias: "tunnel", checksumOffload: false),
                ],
                addresses: [Rtnl.Address(link: "cw-vxlan", address: CIDR(host: Self.peers[0]))],
                routes: [
                    Rtnl.Route(
                        destination: CIDR(host: Self.peers[1]), link: "cw-vxlan", source: Self.peers[0], table: 213,
                        scope: .link, mtu: 1350),
                    Rtnl.Route(
                        destination: try #require(CIDR("0.0.0.0/0")), gateway: Self.peers[1], link: "cw-vxlan",
                        table: 2_130_002, isOnLink: true),
                    Rtnl.Route(
                        destination: try #require(CIDR("::/0")), gateway: IPAddress("fd00::1:2"),
                        link: "cw-vxlan", table: 2_130_002, isOnLink: true, mtu: 1350),
                    Rtnl.Route(destination: CIDR(host: v4), link: "cw-a", scope: .link),
                    Rtnl.Route(destination: CIDR(host: v6), link: "cw-a"),
                    Rtnl.Route(kind: .unreachable, destination: try #require(CIDR("10.0.1.0/24")), metric: 1024),
                    Rtnl.Route(kind: .unreachable, destination: try #require(CIDR("fd00:1::/64")), metric: 1024),
                ],
                neighbors: [
                    Rtnl.Neighbor(link: "cw-a", destination: v4, address: Self.taskMAC),
                    Rtnl.Neighbor(link: "cw-a", destination: v6, address: Self.taskMAC),
                ],
                forwarding: [
                    Rtnl.ForwardingEntry(
                        link: "cw-vxlan", address: Self.taskMAC, destination: try #require(IPAddress("192.0.2.2")))
                ],
                rules: Self.rules,
                tables: [Self.table],
                sysctls: ["net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"],
                forwardAccepts: [.ip, .ip6])
        }
    }

    var task: KernelState {
        get throws {
            let gateways = (try #require(IPAddress("169.254.1.1")), try #require(IPAddress("fe80::1")))
            let (v4, v6) = (try #require(IPAddress("10.0.1.2")), try #require(IPAddress("fd00:1::2")))
            func route(_ to: String, _ gateway: IPAddress, _ source: IPAddress) throws -> Rtnl.Route {
                Rtnl.Route(
                    destination: try #require(CIDR(to)), gateway: gateway, link: "eth0", source: source, isOnLink: true)
            }
            return KernelState(
                links: [
                    "lo": Rtnl.Link(name: "lo", kind: .loopback),
                    "eth0": Rtnl.Link(name: "eth0", kind: .vethPeer, address: Self.taskMAC, mtu: 1450),
                ],
                addresses: [
                    Rtnl.Address(link: "eth0", address: CIDR(host: v4)),
                    Rtnl.Address(link: "eth0", address: CIDR(host: v6)),
                ],
                routes: [
                    try route("0.0.0.0/0", gateways.0, v4), try route("10.0.1.0/24", gateways.0, v4),
                    try route("::/0", gateways.1, v6),
                ],
                neighbors: [
                    Rtnl.Neighbor(link: "eth0", destination: gateways.0, address: Self.hostMAC),
                    Rtnl.Neighbor(link: "eth0", destination: gateways.1, address: Self.hostMAC),
                ],
                sysctls: ["net.ipv6.conf.eth0.accept_ra": "0"])
        }
    }

    static let peers = [IPv4Address(rawValue: 0x6440_0001), IPv4Address(rawValue: 0x6440_0002)].map { IPAddress.v4($0) }

    /// Of both families; the first leads packets without a mark to the last.
    static let rules = Set(
        IPFamily.allCases.flatMap { family in
            [
                NamespaceState.PolicyRule(
                    family: family, priority: 300, mark: 0, markMask: 0x0fff_0000, action: "goto", target: 310,
                    protocol: 213),
                NamespaceState.PolicyRule(
                    family: family, priority: 301, mark: 0x2_0000, markMask: 0x0fff_0000, table: 2_130_002,
                    protocol: 213),
                NamespaceState.PolicyRule(family: family, priority: 310, action: "nop", protocol: 213),
            ]
        })

    static let table = Nft.Table(
        family: .inet, name: "causeway",
        sets: [
            Nft.Set(
                name: "vips4", key: [.ipv4Address], data: [.ipv4Address],
                elements: (1...3).map { number in
                    Nft.Element(
                        key: [.address(.v4(IPv4Address(rawValue: 0x0a00_0100 + number)))],
                        data: [.address(.v4(IPv4Address(rawValue: 0x0a00_0200 + number)))])
                })
        ],
        chains: [
            Nft.Chain(
                name: "forward", base: .init(.filter, .forward, priority: -5),
                rules: [
                    Nft.Rule([.match(.ct("state"), .in, .value(.name("invalid"))), .verdict(.drop)], comment: "lost")
                ])
        ])
}
