import CausewayKernel
import CausewayModel
import Glibc

/// Reads all of one namespace: the calling thread's.
struct NamespaceReader {
    /// The namespaces of the host, by inode, each with a descriptor that stays open meanwhile.
    let others: [(inode: UInt64, descriptor: Int32)]
    let processes: ProcessTable

    var state: NamespaceState
    private(set) var gaps: [String] = []

    init(
        name: String, path: String, inode: UInt64, others: [(inode: UInt64, descriptor: Int32)],
        processes: ProcessTable
    ) {
        self.others = others
        self.processes = processes
        state = NamespaceState(name: name, path: path, inode: inode)
    }

    mutating func read() {
        attempt("links, addresses and routes") { reader throws(NetlinkError) in try reader.readRoute() }
        attempt("sockets") { reader throws(NetlinkError) in try reader.readSockets() }
        attempt("nftables") { reader throws(NetlinkError) in try reader.readTables() }
        readOldTables()
        readBalancers()
        readSysctls()
        state.isInhabited = processes.ofNamespace[state.inode] != nil
    }

    private mutating func attempt(_ what: String, _ body: (inout Self) throws(NetlinkError) -> Void) {
        do throws(NetlinkError) {
            try body(&self)
        } catch {
            gap("\(what) cannot be read: \(error)")
        }
    }

    mutating func gap(_ text: String) { gaps.append("namespace \(state.name): \(text)") }

    // MARK: rtnetlink

    private mutating func readRoute() throws(NetlinkError) {
        let socket = try RouteSocket()
        let links = try socket.links()
        let names = Dictionary(links.map { ($0.index, $0.name) }) { $1 }
        let namespaces = try namespacesByNumber(links, socket)
        state.links = links.map { link in
            let isElsewhere = link.peerNamespaceID.map { namespaces[$0] == nil } ?? false
            // An index means something in a namespace that is read; the end of a link to another one is like a card's.
            let hasPeer = (link.kind == "veth" || link.kind == "netkit") && !isElsewhere
            return NamespaceState.Link(
                index: link.index, link: Self.shown(link), peerIndex: hasPeer ? link.peerIndex : nil,
                peerNamespace: hasPeer ? link.peerNamespaceID.map { namespaces[$0] ?? 0 } : nil,
                controller: link.controllerIndex.flatMap { names[$0] }, hasCarrier: link.hasCarrier,
                bridge: link.bridge, port: link.port, tunnel: Self.tunnel(link, namespaces))
        }
        readOffloads()
        state.addresses = try socket.addresses().map {
            Rtnl.Address(link: names[$0.linkIndex] ?? "if\($0.linkIndex)", address: $0.address)
        }
        try readForwarding(links, socket)
        for family in IPFamily.allCases {
            let routes = try socket.routes(family)
            state.routes += routes.flatMap { $0.routes(names: names) }
            for route in routes where route.kind == nil {
                gap("the route to \(route.destination) in table \(route.table) is of a kind that is not known here")
            }
            state.rules += try socket.rules(family)
        }
        readNeighbors(try socket.neighbors(), names)
    }

    private mutating func readForwarding(_ links: [LinkMessage], _ socket: RouteSocket) throws(NetlinkError) {
        for link in links where link.kind == "vxlan" {
            state.forwarding += try socket.forwarding(linkIndex: link.index).map {
                Rtnl.ForwardingEntry(
                    link: link.name, address: $0.address, destination: $0.destination,
                    isLearned: $0.isPermanent ? nil : true)
            }
        }
        guard links.contains(where: { $0.kind == "bridge" }) else { return }
        let names = Dictionary(links.map { ($0.index, $0.name) }) { $1 }
        state.stations = try socket.stations().compactMap { station in
            guard let bridge = names[station.bridgeIndex], let port = names[station.linkIndex] else { return nil }
            return NamespaceState.Station(
                bridge: bridge, port: port, address: station.address, isOwn: station.isOwn,
                isStatic: station.isStatic, vlan: station.vlan)
        }
    }

    /// The outer packets travel where the link was made, wherever it is now.
    private static func tunnel(_ link: LinkMessage, _ namespaces: [Int32: UInt64]) -> NamespaceState.Tunnel? {
        guard var tunnel = link.tunnel else { return nil }
        tunnel.underlay = link.peerNamespaceID.map { namespaces[$0] ?? 0 }
        return tunnel
    }

