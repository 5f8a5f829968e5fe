import CausewayKernel
import CausewayModel
import Glibc

/// One look at what is ours in the calling thread's namespace.
struct Observation {
    let scope: LinuxKernel.Scope
    /// Its path, for errors.
    let namespace: String
    let memory: NftMemory?
    /// Where namespaces have their names.
    let directory: String
    let wanted: LinuxKernel.Wanted

    init(_ kernel: LinuxKernel) {
        scope = kernel.scope
        namespace = kernel.namespace.path
        memory = kernel.memory
        directory = kernel.directory
        wanted = kernel.wanted
    }

    func state(_ parts: KernelParts, sysctls: [String]) throws(KernelError) -> KernelState {
        var state = KernelState()
        let tables: [NetfilterSocket.TableName]
        let socket: NetfilterSocket
        do throws(NetlinkError) {
            if parts.contains(.links) { try readRoute(&state) }
            if let memory { socket = try memory.socket() } else { socket = try NetfilterSocket() }
            tables = parts.isDisjoint(with: [.tables, .forward, .firewall]) ? [] : try socket.tables()
        } catch {
            throw error.kernelError("read namespace \(namespace)")
        }
        for (name, link) in state.links where link.kind.isTunnel {
            // Only what differs from the kernel's own choice is told.
            if try ChecksumOffload.isOn(name) == false { state.links[name]?.checksumOffload = false }
        }
        if parts.contains(.tables) { state.tables = try NftTables(memory: memory).read(socket) }
        if !parts.isDisjoint(with: [.links, .sysctls]) {
            for name in sysctls { state.sysctls[name] = try Sysctl.read(name) }
        }
        if scope == .host, parts.contains(.forward) { state.forwardAccepts = try forwardAccepts(tables, socket) }
        if parts.contains(.balancers), scope == .sandbox || wanted.hasBalancers { state.balancers = try balancers() }
        if parts.contains(.firewall), ownsFirewall(state) {
            state.firewall = try Firewall(isSandbox: scope != .host).read(among: tables)
        }
        return state
    }

    /// A gateway bridge that we made, and that was not seen off, has rules of ours with it.
    private func ownsFirewall(_ state: KernelState) -> Bool {
        scope == .sandbox || wanted.hasFirewall || (scope == .host && state.links[Rtnl.gatewayBridge] != nil)
    }

    /// None where the kernel has no IPVS, or has not loaded it yet.
    private func balancers() throws(KernelError) -> [IPVS.Service] {
        guard let text = ProcFile.text("/proc/thread-self/net/ip_vs") else { return [] }
        do throws(IPVS.ReadError) {
            return try IPVS.read(proc: text).map(\.normalised).sorted { $0.key < $1.key }
        } catch {
            throw KernelError("read the balancers of namespace \(namespace)", errno: 0, detail: "\(error)")
        }
    }

    /// By its name, by the desired state, or by the note that we left at a bridge which others might have made.
    private func owns(_ link: LinkMessage) -> Bool {
        if wanted.links.contains(link.name) { return true }
        switch scope {
        case .host:
            return link.name.hasPrefix(Rtnl.linkPrefix)
                || (link.name == Rtnl.gatewayBridge && LinkAlias.isOurs(link.alias))
        case .task: return link.name == "lo" || link.name == "eth0"
        // Some modules put a link of theirs into every namespace, and nobody can take it away.
        case .sandbox: return ["loopback", "veth", "bridge", "vxlan"].contains(link.kind)
        }
    }

    /// Only our own table gives packets the mark that others are to accept: where nobody filters, there is something
    /// to accept as long as there is that table.
    private func forwardAccepts(
        _ tables: [NetfilterSocket.TableName], _ socket: NetfilterSocket
    ) throws(KernelError) -> Set<IPFamily> {
        let firewalld: FirewalldFilter?
        do throws(NetlinkError) {
            firewalld = try FirewalldFilter(socket, among: tables)
        } catch {
            throw error.kernelError("read firewalld's rules in namespace \(namespace)")
        }
        var families: Set<IPFamily> = []
        for family in IPFamily.allCases {
            switch try ForwardEntry(family, nftables: tables, firewalld: firewalld).state() {
            case .present: families.insert(family)
            case .missing: break
            case .notFiltered:
                if tables.contains(where: { $0.name == KernelState.tableName }) { families.insert(family) }
            }
        }
        return families
    }

