import CausewayKernel
import CausewayModel

@testable import CausewayPath

/// Builds inventories by hand: a host with Causeway's tables, and tasks wired as the agent wires them.
struct Host {
    var host: NamespaceState
    var tasks: [NamespaceState] = []
    var owners: [Inventory.Owner] = []
    var published: [Nft.Element] = []
    var virtual: [Nft.Element] = []
    var virtualAddresses: [Nft.Element] = []
    var sources: [Nft.Element] = []
    var same: [Nft.Element] = []
    var knownPorts: [Nft.Element] = []
    var refusesUnknown = true

    init() {
        host = NamespaceState(name: "host", path: "/proc/1/ns/net", inode: 1)
        host.sysctls = ["net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"]
        addLink(&host, 1, "lo", .loopback)
        addLink(&host, 2, "eth0", .other(""))
        host.addresses = [
            address("lo", "127.0.0.1/8"), address("eth0", "192.0.2.2/24"), address("eth0", "2001:db8:1::2/64"),
        ]
        host.routes = [
            route("0.0.0.0/0", "eth0", via: "192.0.2.1"), route("192.0.2.0/24", "eth0"),
            route("::/0", "eth0", via: "2001:db8:1::1"), route("2001:db8:1::/64", "eth0"),
        ]
    }

    func addLink(
        _ space: inout NamespaceState, _ index: UInt32, _ name: String, _ kind: Rtnl.Link.Kind, mac: String? = nil,
        peer: (UInt32, UInt64)? = nil, controller: String? = nil
    ) {
        space.links.append(
            NamespaceState.Link(
                index: index, link: Rtnl.Link(name: name, kind: kind, address: mac.flatMap { MACAddress($0) }),
                peerIndex: peer?.0, peerNamespace: peer?.1, controller: controller))
    }

    /// A task with its veth, addresses, routes and sources, as the agent makes it.
    mutating func addTask(
        _ service: String, _ slot: Int, addresses: [String], port: UInt16? = 80,
        transport: Swarm.TransportProtocol = .tcp
    ) {
        let number = UInt64(tasks.count)
        let inode = 100 + number
        let id = String("\(service)\(slot)xxxxxxxxxxxxxxxxxxxxxxxxx".prefix(25))
        let outer = "cw-\(id.prefix(10))"
        let index = UInt32(10 + number)
        let (near, far) = ("02:00:00:00:01:0\(number)", "02:00:00:00:02:0\(number)")
        addLink(&host, index, outer, .veth(peer: "eth0", namespace: ""), mac: near, peer: (2, inode))
        var space = NamespaceState(
            name: "cw-\(service).\(slot).\(id.prefix(8))", path: "/run/netns/x", inode: inode)
        addLink(&space, 1, "lo", .loopback)
        addLink(&space, 2, "eth0", .vethPeer, mac: far, peer: (index, 1))
        space.addresses = [address("lo", "127.0.0.1/8")]
        for text in addresses {
            let own = IPAddress(text)!
            let width = own.family.width
            space.addresses.append(address("eth0", "\(text)/\(width)"))
            host.routes.append(route("\(text)/\(width)", outer))
            host.neighbors.append(neighbor(outer, text, far))
            sources.append(Nft.Element(key: [.name(outer), .address(own)]))
            let gateway = own.family == .ip ? "169.254.1.1" : "fe80::1"
            if !space.routes.contains(where: { $0.destination.family == own.family }) {
                space.routes.append(route(own.family == .ip ? "0.0.0.0/0" : "::/0", "eth0", via: gateway))
                space.neighbors.append(neighbor("eth0", gateway, near))
            }
        }
        if let port {
            space.sockets = [
                NamespaceState.Socket(
                    protocol: transport, address: IPAddress("::")!, port: port, processID: Int32(4000 + number),
                    processName: "httpd")
            ]
        }
        tasks.append(space)
        owners.append(
            Inventory.Owner(
                containerID: String(repeating: "a", count: 63) + "\(number)", containerName: "\(service).\(slot).\(id)",
                namespaceInode: inode, serviceID: "s", serviceName: service, taskID: id,
                taskName: "\(service).\(slot).\(id)"))
    }

