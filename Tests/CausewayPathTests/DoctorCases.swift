import CausewayKernel
import CausewayModel

@testable import CausewayPath

/// One thing wrong, and what the doctor has to say of it.
struct DoctorCase: Sendable, CustomStringConvertible {
    var check: String
    var what: String
    /// In the cause.
    var says: String
    /// In a piece of evidence.
    var shows: String
    var owner: String?
    var plant: @Sendable (inout DoctorBed) -> Void

    init(
        _ check: String, _ what: String, says: String, shows: String, owner: String? = nil,
        _ plant: @escaping @Sendable (inout DoctorBed) -> Void
    ) {
        self.check = check
        self.what = what
        self.says = says
        self.shows = shows
        self.owner = owner
        self.plant = plant
    }

    var description: String { "\(check): \(what)" }

    private typealias Bed = DoctorBed

    /// On Causeway nodes.
    static let nodes: [DoctorCase] = switches + filters + tunnels + addresses + backends + daemons

    private static let switches = [
        DoctorCase("ip-forward", "off", says: "does not forward IPv4", shows: "net.ipv4.ip_forward = 0") {
            $0[host: 0].sysctls["net.ipv4.ip_forward"] = "0"
        },
        DoctorCase("ip-forward", "off on one link", says: "comes in by eth0", shows: "eth0.forwarding = 0") {
            $0[host: 0].sysctls["net.ipv4.conf.eth0.forwarding"] = "0"
        },
        DoctorCase("rp-filter", "a second uplink", says: "come in by eth1", shows: "all.rp_filter = 1") { bed in
            bed[host: 0].links.append(NamespaceState.Link(index: 3, link: Rtnl.Link(name: "eth1", kind: .other(""))))
            bed[host: 0].addresses.append(Rtnl.Address(link: "eth1", address: CIDR("198.51.100.2/24")!))
            bed[host: 0].sysctls["net.ipv4.conf.all.rp_filter"] = "1"
        },
        DoctorCase("src-valid-mark", "strict", says: "as they come out of cw-vxlan", shows: "src_valid_mark = 0") {
            $0[host: 0].sysctls["net.ipv4.conf.all.rp_filter"] = "1"
            $0[host: 0].sysctls["net.ipv4.conf.cw-vxlan.src_valid_mark"] = "0"
        },
        DoctorCase("src-valid-mark", "no reflection", says: "go the wrong way", shows: "fwmark_reflect = 0") {
            $0[host: 0].sysctls["net.ipv4.fwmark_reflect"] = "0"
        },
        DoctorCase("route-localnet", "on eth0", says: "127.0.0.1", shows: "eth0.route_localnet = 1") {
            $0[host: 0].sysctls["net.ipv4.conf.eth0.route_localnet"] = "1"
        },
        DoctorCase("task-ipv6", "switched off", says: "web.1", shows: "eth0.disable_ipv6 = 1") { bed in
            bed[space: "web"].sysctls["net.ipv6.conf.eth0.disable_ipv6"] = "1"
        },
        DoctorCase(
            "br-netfilter", "a bridge of virtual machines", says: "ports of virbr0", shows: "policy DROP",
            owner: "a bare policy"
        ) { bed in
            bed[host: 0].links.append(NamespaceState.Link(index: 40, link: Rtnl.Link(name: "virbr0", kind: .bridge)))
            for index in [41, 42] as [UInt32] {
                bed[host: 0].links.append(
                    NamespaceState.Link(
                        index: index, link: Rtnl.Link(name: "tap\(index)", kind: .other("tun")), controller: "virbr0"))
            }
            bed[host: 0].sysctls["net.bridge.bridge-nf-call-iptables"] = "1"
            bed.addFilter(IPTables.Chain(name: "FORWARD", policy: "DROP"))
        },
        DoctorCase("conntrack-full", "full", says: "is full: 65535 of 65536", shows: "nf_conntrack_max = 65536") {
            $0[host: 0].sysctls["net.netfilter.nf_conntrack_count"] = "65535"
        },
        DoctorCase("neighbor-table-full", "full", says: "is full: 1024 of 1024", shows: "gc_thresh3 = 1024") {
            $0[host: 0].unanswered = (0..<1024).map { number in
                NamespaceState.Unanswered(
                    link: "eth0", destination: .v4(IPv4Address(rawValue: 0xc000_0300 + UInt32(number))),
                    state: "incomplete")
            }
        },
    ]

