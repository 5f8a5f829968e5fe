import CausewayKernel
import CausewayModel

/// Bridges: which port a frame leaves by.
extension Walk {
    mutating func enterBridge(
        _ at: Int, _ bridge: NamespaceState.Link, from port: NamespaceState.Link
    ) -> Outcome {
        let name = bridge.link.name
        guard isOpen(port) else {
            return drop(at, "port \(port.link.name) of \(name) is \(port.port?.state ?? "closed")", nil)
        }
        guard let frame, !isOwn(frame, of: bridge, at) else {
            add(at, Stage(.bridge, name), "up to the IP stack")
            return .go(.input(at, name))
        }
        if world.sysctl(at, "net.bridge.bridge-nf-call-iptables") == 1 || bridge.bridge?.callsIPTables == true {
            let links = HookLinks(incoming: name, outgoing: name)
            if let outcome = call(.prerouting, at, HookLinks(incoming: name)) { return outcome }
            if let outcome = call(.forward, at, links) { return outcome }
            if let outcome = call(.postrouting, at, links) { return outcome }
        }
        return leaveBridge(at, bridge, frame, from: port)
    }

    private func isOpen(_ port: NamespaceState.Link) -> Bool {
        port.link.isUp && (port.port.map { $0.state == "forwarding" } ?? true)
    }

    /// The bridge's own address, or that of one of its ports.
    private func isOwn(_ address: MACAddress, of bridge: NamespaceState.Link, _ at: Int) -> Bool {
        address == bridge.link.address
            || world[at].stations.contains { $0.bridge == bridge.link.name && $0.address == address && $0.isOwn }
    }

    /// By the port behind which the bridge knows the target, else by all: then what matters is who takes the frame.
    mutating func leaveBridge(
        _ at: Int, _ bridge: NamespaceState.Link, _ target: MACAddress?, from incoming: NamespaceState.Link?
    ) -> Outcome {
        let name = bridge.link.name
        let whom = target.map { "\($0)" } ?? "anybody"
        let ports = world[at].links.filter { $0.controller == name && isOpen($0) && admits($0, from: incoming) }
        let station = world[at].stations.first { $0.bridge == name && $0.address == target && !$0.isOwn }
        if let station, let port = ports.first(where: { $0.link.name == station.port }) {
            add(at, Stage(.bridge, name), "knows \(whom) behind port \(station.port)")
            frame = target
            return cross(at, port, "out", nextHop: nil)
        }
        if let station, station.port == incoming?.link.name {
            add(at, Stage(.bridge, name), "knows \(whom) behind port \(station.port), by which the frame came in")
            return drop(at, "\(name) sends no frame back by the port that it came in by, \(station.port)", nil)
        }
        guard let port = flooded(ports, target, at) else {
            add(at, Stage(.bridge, name), "floods: no port leads to \(whom)")
            return drop(at, "no port of \(name) leads to the next hop", nil)
        }
        // An inventory of an earlier release has no stations at all.
        let knowsNobody = !world[at].stations.contains { $0.bridge == name }
        add(
            at, Stage(.bridge, name),
            knowsNobody ? "to port \(port.link.name)" : "floods, and by port \(port.link.name) gets to \(whom)")
        frame = target
        return cross(at, port, "out", nextHop: nil)
    }

    /// `should_deliver`: not back, unless hairpin is on, and not from one isolated port to another.
    private func admits(_ port: NamespaceState.Link, from incoming: NamespaceState.Link?) -> Bool {
        guard let incoming else { return true }
        if port.link.name == incoming.link.name { return port.port?.isHairpin ?? false }
        return !(port.port?.isIsolated ?? false && incoming.port?.isIsolated ?? false)
    }

    /// Of the ports that a flooded frame leaves by, the one that leads to its target.
    private func flooded(
        _ ports: [NamespaceState.Link], _ target: MACAddress?, _ at: Int
    ) -> NamespaceState.Link? {
        let flooding = ports.filter { $0.port?.floods ?? true }
        let hearing = flooding.first { port in
            guard let peer = world.peer(of: port, in: at), let target else { return false }
            return hears(peer, target)
        }
        let tunnel = flooding.first { port in
            target.map { target in
                world[at].forwarding.contains { $0.link == port.link.name && $0.address == target }
            } ?? false
        }
        // A port whose other end is not known has more behind it than the inventory shows.
        return hearing ?? tunnel ?? flooding.first { $0.peerIndex == nil }
    }

    /// Whether a frame for `target` is wanted at the other end of a port: there, or behind a bridge of which it is one.
    private func hears(_ peer: (position: Int, link: NamespaceState.Link), _ target: MACAddress) -> Bool {
        if peer.link.link.address == target { return true }
        guard let bridge = peer.link.controller else { return false }
        return world[peer.position].links.contains { link in
            link.link.address == target && (link.link.name == bridge || link.controller == bridge)
        }
    }
}