    /// Gives each backend its slots in turn.
    mutating func publish(
        _ port: UInt64, to backends: [(String, UInt64)], protocol name: String = "tcp", slots: Int = 64
    ) {
        knownPorts.append(Nft.Element(key: [.name(name), .number(port)]))
        guard !backends.isEmpty else { return }
        for slot in 0..<slots {
            let (address, target) = backends[slot % backends.count]
            published.append(
                Nft.Element(
                    key: [.name(name), .number(port), .number(UInt64(slot))],
                    data: [.address(IPAddress(address)!), .number(target)]))
        }
    }

    mutating func addVirtualIP(_ vip: String, to backends: [String], slots: Int = 64) {
        virtualAddresses.append(Nft.Element(key: [.address(IPAddress(vip)!)]))
        guard !backends.isEmpty else { return }
        for slot in 0..<slots {
            virtual.append(
                Nft.Element(
                    key: [.address(IPAddress(vip)!), .number(UInt64(slot))],
                    data: [.address(IPAddress(backends[slot % backends.count])!)]))
        }
    }

    mutating func addNetwork(_ subnet: String) {
        same.append(Nft.Element(key: [.prefix(CIDR(subnet)!), .prefix(CIDR(subnet)!)]))
    }

    /// Docker's filter table: FORWARD drops, DOCKER-USER perhaps lets our mark through.
    mutating func addDockerFilter(acceptsMark: Bool) {
        let entry = IPTables.Rule(
            text: "-m mark --mark 0xfff0000/0xfff0000 -m comment --comment causeway -j ACCEPT",
            matches: [.mark(0x0fff_0000, mask: 0x0fff_0000), .comment("causeway")], target: .accept)
        host.iptables.append(
            IPTables.Table(
                family: .ip, name: "filter",
                chains: [
                    IPTables.Chain(name: "INPUT", policy: "ACCEPT"),
                    IPTables.Chain(
                        name: "FORWARD", policy: "DROP",
                        rules: [IPTables.Rule(text: "-j DOCKER-USER", matches: [], target: .jump("DOCKER-USER"))]),
                    IPTables.Chain(name: "OUTPUT", policy: "ACCEPT"),
                    IPTables.Chain(
                        name: "DOCKER-USER",
                        rules: (acceptsMark ? [entry] : [])
                            + [IPTables.Rule(text: "-j RETURN", matches: [], target: .return)]),
                ]))
    }

    var inventory: Inventory {
        var first = host
        first.tables.append(table)
        return Inventory(
            hostname: "node-a", takenAt: Timestamp(seconds: 0), namespaces: [first] + tasks, owners: owners)
    }

    // MARK: small values

    func address(_ link: String, _ text: String) -> Rtnl.Address { Rtnl.Address(link: link, address: CIDR(text)!) }

    func route(_ destination: String, _ link: String, via gateway: String? = nil) -> Rtnl.Route {
        Rtnl.Route(destination: CIDR(destination)!, gateway: gateway.flatMap { IPAddress($0) }, link: link)
    }

    func neighbor(_ link: String, _ destination: String, _ mac: String) -> NamespaceState.Neighbor {
        NamespaceState.Neighbor(
            neighbor: Rtnl.Neighbor(link: link, destination: IPAddress(destination)!, address: MACAddress(mac)!),
            state: "permanent")
    }
}

extension Host {
    /// The table as the design has it.
    private var table: Nft.Table {
        Nft.Table(
            family: .inet, name: "causeway",
            sets: [
                Nft.Set(
                    name: "published", key: [.inetProtocol, .inetService, .integer],
                    data: [.ipv4Address, .inetService], elements: published.filter { !isV6($0.data) }),
                Nft.Set(
                    name: "published6", key: [.inetProtocol, .inetService, .integer],
                    data: [.ipv6Address, .inetService], elements: published.filter { isV6($0.data) }),
                Nft.Set(name: "vips", key: [.ipv4Address, .integer], data: [.ipv4Address], elements: virtual),
                Nft.Set(name: "knownports", key: [.inetProtocol, .inetService], elements: knownPorts),
                Nft.Set(name: "vipaddresses", key: [.ipv4Address], elements: virtualAddresses),
                Nft.Set(
                    name: "sources", key: [.interfaceName, .ipv4Address], elements: sources.filter { !isV6($0.key) }),
                Nft.Set(
                    name: "sources6", key: [.interfaceName, .ipv6Address], elements: sources.filter { isV6($0.key) }),
                Nft.Set(name: "same", key: [.ipv4Address, .ipv4Address], flags: ["interval"], elements: same),
            ],
            chains: [source, prerouting, output, refuse, forward, sourceNAT])
    }

