import CausewayKernel
import CausewayModel

/// Devices: in, out, and to the other end.
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
            return leaveBridge(at, link, address, from: nil)
        case .known(let address, let how):
            frame = address
            return cross(
                at, link, "out to \(nextHop)" + (how.isEmpty ? "" : " (\(how))"), nextHop: nextHop)
        }
    }

    /// Goes to the other end, or leaves the host.
    mutating func cross(_ at: Int, _ link: NamespaceState.Link, _ action: String, nextHop: IPAddress?)
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
        if let quoted, quoted != question?.tuple {
            let inside = Packet.endpoint(quoted.source, quoted.sourcePort)
            return drop(
                at, "leaves \(name), but the packet inside is one of \(inside), and nobody has sent such a one", nil)
        }
        if quoted == nil, let question, !packet.answers(question) {
            return drop(
                at,
                "leaves \(name) as \(packet.header), but \(question.sourceText) waits for \(question.destinationText)",
                nil)
        }
        return .end(Verdict(.sent, world.place(at), "leaves \(name) as \(packet.header)"))
    }
}