    private static let filters = [
        DoctorCase(
            "forward-drop", "a bare policy", says: "8080/tcp of service web", shows: "FORWARD: policy DROP",
            owner: "a bare policy"
        ) {
            $0.addFilter(IPTables.Chain(name: "FORWARD", policy: "DROP"))
        },
        DoctorCase("forward-drop", "ufw", says: "ufw drops", shows: "ufw-reject-forward: -j REJECT", owner: "ufw") {
            bed in
            let jump = Bed.rule("-j ufw-reject-forward", [], .jump("ufw-reject-forward"))
            bed.addFilter(
                IPTables.Chain(name: "FORWARD", policy: "ACCEPT", rules: [jump]),
                [
                    IPTables.Chain(
                        name: "ufw-reject-forward",
                        rules: [Bed.rule("-j REJECT", [], .reject(with: "icmp-port-unreachable"))])
                ])
        },
        DoctorCase(
            "forward-drop", "somebody's rule", says: "somebody's own rule drops", shows: "--dport 80 -j DROP",
            owner: "somebody's own rule"
        ) {
            $0.addFilter(
                IPTables.Chain(
                    name: "FORWARD", policy: "ACCEPT",
                    rules: [
                        Bed.rule("-p tcp --dport 80 -j DROP", [.protocol(6), .destinationPort(80...80)], .drop)
                    ]))
        },
        DoctorCase(
            "two-iptables", "legacy and nft", says: "in the old interface at once", shows: "iptables filter: 1 rules"
        ) { bed in
            for name in ["a", "b"] {
                bed.addFilter(
                    IPTables.Chain(
                        name: "INPUT", policy: "ACCEPT",
                        rules: [Bed.rule("-i \(name) -j ACCEPT", [.incoming(name)], .accept)]))
            }
        },
        DoctorCase(
            "open-beyond-firewall", "INPUT drops", says: "192.0.2.2 can be reached although", shows: "INPUT",
            owner: "a bare policy"
        ) {
            $0.addFilter(IPTables.Chain(name: "INPUT", policy: "DROP"))
        },
        DoctorCase(
            "vxlan-blocked", "ufw's INPUT", says: "tunnel packets from 192.0.2.3", shows: "ufw-user-input", owner: "ufw"
        ) { bed in
            let jump = Bed.rule("-j ufw-user-input", [], .jump("ufw-user-input"))
            bed.addFilter(
                IPTables.Chain(name: "INPUT", policy: "ACCEPT", rules: [jump]),
                [
                    IPTables.Chain(
                        name: "ufw-user-input",
                        rules: [
                            Bed.rule(
                                "-p udp --dport 4789 -j DROP", [.protocol(17), .destinationPort(4789...4789)], .drop)
                        ])
                ])
        },
        DoctorCase(
            "vxlan-blocked", "OUTPUT", says: "tunnel packets to 192.0.2.3", shows: "OUTPUT: -p udp",
            owner: "somebody's own rule"
        ) {
            $0.addFilter(
                IPTables.Chain(
                    name: "OUTPUT", policy: "ACCEPT",
                    rules: [
                        Bed.rule("-p udp --dport 4789 -j DROP", [.protocol(17), .destinationPort(4789...4789)], .drop)
                    ]))
        },
        DoctorCase(
            "port-taken", "somebody's DNAT", says: "8080/tcp of service web is answered by task other.1",
            shows: "--to 10.0.9.9", owner: "somebody's own rule"
        ) { bed in
            var other = Host()
            other.addTask("other", 1, addresses: ["10.0.9.9"], port: 8080)
            let inode: UInt64 = 555
            var space = other.tasks[0]
            space.inode = inode
            space.links[1].peerIndex = 77
            space.isInhabited = true
            bed.inventories[0].namespaces.append(space)
            var owner = other.owners[0]
            owner.namespaceInode = inode
            bed.inventories[0].owners.append(owner)
            bed[host: 0].links.append(
                NamespaceState.Link(
                    index: 77, link: Rtnl.Link(name: "cw-other", kind: .veth(peer: "eth0", namespace: ""), mtu: 1500),
                    peerIndex: 2, peerNamespace: inode))
            bed[host: 0].routes.append(Rtnl.Route(destination: CIDR("10.0.9.9/32")!, link: "cw-other", table: 213))
            let address = IPAddress("10.0.9.9")!
            bed[host: 0].neighbors.append(
                NamespaceState.Neighbor(
                    neighbor: Rtnl.Neighbor(
                        link: "cw-other", destination: address, address: space.links[1].link.address!),
                    state: "permanent"))
            bed[host: 0].iptables.append(
                IPTables.Table(
                    family: .ip, name: "nat",
                    chains: [
                        IPTables.Chain(
                            name: "PREROUTING", policy: "ACCEPT",
                            rules: [
                                Bed.rule(
                                    "-p tcp --dport 8080 -j DNAT --to 10.0.9.9",
                                    [.protocol(6), .destinationPort(8080...8080)],
                                    .dnat(addresses: address...address, ports: nil))
                            ])
                    ]))
            // Theirs comes first.
            let at = bed[host: 0].tables[0].chains.firstIndex { $0.name == "prerouting" }!
            bed[host: 0].tables[0].chains[at].base?.priority = -99
        },
    ]

