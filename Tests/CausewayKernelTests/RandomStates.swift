import CausewayKernel
import CausewayModel

/// States that Linux could be in: routes lie on links that are up, their sources are addresses, and so on.
struct RandomStates {
    var generator: SeededGenerator
    /// Tables made before: a later state often has one of them, changed a little.
    private var tables: [Nft.Table] = []

    /// Whether the kernel has dummy links; not all have.
    private let hasDummy: Bool

    /// Whether they have what Swarm's sandboxes have: bridges' ports, balancers and iptables.
    private let hasSandboxes: Bool

    init(generator: SeededGenerator, hasDummy: Bool = true, hasSandboxes: Bool = false) {
        self.generator = generator
        self.hasDummy = hasDummy
        self.hasSandboxes = hasSandboxes
    }

    mutating func state() -> KernelState {
        var state = KernelState()
        for link in [loopback(), peer()] + ownLinks() { state.links[link.name] = link }
        let names = state.links.keys.sorted()
        for name in names { addAddresses(name, &state) }
        for name in names where state.links[name]?.isUp == true { addRoutes(name, &state) }
        // Linux makes of every IPv4 neighbour on the loopback one of 0.0.0.0.
        for name in names where name != "lo" && generator.chance(50) {
            for destination in ["169.254.1.1", "fe80::1", "10.0.0.9"] where generator.chance(40) {
                state.neighbors.insert(Rtnl.Neighbor(link: name, destination: ip(destination), address: mac()))
            }
        }
        if generator.chance(30) {
            state.routes.insert(Rtnl.Route(kind: .blackhole, destination: cidr("10.66.0.0/16")))
        }
        addTunnels(&state)
        addRules(&state)
        addTables(&state)
        state.sysctls = ["net.ipv4.ip_forward": generator.pick(["0", "1"]), "net.ipv6.conf.all.forwarding": "1"]
        for name in names where name != "lo" {
            state.sysctls["net.ipv4.conf.\(name).rp_filter"] = generator.pick(["0", "1", "2"])
        }
        state.forwardAccepts = Set(IPFamily.allCases.filter { _ in generator.chance(50) })
        if hasSandboxes { addSandbox(&state) }
        return state
    }

    // MARK: links

    private func loopback() -> Rtnl.Link { Rtnl.Link(name: "lo", kind: .loopback, isUp: true) }

    private mutating func peer() -> Rtnl.Link {
        Rtnl.Link(name: "eth0", kind: .vethPeer, address: mac(), mtu: mtu(), isUp: generator.chance(70))
    }

    private mutating func ownLinks() -> [Rtnl.Link] {
        var links: [Rtnl.Link] = []
        var kinds: [Rtnl.Link.Kind] = []
        for name in ["cw-a", "cw-b", "cw-c", "cw-d"] where generator.chance(65) {
            var kind: Rtnl.Link.Kind = generator.pick([
                .veth(peer: "eth0", namespace: "n1"), .veth(peer: "eth0", namespace: "n2"),
                .veth(peer: "eth0", namespace: "of-\(name)"), .bridge, .other("dummy"),
                .vxlan(id: 4095, local: nil, port: 4789), .vxlan(id: 7, local: ip("10.0.0.1"), port: 4789),
            ])
            if kind == .other("dummy"), !hasDummy { kind = .bridge }
            let id = { (kind: Rtnl.Link.Kind) in if case .vxlan(let id, _, _) = kind { id } else { UInt32(0) } }
            guard !kinds.contains(kind) || kind == .bridge || kind == .other("dummy"),
                id(kind) == 0 || !kinds.contains(where: { id($0) == id(kind) })
            else { continue }
            kinds.append(kind)
            links.append(
                Rtnl.Link(
                    name: name, kind: kind, address: mac(), mtu: mtu(), isUp: generator.chance(75),
                    alias: generator.pick([nil, "one", "two"])))
        }
        return links
    }

    private mutating func mac() -> MACAddress {
        MACAddress(derivedFrom: IPv4Address(rawValue: UInt32.random(in: 1...3, using: &generator)))
    }

    private mutating func mtu() -> UInt32 { generator.pick([1400, 1450, 1500]) }

    // MARK: addresses and routes

