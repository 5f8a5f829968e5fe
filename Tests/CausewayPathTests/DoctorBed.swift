import CausewayKernel
import CausewayModel

@testable import CausewayPath

/// What the doctor is shown: two healthy Causeway nodes, or the recorded Docker Swarm, and what a test does to them.
struct DoctorBed {
    var inventories: [Inventory]
    var daemon: DaemonReport?
    var wasAsked = false
    var names: [NameAnswer]?

    /// Nodes `n1`, with `web.1` and `client.1`, and `n2`, with `web.2`; 8080 is published.
    static func nodes() -> DoctorBed {
        var bed = DoctorBed(inventories: TwoHosts().inventories)
        for host in bed.inventories.indices {
            for at in bed.inventories[host].namespaces.indices {
                Self.complete(&bed.inventories[host].namespaces[at], isHost: at == 0)
            }
        }
        bed.daemon = DaemonReport(
            role: "manager",
            peers: [DaemonReport.Peer(hostname: "n2", isReachable: true, mtu: 1450, takesOffload: true)],
            revision: 7, applied: 7)
        bed.wasAsked = true
        let web = bed.task("web").links[1].link.address!
        for (host, link) in [(0, bed.outer("web"))] {
            bed[host: host].routes.append(Rtnl.Route(destination: CIDR("fd00::5/128")!, link: link, table: 213))
            for (priority, table) in [(0, 255), (21_300, 213), (32_766, 254)] as [(UInt32, UInt32)] {
                bed[host: host].rules.append(
                    NamespaceState.PolicyRule(family: .ip6, priority: priority, table: table))
            }
            bed[host: host].neighbors.append(
                NamespaceState.Neighbor(
                    neighbor: Rtnl.Neighbor(link: link, destination: IPAddress("fd00::5")!, address: web),
                    state: "permanent"))
        }
        bed[space: "web"].addresses.append(Rtnl.Address(link: "eth0", address: CIDR("fd00::5/128")!))
        bed.answer("10.0.1.2")
        return bed
    }

    /// `hosta` and `hostb`, and what recordings lack: it is known to the live reader alone.
    static func swarm() throws -> DoctorBed {
        var bed = DoctorBed(inventories: try recorded.get())
        for host in bed.inventories.indices {
            for at in bed.inventories[host].namespaces.indices {
                bed.inventories[host].namespaces[at].hasIPVS = true
                bed.inventories[host].namespaces[at].isInhabited = true
                bed.inventories[host].namespaces[at].sysctls["net.ipv4.tcp_keepalive_time"] = "7200"
            }
        }
        return bed
    }

    private static let recorded = Result { try RecordedSwarm().inventories(["hosta", "hostb"]) }

    /// What the name servers of all tasks answer for `web`.
    mutating func answer(_ addresses: String...) {
        names = patient.questions.map { NameAnswer(namespace: $0.namespace, name: "web", addresses: addresses) }
    }

    private static func complete(_ space: inout NamespaceState, isHost: Bool) {
        space.unanswered = []
        space.isInhabited = isHost
        space.hasIPVS = false
        space.sysctls["net.netfilter.nf_conntrack_count"] = "12"
        for at in space.links.indices {
            let name = space.links[at].link.name
            space.links[at].link.mtu = name == "cw-vxlan" ? 1450 : name == "lo" ? 65_536 : 1500
            space.sysctls["net.ipv6.conf.\(name).disable_ipv6"] = "0"
            guard isHost else { continue }
            for setting in ["rp_filter", "route_localnet"] { space.sysctls["net.ipv4.conf.\(name).\(setting)"] = "0" }
            space.sysctls["net.ipv4.conf.\(name).forwarding"] = "1"
            if name == "cw-vxlan" { space.links[at].link.checksumOffload = true }
        }
        guard isHost else { return addNames(&space) }
        space.sysctls["net.netfilter.nf_conntrack_max"] = "65536"
        space.sysctls["net.ipv4.neigh.default.gc_thresh3"] = "1024"
        for name in ["rp_filter", "route_localnet", "src_valid_mark"] {
            space.sysctls["net.ipv4.conf.all.\(name)"] = "0"
        }
        space.sysctls["net.ipv4.fwmark_reflect"] = "1"
        space.links.append(
            NamespaceState.Link(index: 90, link: Rtnl.Link(name: "cw-gone", kind: .bridge, mtu: 1500)))
        for subnet in ["10.0.0.0/24", "10.0.1.0/24"] {
            space.routes.append(
                Rtnl.Route(destination: CIDR(subnet)!, link: "cw-gone", table: 213, metric: 512))
        }
        resolve(&space)
    }