    private static let tunnels = [
        DoctorCase("mtu", "a narrow underlay", says: "and 1400 fit through eth0", shows: "eth0 mtu 1450") {
            $0.editLink("eth0") { $0.link.mtu = 1450 }
        },
        DoctorCase("mtu", "a pair with two sizes", says: "dropped above 1280 bytes", shows: "mtu 1280") { bed in
            bed.editLink(bed.outer("web")) { $0.link.mtu = 1280 }
        },
        DoctorCase(
            "mtu", "less was measured", says: "takes 1380 bytes", shows: "dev cw-vxlan mtu 1450", owner: "Causeway"
        ) {
            $0.daemon?.peers[0].mtu = 1380
        },
        DoctorCase("checksum-offload", "a bad card", says: "do not arrive at n2", shows: "cw-vxlan tx-checksumming: on")
        {
            $0.daemon?.peers[0].takesOffload = false
        },
        DoctorCase(
            "vxlan-conflict", "another link", says: "two links take VXLAN 4095", shows: "other: id 4095 dstport 4789"
        ) {
            $0[host: 0].links.append(
                NamespaceState.Link(
                    index: 80, link: Rtnl.Link(name: "other", kind: .vxlan(id: 4095, local: nil, port: 4789), mtu: 1400)
                ))
        },
        DoctorCase(
            "vxlan-conflict", "a program", says: "nsx-agent (pid 99) holds UDP port 4789", shows: "udp 0.0.0.0:4789"
        ) {
            $0[host: 0].sockets.append(
                NamespaceState.Socket(
                    protocol: .udp, address: IPAddress("0.0.0.0")!, port: 4789, processID: 99, processName: "nsx-agent")
            )
        },
        DoctorCase("vtep-address", "lost", says: "sends from 192.0.2.2, which no link", shows: "local 192.0.2.2") {
            $0[host: 0].addresses[1].address = CIDR("192.0.2.77/24")!
        },
        DoctorCase(
            "vtep-address", "another than n2 knows", says: "n1 sends from 192.0.2.2, and n2 knows it as 192.0.2.200",
            shows: "dst 192.0.2.200"
        ) {
            $0[host: 0].addresses.append(Rtnl.Address(link: "eth0", address: CIDR("192.0.2.200/24")!))
            $0[host: 1].forwarding[0].destination = IPAddress("192.0.2.200")!
        },
        DoctorCase("fdb-missing", "deleted", says: "behind which node 100.64.0.2", shows: "100.64.0.2 dev cw-vxlan") {
            $0[host: 0].forwarding = []
        },
        DoctorCase("fdb-stale", "wrong host", says: "sends frames for host n2 to 192.0.2.99", shows: "dst 192.0.2.99") {
            $0[host: 0].forwarding[0].destination = IPAddress("192.0.2.99")!
        },
        DoctorCase(
            "fdb-stale", "left over", says: "which is no neighbour's",
            shows: "02:ca:75:00:00:63 dev cw-vxlan dst 192.0.2.99"
        ) {
            $0[host: 0].forwarding.append(
                Rtnl.ForwardingEntry(
                    link: "cw-vxlan", address: MACAddress("02:ca:75:00:00:63")!, destination: IPAddress("192.0.2.99")!))
        },
    ]

