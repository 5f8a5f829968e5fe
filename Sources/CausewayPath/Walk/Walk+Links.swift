import CausewayKernel
import CausewayModel

/// Devices, bridges, and who answers for an address on a link.
extension Walk {
    mutating func receive(_ at: Int, _ link: NamespaceState.Link) -> Outcome {
        let name = link.link.name
        guard link.link.isUp else { return drop(at, "\(name) is down", .deviceNotReady) }
        add(at, Stage(.deviceIn, name), "in")
        if link.controller == nil, let frame, let own = link.link.address, frame != own {
            return drop(
                at, "the frame is for \(frame), \(name) is \(own): a neighbour entry of the sender is stale",
                .otherHost)
        }
        if let verdict = callIngress(at, name) { return .end(verdict) }
        guard let bridge = link.controller, let device = world.link(at, named: bridge),
            device.link.kind == .bridge
        else { return .go(.input(at, name)) }
        return enterBridge(at, device, from: link)
    }

    // MARK: bridges

    private mutating func enterBridge(
        _ at: Int, _ bridge: NamespaceState.Link, from port: NamespaceState.Link
    ) -> Outcome {
        guard let frame, frame != bridge.link.address else {
            add(at, Stage(.bridge, bridge.link.name), "up to the IP stack")
            return .go(.input(at, bridge.link.name))
        }
        if world.sysctl(at, "net.bridge.bridge-nf-call-iptables") == 1 {
            let name = bridge.link.name
            let links = HookLinks(incoming: name, outgoing: name)
            if let verdict = call(.prerouting, at, HookLinks(incoming: name)) { return .end(verdict) }
            if let verdict = call(.forward, at, links) { return .end(verdict) }
            if let verdict = call(.postrouting, at, links) { return .end(verdict) }
        }
        return leaveBridge(at, bridge, frame, except: port.link.name)
    }

    private mutating func leaveBridge(
        _ at: Int, _ bridge: NamespaceState.Link, _ target: MACAddress?, except: String?
    ) -> Outcome {
        let ports = world[at].links.filter {
            $0.controller == bridge.link.name && $0.link.name != except && $0.link.isUp
        }
        let toTarget = ports.first { port in
            guard let peer = world.peer(of: port, in: at), let target else { return false }
            return hears(peer, target)
        }
        let uplink = ports.first { $0.peerIndex == nil }
        guard let port = toTarget ?? uplink else {
            add(at, Stage(.bridge, bridge.link.name), "floods: no port leads to \(target.map { "\($0)" } ?? "anybody")")
            return drop(at, "no port of \(bridge.link.name) leads to the next hop", nil)
        }
        add(at, Stage(.bridge, bridge.link.name), "to port \(port.link.name)")
        frame = target
        return cross(at, port, "out", nextHop: nil)
    }

    /// Whether a frame for `target` is wanted at the other end of a port: there, or behind a bridge of which it is one.
    private func hears(_ peer: (position: Int, link: NamespaceState.Link), _ target: MACAddress) -> Bool {
        if peer.link.link.address == target { return true }
        guard let bridge = peer.link.controller else { return false }
        return world[peer.position].links.contains { link in
            link.link.address == target && (link.link.name == bridge || link.controller == bridge)
        }
    }

    // MARK: leaving

    mutating func transmit(_ at: Int, _ name: String, nextHop: IPAddress) -> Outcome {
        guard let link = world.link(at, named: name) else {
            return drop(at, "the route leads to \(name), which does not exist", .noOutputRoute)
        }
        guard link.link.isUp else { return drop(at, "\(name) is down", .deviceNotReady) }
        let neighbor = resolve(nextHop, on: link, at)
        frameSource = link.link.address
        switch neighbor {
        case .failed(let why):
            add(at, Stage(.neighbor, name), why)
            return drop(at, why, .neighborFailed)
        case .known(let address, _) where link.link.kind == .bridge:
            return leaveBridge(at, link, address, except: nil)
        case .known(let address, let how):
            frame = address
            return cross(
                at, link, "out to \(nextHop)" + (how.isEmpty ? "" : " (\(how))"), nextHop: nextHop)
        }
    }

    /// Goes to the other end, or leaves the host.
    private mutating func cross(_ at: Int, _ link: NamespaceState.Link, _ action: String, nextHop: IPAddress?)
        -> Outcome
    {
        let name = link.link.name
        guard link.peerIndex != nil else { return leave(at, link, action, nextHop: nextHop) }
        guard let peer = world.peer(of: link, in: at) else {
            if world.isUplink(link, at) { return leave(at, link, action, nextHop: nextHop) }
            add(at, Stage(.deviceOut, name), action) { hop in
                hop.uncertain = ["the other end of \(name) is in a namespace that could not be read"]
            }
            return .end(Verdict(.sent, world.place(at), "into \(name), whose other end was not read"))
        }
        add(at, Stage(.cross, name), action)
        if peer.position != at { forgetNamespace() }
        tracked = nil
        return .go(.receive(peer.position, peer.link))
    }

