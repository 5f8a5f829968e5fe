import CausewayKernel
import CausewayModel
import Glibc

/// Takes one step in the calling thread's namespace.
struct StepTaker {
    /// The step in the plan's words, for errors.
    let text: String
    /// Where namespaces have their names.
    var directory = NetworkNamespace.directory
    var isHost = false
    /// A socket in the namespace in which a tunnel's outer packets travel.
    var underlay: NetlinkSocket?

    /// Takes a step that rtnetlink can take; `false` says that it is not one.
    func takeOverRoute(_ step: Plan.Step) throws(NetlinkError) -> Bool {
        switch step {
        case .linkAdd(let link): try add(link)
        case .linkSet(let link, let old): try set(link, from: old)
        case .linkDelete(let link):
            if try isAdopted(link) { break }
            var message = NetlinkWriter(type: RTM.deleteLink)
            message.linkHeader(index: try index(link.name))
            try request(message)
        case .addressAdd(let address): try request(self.address(RTM.newAddress, address))
        case .addressDelete(let address): try request(self.address(RTM.deleteAddress, address))
        case .routeAdd(let route):
            if let why = route.whyNotFaithful { throw NetlinkError(.refused, errno: EINVAL, detail: why) }
            try request(self.route(RTM.newRoute, route))
        case .routeDelete(let route): try request(self.route(RTM.deleteRoute, route))
        case .routeReplace(let route, _):
            if let why = route.whyNotFaithful { throw NetlinkError(.refused, errno: EINVAL, detail: why) }
            try request(self.route(RTM.newRoute, route, replacing: true))
        case .ruleAdd(let rule): try request(self.rule(RTM.newRule, rule))
        case .ruleDelete(let rule): try request(self.rule(RTM.deleteRule, rule))
        case .forwardingAdd(let entry): try request(forwarding(RTM.newNeighbor, entry))
        case .forwardingDelete(let entry): try request(forwarding(RTM.deleteNeighbor, entry))
        case .neighborAdd(let neighbor): try add(neighbor)
        case .neighborDelete(let neighbor):
            try request(.neighborDelete(neighbor, linkIndex: try index(neighbor.link)))
        case .sysctlSet, .forwardAcceptAdd, .forwardAcceptDelete, .tableReplace, .tableDelete, .elementsChange,
            .balancerAdd, .balancerDelete, .destinationAdd, .destinationSet, .destinationDelete, .firewallChange:
            return false
        }
        return true
    }

    /// Takes any other step, and the part of a link's that rtnetlink does not know.
    func takeOtherwise(_ step: Plan.Step) throws(KernelError) {
        switch step {
        case .linkAdd(let link) where link.checksumOffload == false: try ChecksumOffload.set(false, of: link.name)
        case .linkSet(let link, let old) where link.checksumOffload != old.checksumOffload:
            try ChecksumOffload.set(link.checksumOffload ?? true, of: link.name)
        case .sysctlSet(let name, let value):
            if name.hasPrefix("net.ipv4.vs."), try Sysctl.read(name) == nil { BalancerStep.loadModule() }
            try Sysctl.write(name, value)
        case .forwardAcceptAdd(let family): try entry(family).add(step: text)
        case .forwardAcceptDelete(let family): try entry(family).delete(step: text)
        default: break
        }
    }

    private func entry(_ family: IPFamily) throws(KernelError) -> ForwardEntry {
        do throws(NetlinkError) {
            let socket = try NetfilterSocket()
            let tables = try socket.tables()
            return ForwardEntry(family, nftables: tables, firewalld: try FirewalldFilter(socket, among: tables))
        } catch {
            throw error.kernelError(text)
        }
    }

    // MARK: links