    /// A task's name server, and its way to its network.
    private static func addNames(_ space: inout NamespaceState) {
        space.sockets.append(
            NamespaceState.Socket(
                protocol: .udp, address: IPAddress("127.0.0.11")!, port: 53, processID: 9,
                processName: "causeway-keeper"))
        space.routes += space.addresses.map {
            Rtnl.Route(
                kind: .local, destination: $0.link == "lo" ? $0.address.network : $0.address, link: $0.link, table: 255)
        }
        space.routes += [
            Rtnl.Route(
                destination: CIDR("10.0.1.0/24")!, gateway: IPAddress("169.254.1.1"), link: "eth0",
                source: space.addresses.last?.address.address, isOnLink: true)
        ]
    }

    /// The lens knows a service's port and address by the comments that the daemon writes.
    private static func resolve(_ space: inout NamespaceState) {
        for at in space.tables[0].sets.indices
        where ["knownports", "vipaddresses"].contains(space.tables[0].sets[at].name) {
            for element in space.tables[0].sets[at].elements.indices {
                space.tables[0].sets[at].elements[element].comment = "service web"
            }
        }
    }

    // MARK: asking

    var patient: Patient { Patient(inventories, daemon: daemon, wasAsked: wasAsked, names: names) }

    func examine(_ check: String) -> Diagnosis.Result? {
        Checkup(only: [check]).examine(patient).results.first
    }

    // MARK: changing

    /// A host's own namespace.
    subscript(host host: Int) -> NamespaceState {
        get { inventories[host].namespaces[0] }
        set { inventories[host].namespaces[0] = newValue }
    }

    /// A namespace of the first host's by its name, or by the task that it is of.
    subscript(space name: String) -> NamespaceState {
        get { inventories[0].namespaces[position(name)] }
        set { inventories[0].namespaces[position(name)] = newValue }
    }

    private func position(_ name: String) -> Int {
        inventories[0].namespaces.firstIndex { $0.name == name || $0.name.hasPrefix("cw-\(name).") }!
    }

    func task(_ service: String) -> NamespaceState { self[space: service] }

    mutating func editLink(_ name: String, host: Int = 0, _ edit: (inout NamespaceState.Link) -> Void) {
        let at = self[host: host].links.firstIndex { $0.link.name == name }!
        edit(&inventories[host].namespaces[0].links[at])
    }

    mutating func editLink(_ name: String, space: String, _ edit: (inout NamespaceState.Link) -> Void) {
        let at = self[space: space].links.firstIndex { $0.link.name == name }!
        edit(&inventories[0].namespaces[position(space)].links[at])
    }

    mutating func editChain(
        _ table: String, _ chain: String, space: String = "host", _ edit: (inout IPTables.Chain) -> Void
    ) {
        let at = space == "host" ? 0 : position(space)
        let found = inventories[0].namespaces[at].iptables.firstIndex { $0.name == table && $0.family == .ip }!
        let place = inventories[0].namespaces[at].iptables[found].chains.firstIndex { $0.name == chain }!
        edit(&inventories[0].namespaces[at].iptables[found].chains[place])
    }

    /// A filter table of iptables on the first host, with one chain.
    mutating func addFilter(_ chain: IPTables.Chain, _ others: [IPTables.Chain] = []) {
        self[host: 0].iptables.append(IPTables.Table(family: .ip, name: "filter", chains: [chain] + others))
    }

    static func rule(_ text: String, _ matches: [IPTables.Match] = [], _ target: IPTables.Target) -> IPTables.Rule {
        IPTables.Rule(text: text, matches: matches, target: target)
    }

    /// The outer end of a task's pair.
    func outer(_ service: String) -> String {
        self[host: 0].links.first { $0.peerNamespace == task(service).inode }!.link.name
    }
}
