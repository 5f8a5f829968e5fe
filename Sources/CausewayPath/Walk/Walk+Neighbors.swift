import CausewayKernel
import CausewayModel

/// Who answers for an address on a link.
extension Walk {
    enum Resolution {
        case known(MACAddress?, String)
        case failed(String)
    }

    func resolve(_ nextHop: IPAddress, on link: NamespaceState.Link, _ at: Int) -> Resolution {
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
        let proxies = tunnels(on: link, at)
        guard !ends.isEmpty || !proxies.isEmpty else { return .known(nil, "") }
        if let answering = ends.first(where: { answers(for: nextHop, $0.position, $0.link) }) {
            return .known(answering.link.link.address, "")
        }
        for (position, tunnel) in proxies {
            let known = world[position].neighbors.first {
                $0.neighbor.link == tunnel.link.name && $0.neighbor.destination == nextHop
            }
            if let known { return .known(known.neighbor.address, "\(tunnel.link.name) answers for it") }
        }
        // A bridge with a port of a physical device has more on it than the inventory shows.
        if isOpenSegment(link, at) { return .known(nil, "") }
        let silent = proxies.first.map { ", and \($0.1.link.name) has no entry for it" } ?? ""
        return .failed("nobody answers for \(nextHop) on \(link.link.name)\(silent)")
    }

    /// The bridge that hears what is sent into a link.
    private func bridge(of link: NamespaceState.Link, _ at: Int) -> (position: Int, name: String)? {
        if link.link.kind == .bridge { return (at, link.link.name) }
        guard let peer = world.peer(of: link, in: at), let name = peer.link.controller else { return nil }
        return (peer.position, name)
    }

    /// The tunnels there that answer questions from their own entries (`vxlan … proxy`).
    private func tunnels(
        on link: NamespaceState.Link, _ at: Int
    ) -> [(position: Int, link: NamespaceState.Link)] {
        guard let bridge = bridge(of: link, at) else { return [] }
        return world[bridge.position].links
            .filter { $0.controller == bridge.name && $0.tunnel?.answersNeighbors ?? false }
            .map { (bridge.position, $0) }
    }

    /// Whether somebody may answer of whom no inventory tells.
    private func isOpenSegment(_ link: NamespaceState.Link, _ at: Int) -> Bool {
        guard let bridge = bridge(of: link, at) else { return false }
        return world[bridge.position].links.contains { port in
            port.controller == bridge.name && port.peerIndex == nil && !(port.tunnel?.answersNeighbors ?? false)
        }
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
