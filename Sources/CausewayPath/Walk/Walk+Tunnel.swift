import CausewayKernel
import CausewayModel

/// A packet that travels inside another one.
struct Carried: Sendable {
    var packet: Packet
    /// The inner frame's addresses.
    var source: MACAddress?
    var destination: MACAddress
    var networkIdentifier: UInt32
}

/// Into a VXLAN device and out of one (RFC 7348; `vxlan_xmit`, `vxlan_rcv`).
extension Walk {
    /// What the outer headers add: Ethernet 14, VXLAN 8, UDP 8, IP.
    static func overhead(_ family: IPFamily) -> Int { family == .ip ? 50 : 70 }

    /// A frame that leaves by a VXLAN device: which host it is for, and the packet that carries it there.
    mutating func encapsulate(
        _ at: Int, _ link: NamespaceState.Link, to target: MACAddress?, _ identifier: UInt32, local: IPAddress?,
        port: UInt16
    ) -> Outcome {
        let name = link.link.name
        guard carried == nil else { return drop(at, "\(name) is reached through another tunnel: not followed", nil) }
        guard let target else {
            return drop(
                at, "no neighbour entry says to which Ethernet address \(name) should send", .neighborFailed)
        }
        guard let remote = remote(at, link, target) else {
            guard world.knowsForwarding(at) else {
                let text = "into the tunnel \(name) (VXLAN \(identifier)), to another host"
                return .end(Verdict(.sent, world.place(at), text))
            }
            return drop(
                at, "no forwarding entry of \(name) says behind which host \(target) is", .noRemote)
        }
        guard let outside = underlay(link, at) else {
            let text =
                "into the tunnel \(name) (VXLAN \(identifier)), whose outer packets travel in a namespace that was not read"
            return .end(Verdict(.sent, world.place(at), text))
        }
        let before = packet
        let own = local ?? source(toward: remote, outside)
        carried = Carried(
            packet: packet, source: frameSource, destination: target, networkIdentifier: identifier)
        var outer = Packet(.udp, from: own, 0, to: remote, port, mark: packet.mark)
        outer.length = packet.length.map { $0 + Self.overhead(remote.family) }
        packet = outer
        tracked = nil
        (isUntracked, isInvalid, zone) = (false, false, Zone())
        if outside != at {
            // skb_scrub_packet: another namespace learns nothing of the mark.
            packet.mark = 0
        }
        let mark = packet.mark == 0 ? "" : "; the mark 0x\(String(packet.mark, radix: 16)) goes along"
        add(
            at, Stage(.encapsulate, name), "into VXLAN \(identifier): \(target) is behind \(remote)\(mark)",
            from: before)
        frame = nil
        if outside != at { forgetNamespace() }
        return .go(.output(outside))
    }

    /// A link without an address of its own takes the one that the route says.
    private func source(toward remote: IPAddress, _ outside: Int) -> IPAddress {
        let routing = Routing(world[outside])
        return routing.preferredSource(for: routing.decide(RouteQuery(destination: remote)), to: remote)
            ?? Self.unspecified(remote.family)
    }

    /// The namespace in which a link's outer packets travel: where it was made; `nil` when that was not read.
    private func underlay(_ link: NamespaceState.Link, _ at: Int) -> Int? {
        guard let inode = link.tunnel?.underlay else { return at }
        return world.position(ofInode: inode)
    }

    /// The host behind which an Ethernet address is: its own entry, else the one for all others.
    private func remote(_ at: Int, _ link: NamespaceState.Link, _ target: MACAddress) -> IPAddress? {
        let entries = world[at].forwarding.filter { $0.link == link.link.name }
        let entry = entries.first { $0.address == target } ?? entries.first { $0.address.rawValue == 0 }
        return entry?.destination ?? link.tunnel?.remote
    }