    private func isV6(_ values: [Nft.Value]?) -> Bool {
        (values ?? []).contains { if case .address(.v6) = $0 { true } else { false } }
    }

    private var source: Nft.Chain {
        func spoof(_ family: String, _ set: String) -> Nft.Rule {
            Nft.Rule(
                [
                    .match(.meta("iifname"), .equal, .value(.name("cw-*"))),
                    .match(
                        .concatenation([.meta("iifname"), .payload(family, "saddr")]), .notEqual, .value(.set(set))),
                    .counter(packets: 7), .verdict(.drop),
                ], comment: "spoof")
        }
        return Nft.Chain(
            name: "source", base: .init(.filter, .prerouting, priority: -300),
            rules: [spoof("ip", "sources"), spoof("ip6", "sources6")])
    }

    private var balance: Nft.Operand { .numgen(random: true, modulus: 64) }

    private var nat: [Nft.Rule] {
        let key: Nft.Operand = .concatenation([.meta("l4proto"), .payload("th", "dport"), balance])
        let local: Nft.Expression = .match(.fib(["daddr"], "type"), .equal, .value(.name("local")))
        return [
            Nft.Rule([local, .dnat(Nft.NAT(family: .ip, address: .map(key: key, in: .set("published"))))]),
            Nft.Rule([local, .dnat(Nft.NAT(family: .ip6, address: .map(key: key, in: .set("published6"))))]),
            Nft.Rule([
                .dnat(
                    Nft.NAT(
                        family: .ip,
                        address: .map(key: .concatenation([.payload("ip", "daddr"), balance]), in: .set("vips"))))
            ]),
        ]
    }

    private var prerouting: Nft.Chain {
        Nft.Chain(name: "prerouting", base: .init(.nat, .prerouting, priority: -100), rules: nat)
    }

    private var output: Nft.Chain {
        Nft.Chain(name: "output", base: .init(.nat, .output, priority: -100), rules: nat)
    }

    private var refuse: Nft.Chain {
        let port: Nft.Operand = .concatenation([.meta("l4proto"), .payload("th", "dport")])
        let local: Nft.Expression = .match(.fib(["daddr"], "type"), .equal, .value(.name("local")))
        return Nft.Chain(
            name: "refuse", base: .init(.filter, .prerouting, priority: -90),
            rules: [
                Nft.Rule(
                    [
                        local, .match(port, .equal, .value(.set("knownports"))),
                        .match(.meta("l4proto"), .equal, .value(.name("tcp"))), .reject(.tcpReset),
                    ], comment: "no backend"),
                Nft.Rule([
                    .match(.payload("ip", "daddr"), .equal, .value(.set("vipaddresses"))),
                    .match(.meta("l4proto"), .equal, .value(.name("tcp"))), .reject(.tcpReset),
                ]),
            ])
    }

    private var forward: Nft.Chain {
        let mark: Nft.Expression = .set(
            .meta("mark"),
            to: .binary(
                "|", .binary("&", .meta("mark"), .value(.number(0xf000_ffff))), .value(.number(0x0fff_0000))))
        return Nft.Chain(
            name: "forward", base: .init(.filter, .forward, priority: -5),
            rules: [
                Nft.Rule([.match(.ct("state"), .in, .value(.name("invalid"))), .verdict(.drop)]),
                Nft.Rule([
                    .match(
                        .ct("state"), .in, .value(.anonymousSet([.name("established"), .name("related")]))), mark,
                    .verdict(.accept),
                ]),
                Nft.Rule([.match(.ct("status"), .in, .value(.name("dnat"))), mark, .verdict(.accept)]),
                Nft.Rule([
                    .match(
                        .concatenation([.payload("ip", "saddr"), .payload("ip", "daddr")]), .equal,
                        .value(.set("same"))), mark, .verdict(.accept),
                ]),
                Nft.Rule([.match(.meta("oifname"), .equal, .value(.name("eth0"))), mark, .verdict(.accept)]),
                Nft.Rule(
                    [.match(.meta("oifname"), .equal, .value(.name("cw-*"))), .verdict(.drop)], comment: "isolation"),
            ])
    }

    private var sourceNAT: Nft.Chain {
        Nft.Chain(
            name: "srcnat", base: .init(.nat, .postrouting, priority: 100),
            rules: [
                Nft.Rule([
                    .match(.meta("iifname"), .equal, .value(.name("cw-*"))),
                    .match(.meta("oifname"), .notEqual, .value(.name("cw-*"))), .masquerade(),
                ])
            ])
    }
}
