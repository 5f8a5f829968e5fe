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
        guard let remote = remote(at, name, target) else {
            guard world.knowsForwarding(at) else {
                let text = "into the tunnel \(name) (VXLAN \(identifier)), to another host"
                return .end(Verdict(.sent, world.place(at), text))
            }
            return drop(
                at, "no forwarding entry of \(name) says behind which host \(target) is", .noRemote)
        }
        let before = packet
        let own = local ?? Self.unspecified(remote.family)
        carried = Carried(
            packet: packet, source: frameSource, destination: target, networkIdentifier: identifier)
        var outer = Packet(.udp, from: own, 0, to: remote, port, mark: packet.mark)
        outer.length = packet.length.map { $0 + Self.overhead(remote.family) }
        packet = outer
        tracked = nil
        (isUntracked, isInvalid, zone) = (false, false, Zone())
        let mark = packet.mark == 0 ? "" : "; the mark 0x\(String(packet.mark, radix: 16)) goes along"
        add(
            at, Stage(.encapsulate, name), "into VXLAN \(identifier): \(target) is behind \(remote)\(mark)",
            from: before)
        frame = nil
        return .go(.output(at))
    }

    /// The host behind which an Ethernet address is: its own entry, else the one for all others.
    private func remote(_ at: Int, _ link: String, _ target: MACAddress) -> IPAddress? {
        let entries = world[at].forwarding.filter { $0.link == link }
        let entry = entries.first { $0.address == target } ?? entries.first { $0.address.rawValue == 0 }
        return entry?.destination
    }

    /// A tunnel's packet that the host takes for itself: the device with its port and number takes out what is inside.
    mutating func decapsulate(_ at: Int, _ inner: Carried) -> Outcome {
        let devices = world[at].links.filter { link in
            if case .vxlan(_, _, let port) = link.link.kind { port == packet.destinationPort } else { false }
        }
        guard !devices.isEmpty else {
            add(at, Stage(.socket, "closed port"), "(no VXLAN device takes port \(packet.destinationPort))")
            return drop(
                at,
                "no VXLAN device takes UDP port \(packet.destinationPort) here; the sender's kernel is told, its "
                    + "program is not", .noSocket)
        }
        let device = devices.first { link in
            if case .vxlan(inner.networkIdentifier, _, _) = link.link.kind { link.link.isUp } else { false }
        }
        guard let device else {
            let known = devices.map { link in
                if case .vxlan(let id, _, _) = link.link.kind {
                    "\(link.link.name): VXLAN \(id)\(link.link.isUp ? "" : ", down")"
                } else {
                    link.link.name
                }
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
        let before = packet
        packet = inner.packet
        packet.mark = before.mark
        carried = nil
        tracked = nil
        (isUntracked, isInvalid, zone) = (false, false, Zone())
        (frame, frameSource) = (inner.destination, inner.source)
        let from = inner.source.map { ", from \($0)" } ?? ""
        add(at, Stage(.decapsulate, name), "out of VXLAN \(inner.networkIdentifier)\(from)", from: before)
        return .go(.receive(at, device))
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