    private static let addresses = [
        DoctorCase(
            "neighbor-missing", "the peer's", says: "no neighbour entry for 100.64.0.2",
            shows: "via 100.64.0.2 dev cw-vxlan"
        ) {
            $0[host: 0].neighbors.removeAll { $0.neighbor.link == "cw-vxlan" }
        },
        DoctorCase(
            "neighbor-missing", "the gateway in a task",
            says: "task web.1 on n1 has no neighbour entry for 169.254.1.1", shows: "via 169.254.1.1 dev eth0"
        ) {
            $0[space: "web"].neighbors = []
        },
        DoctorCase(
            "neighbor-stale", "another MAC", says: "at 02:00:00:00:00:99", shows: "lladdr 02:00:00:00:00:99",
            owner: "web.1"
        ) { bed in
            let at = bed[host: 0].neighbors.firstIndex { $0.neighbor.destination == IPAddress("10.0.1.5") }!
            bed[host: 0].neighbors[at].neighbor.address = MACAddress("02:00:00:00:00:99")!
        },
        DoctorCase(
            "neighbor-failed", "the gateway", says: "the gateway 192.0.2.1 does not answer",
            shows: "192.0.2.1 dev eth0 FAILED"
        ) {
            $0[host: 0].unanswered = [
                NamespaceState.Unanswered(link: "eth0", destination: IPAddress("192.0.2.1")!, state: "failed")
            ]
        },
        DoctorCase(
            "duplicate-address", "two tasks", says: "one address, 10.0.1.5", shows: "10.0.1.5 dev eth0",
            owner: "client.1"
        ) {
            $0[space: "client"].addresses.append(Rtnl.Address(link: "eth0", address: CIDR("10.0.1.5/32")!))
        },
        DoctorCase(
            "duplicate-address", "on two nodes", says: "task web.1 on n1 and task web.2 on n2", shows: "10.0.1.5",
            owner: "web.2"
        ) {
            $0.inventories[1].namespaces[1].addresses.append(Rtnl.Address(link: "eth0", address: CIDR("10.0.1.5/32")!))
        },
        DoctorCase(
            "duplicate-address", "a virtual IP", says: "10.0.1.2 is the virtual IP of service web", shows: "10.0.1.2",
            owner: "client.1"
        ) {
            $0[space: "client"].addresses.append(Rtnl.Address(link: "eth0", address: CIDR("10.0.1.2/32")!))
        },
        DoctorCase("subnet-overlap", "a VPN", says: "overlap", shows: "10.0.0.0/16 dev tun0") {
            $0[host: 0].routes.append(Rtnl.Route(destination: CIDR("10.0.0.0/16")!, link: "tun0"))
        },
        DoctorCase("subnet-exhausted", "a full network", says: "has 254 of 253 addresses in use", shows: "10.0.1.0/24")
        { bed in
            for number in 1..<255 {
                bed[host: 0].routes.append(
                    Rtnl.Route(
                        destination: CIDR(host: .v4(IPv4Address(rawValue: 0x0a00_0100 + UInt32(number)))),
                        gateway: IPAddress("100.64.0.2")!, link: "cw-vxlan", table: 213))
            }
        },
        DoctorCase("link-down", "a task's link", says: "(web.1) is down", shows: "state DOWN", owner: "web.1") { bed in
            bed.editLink(bed.outer("web")) { $0.link.isUp = false }
        },
        DoctorCase("link-down", "the tunnel", says: "cw-vxlan of host n1 is down", shows: "cw-vxlan state DOWN") {
            $0.editLink("cw-vxlan") { $0.link.isUp = false }
        },
        DoctorCase(
            "leftover-link", "both ends on the host", says: "veth123 is left over", shows: "veth123", owner: "Docker"
        ) {
            for (index, peer, name) in [(50, 51, "veth123"), (51, 50, "eth9")] as [(UInt32, UInt32, String)] {
                $0[host: 0].links.append(
                    NamespaceState.Link(
                        index: index, link: Rtnl.Link(name: name, kind: .other("veth")), peerIndex: peer))
            }
        },
        DoctorCase(
            "leftover-namespace", "nobody lives there", says: "cw-old.1.zzzzzzzz is left over",
            shows: "/run/netns/cw-old", owner: "Causeway"
        ) {
            var space = NamespaceState(name: "cw-old.1.zzzzzzzz", path: "/run/netns/cw-old.1.zzzzzzzz", inode: 777)
            space.isInhabited = false
            $0.inventories[0].namespaces.append(space)
        },
    ]