    private func add(_ link: Rtnl.Link) throws(NetlinkError) {
        var peerNamespace: Int32?
        if case .veth(_, let name) = link.kind {
            let path = NetworkNamespace(name: name, in: directory).path
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw NetlinkError(.refused, errno: errno, detail: "no namespace \(path)") }
            peerNamespace = descriptor
        }
        defer { if let peerNamespace { close(peerNamespace) } }
        if case .overlayVxlan = link.kind { return try addOverlay(link) }
        guard let message = NetlinkWriter.linkAdd(link, peerNamespace: peerNamespace) else {
            throw NetlinkError(
                .refused, errno: ENODEV, detail: "\(link.name) is not made by itself: it comes with its other end")
        }
        if case .vxlan = link.kind { try deleteRenamed(link) }
        try request(message)
        // The kernel takes no alias while it makes a link. Should this fail, the link has none, and is taken for
        // another kind of link at the next look, and made anew.
        let bare = Rtnl.Link(
            name: link.name, kind: link.kind, address: link.address, mtu: link.mtu, isUp: false, alias: nil)
        try set(link, from: bare, writesAlias: true)
    }

    /// Made from the underlay's namespace, straight into this one, it keeps its socket and its way there.
    private func addOverlay(_ link: Rtnl.Link) throws(NetlinkError) {
        let here = open(NetworkNamespace.current.path, O_RDONLY | O_CLOEXEC)
        guard here >= 0 else { throw NetlinkError(.call("open"), errno: errno) }
        defer { close(here) }
        guard let message = NetlinkWriter.linkAdd(link, namespace: here) else { return }
        let socket: NetlinkSocket
        if let underlay { socket = underlay } else { socket = try NetlinkSocket(.route) }
        try socket.request(message)
        let bare = Rtnl.Link(name: link.name, kind: link.kind, address: link.address, mtu: link.mtu, isUp: false)
        try set(link, from: bare, writesAlias: true)
    }

    /// A bridge that others made stays: it was only used.
    private func isAdopted(_ link: Rtnl.Link) throws(NetlinkError) -> Bool {
        guard isHost, link.name == Rtnl.gatewayBridge else { return false }
        return try RouteSocket().links().contains { $0.name == link.name && !LinkAlias.isOurs($0.alias) }
    }

    /// What is written at a link; one that others might have made is marked even when there is nothing to say.
    private func note(_ link: Rtnl.Link, isNew: Bool) -> String {
        let text = LinkAlias(link).description
        return text.isEmpty && isNew && isHost && link.name == Rtnl.gatewayBridge
            ? "causeway link auto=address,mtu" : text
    }

    /// Deletes a tunnel of ours that somebody gave another name: it would keep its identifier and port from the new one.
    private func deleteRenamed(_ link: Rtnl.Link) throws(NetlinkError) {
        let alias = LinkAlias(link).description
        guard !alias.isEmpty else { return }
        for other in try RouteSocket().links() where other.name != link.name && other.alias == alias {
            var message = NetlinkWriter(type: RTM.deleteLink)
            message.linkHeader(index: other.index)
            try request(message)
        }
    }

    private func set(_ link: Rtnl.Link, from old: Rtnl.Link, writesAlias: Bool = false) throws(NetlinkError) {
        var message = NetlinkWriter(type: RTM.newLink)
        message.linkHeader(index: try index(link.name), up: link.isUp == old.isUp ? nil : link.isUp)
        if let mtu = link.mtu, mtu != old.mtu { message.attribute(IFLA.mtu, mtu) }
        if let address = link.address, address != old.address {
            message.attribute(IFLA.address) { $0.put(address.bytes) }
        }
        if link.master != old.master {
            message.attribute(
                IFLA.controller, try link.master.map { name throws(NetlinkError) in try index(name) } ?? 0)
        }
        if writesAlias || LinkAlias(link) != LinkAlias(old) {
            message.attribute(IFLA.alias) { $0.put(note(link, isNew: writesAlias).utf8) }
        }
        try request(message)
    }

    // MARK: the rest

    private func address(_ type: UInt16, _ address: Rtnl.Address) throws(NetlinkError) -> NetlinkWriter {
        .address(type, address.address, linkIndex: try index(address.link))
    }

    private func forwarding(
        _ type: UInt16, _ entry: Rtnl.ForwardingEntry
    ) throws(NetlinkError) -> NetlinkWriter {
        .forwarding(type, entry, linkIndex: try index(entry.link))
    }

    private func rule(_ type: UInt16, _ rule: NamespaceState.PolicyRule) throws(NetlinkError) -> NetlinkWriter {
        guard let message = NetlinkWriter.rule(type, rule) else {
            throw NetlinkError(.refused, errno: EINVAL, detail: "no rule has the action '\(rule.action)'")
        }
        return message
    }

    private func route(
        _ type: UInt16, _ route: Rtnl.Route, replacing: Bool = false
    ) throws(NetlinkError) -> NetlinkWriter {
        var index: UInt32?
        if let link = route.link { index = try self.index(link) }
        return .route(type, route, linkIndex: index, replacing: replacing)
    }

    /// Takes the place of an entry that the kernel has learned, never of one that somebody has set.
    private func add(_ neighbor: Rtnl.Neighbor) throws(NetlinkError) {
        let index = try index(neighbor.link)
        do throws(NetlinkError) {
            try request(.neighborAdd(neighbor, linkIndex: index))
        } catch {
            guard error.errno == EEXIST,
                let there = try RouteSocket().neighbors(linkIndex: index).first(where: {
                    $0.destination == neighbor.destination && $0.linkIndex == index
                }), !there.isPermanent
            else { throw error }
            try request(.neighborAdd(neighbor, linkIndex: index, replacing: true))
        }
    }

    private func index(_ name: String) throws(NetlinkError) -> UInt32 {
        let index = if_nametoindex(name)
        guard index != 0 else { throw NetlinkError(.refused, errno: ENODEV, detail: "no link \(name)") }
        return index
    }

    private func request(_ message: NetlinkWriter) throws(NetlinkError) {
        try NetlinkSocket(.route).request(message)
    }
}

extension Plan.Step {
    /// What to do about a refusal, where more is known than the number tells.
    func advice(_ errno: Int32) -> String? {
        switch (self, errno) {
        case (.linkAdd(let link), EOPNOTSUPP):
            guard link.kind.tunnel != nil else { return "load the module: modprobe veth" }
            return "load the module: modprobe vxlan"
        case (.linkAdd(let link), EEXIST): return "remove it, if nobody needs it: ip link delete \(link.name)"
        case (.linkAdd(let link), ENODEV):
            guard case .vethPeer = link.kind else { return nil }
            return "add the end that owns the pair, in the host's namespace"
        case (.routeAdd(let route), EEXIST):
            return "another route has its place: ip route show \(route.destination) table \(route.table)"
        case (.routeAdd, ENETDOWN): return "the link is down; the next round brings it up first"
        case (.addressAdd, EACCES), (.addressAdd, EPERM):
            return "IPv6 may be switched off on the link: set net.ipv6.conf.LINK.disable_ipv6 to 0"
        case (.routeAdd(let route), EINVAL):
            guard route.source != nil else { return nil }
            return "the preferred source has to be an address of this namespace"
        default: return nil
        }
    }
}