    /// A tunnel's packet that the host takes for itself: the device with its port and number takes out what is inside.
    mutating func decapsulate(_ at: Int, _ inner: Carried) -> Outcome {
        let devices = tunnels(under: at, port: packet.destinationPort)
        guard !devices.isEmpty else {
            add(at, Stage(.socket, "closed port"), "(no VXLAN device takes port \(packet.destinationPort))")
            return drop(
                at,
                "no VXLAN device takes UDP port \(packet.destinationPort) here; the sender's kernel is told, its "
                    + "program is not", .noSocket)
        }
        let found = devices.first { $0.identifier == inner.networkIdentifier && $0.link.link.isUp }
        guard let (inside, device, _) = found else {
            let known = devices.map {
                "\($0.link.link.name): VXLAN \($0.identifier)\($0.link.link.isUp ? "" : ", down")"
            }
            return drop(
                at,
                "no VXLAN device that is up has the number \(inner.networkIdentifier) here "
                    + "(\(known.joined(separator: "; ")))", .unknownIdentifier)
        }
        let name = device.link.name
        if let own = device.link.address, own == inner.source {
            return drop(at, "the inner frame claims to come from \(name)'s own address \(own)", .ownAddress)
        }
        if let drop = refuseStranger(at, inside, device, inner) { return drop }
        let before = packet
        packet = inner.packet
        packet.mark = inside == at ? before.mark : 0
        carried = nil
        tracked = nil
        (isUntracked, isInvalid, zone) = (false, false, Zone())
        (frame, frameSource) = (inner.destination, inner.source)
        let from = inner.source.map { ", from \($0)" } ?? ""
        if inside != at { forgetNamespace() }
        add(inside, Stage(.decapsulate, name), "out of VXLAN \(inner.networkIdentifier)\(from)", from: before)
        return .go(.receive(inside, device))
    }

    /// Links whose outer packets travel in a namespace, wherever the links themselves are.
    private func tunnels(
        under at: Int, port: UInt16
    ) -> [(position: Int, link: NamespaceState.Link, identifier: UInt32)] {
        world.tunnels.compactMap { position, link in
            guard case .vxlan(let identifier, _, port) = link.link.kind, underlay(link, position) == at else {
                return nil
            }
            return (position, link, identifier)
        }
    }

    /// `vxlan_snoop`: an address that was set to be behind one host does not move to another.
    private func refuseStranger(
        _ at: Int, _ inside: Int, _ device: NamespaceState.Link, _ inner: Carried
    ) -> Outcome? {
        guard device.tunnel?.learns == true, let source = inner.source else { return nil }
        let entry = world[inside].forwarding.first {
            $0.link == device.link.name && $0.address == source && $0.isLearned != true
        }
        guard let entry, entry.destination != packet.source else { return nil }
        return drop(
            inside,
            "\(device.link.name) has \(source) behind \(entry.destination), set by hand, and the packet comes from "
                + "\(packet.source)", nil)
    }

    // MARK: size

    /// What becomes of a packet that is longer than its way allows; `nil` when it fits, or when its length is not asked.
    mutating func oversize(_ at: Int, _ route: Rtnl.Route?, _ link: String, isForwarded: Bool) -> Outcome? {
        guard let length = packet.length, let most = mtu(at, route, link), length > most else { return nil }
        let text = "\(length) bytes do not fit \(link), which takes \(most)"
        guard carried == nil else {
            // Not so marked: the kernel cuts the outer packet, and a network may lose the pieces.
            hops[hops.count - 1].uncertain.append("the tunnel's packet of \(text): it goes in fragments")
            uncertain.append("the tunnel's packet of \(text): it goes in fragments")
            return nil
        }
        let answer =
            !isForwarded
            ? "message too long (EMSGSIZE)"
            : packet.family == .ip ? "icmp frag-needed (MTU \(most))" : "icmpv6 packet-too-big (MTU \(most))"
        return refuse(at, text, answer, .tooBig)
    }

    private func mtu(_ at: Int, _ route: Rtnl.Route?, _ link: String) -> Int? {
        let own = world.link(at, named: link)?.link.mtu
        return [route?.mtu, own].compactMap { $0 }.min().map { Int($0) }
    }
}