    /// A link as it is, its alias read if we wrote it.
    private static func shown(_ link: LinkMessage) -> Rtnl.Link {
        let alias = LinkAlias(link.alias)
        let kind: Rtnl.Link.Kind
        switch link.kind {
        case "loopback": kind = .loopback
        case "bridge": kind = .bridge
        case "vxlan": kind = link.vxlan ?? .other("vxlan")
        case "veth":
            if let peer = alias.peer {
                kind = .veth(peer: peer.name, namespace: peer.namespace)
            } else {
                kind = link.alias != nil && alias.text != link.alias ? .vethPeer : .other("veth")
            }
        default: kind = .other(link.kind)
        }
        return Rtnl.Link(
            name: link.name, kind: kind, address: link.address, mtu: link.mtu, isUp: link.isUp, alias: alias.text)
    }

    /// Which namespace each of this one's own numbers stands for.
    ///
    /// Asks until all that its links name are known: in a
    /// task's namespace that is the host's alone.
    private func namespacesByNumber(_ links: [LinkMessage], _ socket: RouteSocket) throws(NetlinkError) -> [Int32:
        UInt64]
    {
        var wanted = Set(links.compactMap(\.peerNamespaceID))
        var found: [Int32: UInt64] = [:]
        for other in others {
            if wanted.isEmpty { break }
            guard other.inode != state.inode, let number = try socket.number(ofNamespace: other.descriptor) else {
                continue
            }
            found[number] = other.inode
            wanted.remove(number)
        }
        return found
    }

    // MARK: sockets

    private mutating func readSockets() throws(NetlinkError) {
        state.sockets = try SocketDiagnostics().receivers().map { found in
            let process = processes.ofSocket[found.inode]
            return NamespaceState.Socket(
                protocol: found.protocol, address: found.address, port: found.port, isV6Only: found.isV6Only,
                processID: process?.id, processName: process?.name)
        }.sorted { ($0.protocol, $0.port, $0.address) < ($1.protocol, $1.port, $1.address) }
    }

    // MARK: tables

    private mutating func readTables() throws(NetlinkError) {
        let socket = try NetfilterSocket()
        let tables = try socket.tables()
        guard !tables.isEmpty else { return }
        let chains = try socket.chains()
        // The kernel lists tables, and the chains of each, in the order in which they were made.
        state.baseChains = chains.filter(\.isBase).map { "\($0.table.family.rawValue) \($0.table.name) \($0.name)" }
        let foreign = Self.ofIPTables(tables, chains: chains)
        for table in tables where !foreign.contains(table) {
            do throws(KernelError) {
                state.tables += try Nftables.list(table.family, table.name)
            } catch {
                gap(error.description)
            }
        }
        for family in IPFamily.allCases where foreign.contains(where: { $0.family.rawValue == family.rawValue }) {
            readIPTables(family, "nft")
        }
    }

    /// Tables that iptables-nft made: its names, and base chains named like their hooks.
    static func ofIPTables(
        _ tables: [NetfilterSocket.TableName], chains: [NetfilterSocket.ChainName]
    ) -> Set<NetfilterSocket.TableName> {
        let names: Set = ["filter", "nat", "mangle", "raw", "security"]
        let builtIn: Set = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]
        return Set(
            tables.filter { table in
                guard table.family == .ip || table.family == .ip6, names.contains(table.name) else { return false }
                let bases = chains.filter { $0.table == table && $0.isBase }
                return !bases.isEmpty && bases.allSatisfy { builtIn.contains($0.name) }
            })
    }

    /// Tables of the old interface, beside nftables.
    private mutating func readOldTables() {
        for family in IPFamily.allCases {
            let names = ProcFile.text("/proc/thread-self/net/\(family == .ip ? "ip" : "ip6")_tables_names") ?? ""
            if names.contains(where: { !$0.isWhitespace }) { readIPTables(family, "legacy") }
        }
    }

    private mutating func readIPTables(_ family: IPFamily, _ variant: String) {
        let base = family == .ip ? "iptables" : "ip6tables"
        guard let tool = ["\(base)-\(variant)-save", "\(base)-save"].first(where: { Command.find($0) != nil }) else {
            return gap("there are rules of \(base), and no program \(base)-save to read them: install iptables")
        }
        do throws(KernelError) {
            let output = try Command([tool, "-c"]).run()
            guard output.status == 0 else { return gap("\(tool) ended with status \(output.status): \(output.errors)") }
            state.iptables += IPTables.Table.read(save: output.output, family: family)
        } catch {
            gap(error.description)
        }
    }

    // MARK: balancers

    /// Absent where the kernel has no IPVS.
    private mutating func readBalancers() {
        let text = ProcFile.text("/proc/thread-self/net/ip_vs")
        state.hasIPVS = text != nil
        guard let text else { return }
        do throws(IPVS.ReadError) {
            state.ipvs = try IPVS.read(proc: text)
        } catch {
            gap("the balancers cannot be read: \(error)")
        }
    }
}
