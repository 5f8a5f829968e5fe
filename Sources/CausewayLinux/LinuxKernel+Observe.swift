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

    func state(_ parts: KernelParts, sysctls: [String]) throws(KernelError) -> KernelState {
        var state = KernelState()
        let tables: [NetfilterSocket.TableName]
        let socket: NetfilterSocket
        do throws(NetlinkError) {
            if parts.contains(.links) { try readRoute(&state) }
            if let memory { socket = try memory.socket() } else { socket = try NetfilterSocket() }
            tables = parts.isDisjoint(with: [.tables, .forward]) ? [] : try socket.tables()
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
        return state
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
        let ours = links.filter { scope.owns(link: $0.name) }
        let indices = Set(ours.map(\.index))
        for link in ours { state.links[link.name] = try self.link(link, socket) }
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
        case "vxlan": return link.vxlan ?? .other("vxlan")
        case "veth":
            if scope == .task { return .vethPeer }
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