    private mutating func addAddresses(_ link: String, _ state: inout KernelState) {
        for text in ["10.0.1.5/32", "10.0.1.6/32", "192.0.2.7/24", "fd00::5/128", "fd00::6/64", "fd00::6/128"]
        where generator.chance(25) {
            let address = cidr(text)
            let isTaken = state.addresses.contains {
                $0.link == link && $0.address.address == address.address
            }
            if !isTaken { state.addresses.insert(Rtnl.Address(link: link, address: address)) }
        }
    }

    private mutating func addRoutes(_ link: String, _ state: inout KernelState) {
        let sources = state.addresses.sorted { ($0.link, $0.address) < ($1.link, $1.address) }.map(\.address.address)
        let link4 = Rtnl.Route(destination: cidr("169.254.1.1/32"), link: link, scope: .link)
        var candidates = [
            Rtnl.Route(destination: cidr("10.0.2.\(generator.pick([1, 2, 3]))/32"), link: link),
            Rtnl.Route(destination: cidr("0.0.0.0/0"), gateway: ip("169.254.1.1"), link: link, isOnLink: true),
            Rtnl.Route(destination: cidr("::/0"), gateway: link == "lo" ? nil : ip("fe80::1"), link: link),
            Rtnl.Route(destination: cidr("fd00:1::/64"), link: link, metric: generator.pick([0, 1024, 5])),
            Rtnl.Route(destination: cidr("10.9.0.0/16"), link: link, table: generator.pick([254, 77])),
        ]
        if generator.chance(50) {
            candidates += [link4, Rtnl.Route(destination: cidr("10.8.0.0/16"), gateway: ip("169.254.1.1"), link: link)]
        }
        for var route in candidates where generator.chance(60) || route == link4 {
            let source = sources.filter { $0.family == route.destination.family }.randomElement(using: &generator)
            if generator.chance(50) { route.source = source }
            if generator.chance(30) { route.mtu = generator.pick([1300, 1400]) }
            let isTaken = state.routes.contains {
                $0.destination == route.destination && $0.table == route.table
                    && $0.metric % 1024 == route.metric % 1024
            }
            let needsLink4 = route.gateway == ip("169.254.1.1") && !route.isOnLink
            let hasLink4 = state.routes.contains { $0.destination == link4.destination && $0.link == link }
            if !isTaken, !needsLink4 || hasLink4 { state.routes.insert(route) }
        }
    }

    private mutating func addTunnels(_ state: inout KernelState) {
        for link in state.links.values.sorted(by: { $0.name < $1.name }) {
            guard case .vxlan = link.kind else { continue }
            for _ in 0..<3 where generator.chance(60) {
                let entry = Rtnl.ForwardingEntry(
                    link: link.name, address: mac(), destination: ip("192.0.2.\(generator.pick([7, 8]))"))
                if !state.forwarding.contains(where: { $0.link == entry.link && $0.address == entry.address }) {
                    state.forwarding.insert(entry)
                }
            }
        }
    }

    private mutating func addRules(_ state: inout KernelState) {
        for family in IPFamily.allCases {
            for priority in [100, 101, 102, 103] as [UInt32] where generator.chance(40) {
                let isJump = generator.chance(40)
                state.rules.insert(
                    NamespaceState.PolicyRule(
                        family: family, priority: priority, mark: generator.pick([0, 0x10000, 0x20000]),
                        markMask: 0x0fff_0000, table: isJump ? nil : 77, action: isJump ? "goto" : "lookup",
                        target: isJump ? 110 : nil, protocol: Rtnl.causewayProtocol))
            }
            if generator.chance(50) {
                state.rules.insert(
                    NamespaceState.PolicyRule(
                        family: family, priority: 110, action: "nop", protocol: Rtnl.causewayProtocol))
            }
        }
    }

    // MARK: tables

    private mutating func addTables(_ state: inout KernelState) {
        var random = RandomTables(generator: SeededGenerator(seed: generator.next()))
        for name in ["causeway", "other"] where generator.chance(75) {
            let before = tables.last { $0.name == name }
            let table: Nft.Table
            if let before, generator.chance(60) {
                table = generator.chance(30) ? before : random.changed(before)
            } else {
                table = random.table(named: name)
            }
            tables.append(table)
            state.tables.append(table)
        }
    }
}