    // MARK: rtnetlink

    private func readRoute(_ state: inout KernelState) throws(NetlinkError) {
        let socket = try RouteSocket()
        let links = try socket.links()
        let names = Dictionary(links.map { ($0.index, $0.name) }) { $1 }
        let ours = links.filter(owns)
        let indices = Set(ours.map(\.index))
        for link in ours {
            state.links[link.name] = try self.link(link, socket)
            state.links[link.name]?.master = link.controllerIndex.flatMap { names[$0] }
        }
        for link in ours where link.kind == "vxlan" {
            for entry in try socket.forwarding(linkIndex: link.index) where entry.isPermanent {
                state.forwarding.insert(
                    Rtnl.ForwardingEntry(link: link.name, address: entry.address, destination: entry.destination))
            }
        }

        for address in try socket.addresses() where indices.contains(address.linkIndex) {
            let link = names[address.linkIndex] ?? ""
            guard !address.isKernelMade(on: link) else { continue }
            state.addresses.insert(Rtnl.Address(link: link, address: address.address))
        }
        for family in IPFamily.allCases {
            for route in try socket.routes(family, protocol: Rtnl.causewayProtocol) {
                state.routes.formUnion(route.routes(names: names).map(\.asDesired))
            }
            state.rules.formUnion(try socket.rules(family).filter { $0.protocol == Rtnl.causewayProtocol })
        }
        for neighbor in try socket.neighbors() where indices.contains(neighbor.linkIndex) && neighbor.isPermanent {
            guard let address = neighbor.address, let link = names[neighbor.linkIndex] else { continue }
            state.neighbors.insert(Rtnl.Neighbor(link: link, destination: neighbor.destination, address: address))
        }
    }

    private func link(_ link: LinkMessage, _ socket: RouteSocket) throws(NetlinkError) -> Rtnl.Link {
        let alias = LinkAlias(link.alias)
        return Rtnl.Link(
            name: link.name, kind: try kind(link, alias, socket),
            address: alias.isAddressAutomatic ? nil : link.address, mtu: alias.isMTUAutomatic ? nil : link.mtu,
            isUp: link.isUp, alias: alias.text)
    }

    private func kind(
        _ link: LinkMessage, _ alias: LinkAlias, _ socket: RouteSocket
    ) throws(NetlinkError) -> Rtnl.Link.Kind {
        switch link.kind {
        case "loopback": return .loopback
        case "bridge": return .bridge
        case "vxlan":
            if link.tunnel?.answersNeighbors == true, link.peerNamespaceID != nil,
                case .vxlan(let id, let local?, let port)? = link.vxlan
            {
                return .overlayVxlan(id: id, local: local, port: port)
            }
            return link.vxlan ?? .other("vxlan")
        case "veth":
            if scope == .task || (scope == .sandbox && alias.peer == nil) { return .vethPeer }
            // The name may stand for another namespace by now, or for none: then the pair has to be made again.
            guard let peer = alias.peer, let number = link.peerNamespaceID,
                try number == self.number(ofNamespace: peer.namespace, socket)
            else { return .other("veth") }
            return .veth(peer: peer.name, namespace: peer.namespace)
        default: return .other(link.kind)
        }
    }

    private func number(ofNamespace name: String, _ socket: RouteSocket) throws(NetlinkError) -> Int32? {
        let descriptor = open(NetworkNamespace(name: name, in: directory).path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        do throws(NetlinkError) {
            return try socket.number(ofNamespace: descriptor)
        } catch {
            // A file with no namespace behind it.
            guard error.cause == .refused else { throw error }
            return nil
        }
    }
}

extension Rtnl.Link.Kind {
    fileprivate var isTunnel: Bool { if case .vxlan = self { true } else { false } }
}

extension Rtnl.Route {
    /// The route as it was asked for: in IPv6 the kernel leads refusals to lo.
    var asDesired: Rtnl.Route {
        var route = self
        if kind.isRefusal { route.link = nil }
        return route
    }

    /// Why the kernel would give back another route than this one; `nil` when it would not.
    var whyNotFaithful: String? {
        if destination != destination.network { return "the destination has bits behind its prefix" }
        if kind.isRefusal, link != nil || gateway != nil { return "a route that refuses has no link and no gateway" }
        if destination.family == .ip6, scope != .global { return "IPv6 routes have global scope" }
        return nil
    }
}