    private mutating func leave(
        _ at: Int, _ link: NamespaceState.Link, _ action: String, nextHop: IPAddress?
    ) -> Outcome {
        let name = link.link.name
        add(at, Stage(.deviceOut, name), action)
        exit = (at, name)
        if link.link.kind == .other("dummy") {
            return drop(at, "\(name) is a dummy: it swallows everything", nil)
        }
        if case .vxlan(let identifier, let local, let port) = link.link.kind {
            return encapsulate(at, link, to: frame, identifier, local: local, port: port)
        }
        // Whatever is between two hosts is not shown by their inventories: the frame that arrives is another one.
        if let other = nextHop.flatMap({ world.arrival(of: $0, from: at) })
            ?? world.arrival(of: packet.destination, from: at)
        {
            (frame, frameSource) = (nil, nil)
            forgetNamespace()
            return .go(.receive(other.position, other.link))
        }
        if let carried {
            return .end(
                Verdict(
                    .sent, world.place(at),
                    "leaves \(name) for \(packet.destination), of which there is no inventory, with "
                        + carried.packet.header + " inside"))
        }
        if let question, !packet.answers(question) {
            return drop(
                at,
                "leaves \(name) as \(packet.header), but \(question.sourceText) waits for \(question.destinationText)",
                nil)
        }
        return .end(Verdict(.sent, world.place(at), "leaves \(name) as \(packet.header)"))
    }

    // MARK: neighbours

    private enum Resolution {
        case known(MACAddress?, String)
        case failed(String)
    }

    private func resolve(_ nextHop: IPAddress, on link: NamespaceState.Link, _ at: Int) -> Resolution {
        let entry = world[at].neighbors.first {
            $0.neighbor.link == link.link.name && $0.neighbor.destination == nextHop
        }
        if let entry, entry.state != "failed", entry.state != "incomplete" {
            return .known(entry.neighbor.address, "\(entry.state) neighbour")
        }
        let ends: [(position: Int, link: NamespaceState.Link)] = segment(of: link, at)
        if case .vxlan = link.link.kind {
            return .failed("no neighbour entry for \(nextHop) on \(link.link.name): nobody can be asked in a tunnel")
        }
        guard !ends.isEmpty else { return .known(nil, "") }
        if let answering = ends.first(where: { answers(for: nextHop, $0.position, $0.link) }) {
            return .known(answering.link.link.address, "")
        }
        // A bridge with a port of a physical device has more on it than the inventory shows.
        let isOpen =
            link.link.kind == .bridge
            && world[at].links.contains { $0.controller == link.link.name && $0.peerIndex == nil }
        if isOpen { return .known(nil, "") }
        return .failed("nobody answers for \(nextHop) on \(link.link.name)")
    }

    /// The ends that hear what is sent into a link.
    private func segment(
        of link: NamespaceState.Link, _ at: Int
    ) -> [(position: Int, link: NamespaceState.Link)] {
        func ports(of bridge: String, _ position: Int, except: UInt32?) -> [(position: Int, link: NamespaceState.Link)]
        {
            world[position].links.filter { $0.controller == bridge && $0.index != except && $0.link.isUp }
                .compactMap { world.peer(of: $0, in: position) }
        }
        if link.link.kind == .bridge { return ports(of: link.link.name, at, except: nil) }
        guard let peer = world.peer(of: link, in: at) else { return [] }
        guard let bridge = peer.link.controller else { return [peer] }
        let own = world.link(peer.position, named: bridge).map { [(position: peer.position, link: $0)] } ?? []
        return own + ports(of: bridge, peer.position, except: peer.link.index)
    }

    /// Whether a namespace answers on a link when asked who has an address.
    private func answers(for address: IPAddress, _ position: Int, _ link: NamespaceState.Link) -> Bool {
        let name = link.link.name
        let onLink = world[position].addresses.contains { $0.link == name && $0.address.address == address }
        if onLink { return true }
        guard address.family == .ip else { return false }
        let ignore = max(
            world.sysctl(position, "net.ipv4.conf.all.arp_ignore") ?? 0,
            world.sysctl(position, "net.ipv4.conf.\(name).arp_ignore") ?? 0)
        if ignore == 0, world.holds(position, address), !address.isLoopback { return true }
        let proxies = max(
            world.sysctl(position, "net.ipv4.conf.all.proxy_arp") ?? 0,
            world.sysctl(position, "net.ipv4.conf.\(name).proxy_arp") ?? 0)
        guard proxies > 0, let route = Routing(world[position]).decide(RouteQuery(destination: address)).route else {
            return false
        }
        return route.kind == .unicast && route.link != name
    }
}