    private static let backends = [
        DoctorCase(
            "stale-backend", "a dead task in the map", says: "8080/tcp of service web leads to 10.0.0.77",
            shows: "-> 10.0.0.77", owner: "Causeway"
        ) { bed in
            let at = bed[host: 0].tables[0].sets.firstIndex { $0.name == "published" }!
            bed[host: 0].tables[0].sets[at].elements[0].data = [.address(IPAddress("10.0.0.77")!), .number(80)]
        },
        DoctorCase(
            "missing-backend", "a live task not in the map",
            says: "8080/tcp of service web does not lead to task web.1", shows: "8080/tcp", owner: "Causeway"
        ) { bed in
            let at = bed[host: 0].tables[0].sets.firstIndex { $0.name == "published" }!
            for element in bed[host: 0].tables[0].sets[at].elements.indices {
                bed[host: 0].tables[0].sets[at].elements[element].data = [
                    .address(IPAddress("10.0.0.6")!), .number(80),
                ]
            }
        },
        DoctorCase(
            "no-backend", "an empty map", says: "8080/tcp of service web leads to no task", shows: "8080/tcp",
            owner: "service web"
        ) { bed in
            let at = bed[host: 0].tables[0].sets.firstIndex { $0.name == "published" }!
            bed[host: 0].tables[0].sets[at].elements = []
        },
        DoctorCase(
            "published-port", "no route to the task", says: "8080/tcp of service web",
            shows: "a blackhole route covers 10.0.0.5", owner: nil
        ) { bed in
            bed[host: 0].routes.removeAll { $0.destination == CIDR("10.0.0.5/32") }
            bed[host: 0].routes.removeAll { $0.link == "cw-gone" }
            bed[host: 0].routes.append(Rtnl.Route(kind: .blackhole, destination: CIDR("10.0.0.0/24")!))
        },
        DoctorCase(
            "virtual-ip", "the network is not known", says: "10.0.1.2:80 of service web", shows: "isolation",
            owner: "Causeway"
        ) { bed in
            let source = bed[host: 0].tables[0].chains.firstIndex { $0.name == "source" }!
            bed[host: 0].tables[0].chains[source].rules.append(
                Nft.Rule(
                    [
                        .match(.payload("ip", "daddr"), .equal, .value(.address(IPAddress("10.0.1.2")!))),
                        .verdict(.drop),
                    ],
                    comment: "isolation"))
        },
        DoctorCase(
            "closed-port", "nobody listens", says: "nothing listens on 10.0.0.5:80", shows: "tcp 127.0.0.1:80 httpd",
            owner: "service web"
        ) {
            $0[space: "web"].sockets[0].address = IPAddress("127.0.0.1")!
        },
        DoctorCase("way-out", "not masqueraded", says: "leaves with its own address 10.0.1.20", shows: "10.0.1.20") {
            bed in
            let at = bed[host: 0].tables[0].chains.firstIndex { $0.name == "srcnat" }!
            bed[host: 0].tables[0].chains[at].rules = []
        },
        DoctorCase("resolver", "no socket", says: "no name resolves in task web.1", shows: "127.0.0.11:53") {
            $0[space: "web"].sockets.removeAll { $0.address == IPAddress("127.0.0.11") }
        },
        DoctorCase(
            "names-disagree", "a dead address", says: "web leads to 10.0.1.99", shows: "web A: 10.0.1.99",
            owner: "service web"
        ) {
            $0.answer("10.0.1.99")
        },
        DoctorCase(
            "no-backend", "an empty map of virtual addresses",
            says: "virtual IP 10.0.1.2 of service web leads to no task",
            shows: "virtual IP", owner: "service web"
        ) { bed in
            let at = bed[host: 0].tables[0].sets.firstIndex { $0.name == "vips" }!
            bed[host: 0].tables[0].sets[at].elements = []
        },
        DoctorCase(
            "task-route", "deleted", says: "does not lead 10.0.1.5 to task web.1",
            shows: "10.0.1.0/24 dev cw-gone table 213",
            owner: "web.1"
        ) {
            $0[host: 0].routes.removeAll { $0.destination == CIDR("10.0.1.5/32") }
        },
    ]

    private static let daemons = [
        DoctorCase(
            "daemon-silent", "gone", says: "causewayd does not answer", shows: "without its daemon", owner: "Causeway"
        ) {
            $0.daemon = nil
        },
        DoctorCase(
            "kernel-differs", "a step is due", says: "host is not as it should be", shows: "link add cw-x",
            owner: "Causeway"
        ) {
            $0.daemon?.pending = [DaemonReport.Pending(namespace: "host", steps: ["link add cw-x type veth"])]
        },
        DoctorCase(
            "kernel-refuses", "a failure", says: "the kernel refuses", shows: "no such device", owner: "Causeway"
        ) {
            $0.daemon?.failures = ["route add 10.0.1.5: no such device"]
        },
        DoctorCase(
            "peer-unreachable", "n2 is silent", says: "n2 does not answer", shows: "cw-vxlan to n2", owner: "Causeway"
        ) {
            $0.daemon?.peers[0].isReachable = false
        },
    ]
}
