import CausewayKernel
import CausewayModel

extension Walk {
    /// Finds the packet's connection in this namespace, or begins one.
    mutating func track(_ at: Int, _ hook: Nft.Chain.Base.Hook) {
        // A packet that comes back by lo keeps its entry.
        guard !isUntracked, tracked == nil else { return }
        if let quoted { return relate(at, quoted) }
        let tuple = packet.tuple
        let known = connections[at] ?? []
        if let index = known.firstIndex(where: { $0.reply == tuple && $0.zone.reply == zone.reply && question != nil })
        {
            tracked = (index, .reply)
            connections[at]?[index].hasSeenReply = true
        } else if let index = known.firstIndex(where: { $0.original == tuple && $0.zone.original == zone.original }) {
            tracked = (index, .original)
        } else if isAnswer {
            isInvalid = true
        } else {
            connections[at, default: []].append(Connection(packet, zone: zone))
            tracked = (known.count, .original)
        }
    }

    /// Whether the packet by itself says that it answers another: conntrack begins nothing with such a one.
    private var isAnswer: Bool {
        switch packet.transport {
        case .tcp: packet.flags.contains(.rst) || packet.flags.isSuperset(of: [.syn, .ack])
        case .icmp: packet.icmpType == 0
        case .icmpv6: packet.icmpType == 129
        case .udp: false
        }
    }

    /// NAT at one hook: the nat chains for a connection's first packet, then what its entry says for every packet.
    mutating func translate(
        _ at: Int, _ hook: Nft.Chain.Base.Hook, _ links: HookLinks, _ chains: [HookOrder.Callee]
    ) -> Verdict? {
        guard let tracked, !isUntracked, let connection = connections[at]?[tracked.index] else { return nil }
        let part: Connection.Manipulation = hook == .prerouting || hook == .output ? .destination : .source
        if quoted != nil {
            translateError(part, at, hook)
            return nil
        }
        // A rule's refusal meets the nat chains where the refused packet has not (`nf_nat_inet_fn`, IP_CT_RELATED_REPLY);
        // what they say is the connection's, and does not change the refusal.
        if (tracked.direction == .reply && !isRelated) || connection.decided.contains(part) {
            apply(part, at, hook)
            return nil
        }
        for chain in chains {
            let before = packet
            let run = run(chain, at, hook, links)
            switch run.end {
            case .drop, .policy(isDrop: true), .reject: return ending(run, at)
            case .translate where isRelated:
                connections[at]?[tracked.index].decided.insert(part)
                apply(part, at, hook)
                return nil
            case .translate(let translation):
                bind(translation, at, links)
                amendLastHop(before, translation)
                return nil
            case .accept, .policy: continue
            }
        }
        connections[at]?[tracked.index].decided.insert(part)
        if isRelated { apply(part, at, hook) }
        return nil
    }

    /// The decision is the connection's from now on.
    private mutating func bind(_ translation: Translation, _ at: Int, _ links: HookLinks) {
        guard let tracked, var connection = connections[at]?[tracked.index] else { return }
        let routing = Routing(world[at])
        switch translation.kind {
        case .destination, .redirect:
            if let address = translation.address ?? redirectAddress(translation, at, links, routing) {
                packet.destination = address
            }
            if let port = translation.port { packet.destinationPort = port }
            connection.changesDestination =
                packet.destination != connection.reply.source
                || packet.destinationPort != connection.reply.sourcePort
            connection.decided.insert(.destination)
        case .source, .masquerade:
            let address =
                translation.address
                ?? links.outgoing.flatMap { link in
                    routing.address(on: link, toward: packet.destination)
                }
            if let address { packet.source = address }
            if let port = translation.port { packet.sourcePort = port }
            connection.changesSource =
                packet.source != connection.reply.destination
                || packet.sourcePort != connection.reply.destinationPort
            connection.decided.insert(.source)
        }
        connection.reply = packet.tuple.inverted
        connections[at]?[tracked.index] = connection
    }

    private func redirectAddress(
        _ translation: Translation, _ at: Int, _ links: HookLinks, _ routing: Routing
    ) -> IPAddress? {
        guard translation.kind == .redirect else { return nil }
        guard let link = links.incoming else {
            return packet.family == .ip ? .v4(IPv4Address(rawValue: 0x7f00_0001)) : .v6(IPv6Address(high: 0, low: 1))
        }
        return routing.address(on: link, toward: packet.destination)
    }

    private mutating func amendLastHop(_ before: Packet, _ translation: Translation) {
        guard var hop = hops.popLast() else { return }
        if before != packet { hop.after = packet }
        if translation.kind == .masquerade { hop.action = "masquerade as \(packet.source)" }
        if hop.owner == nil, let address = translation.address {
            hop.owner = world.owner(of: address, at: present)?.name
        }
        hops.append(hop)
    }

    /// What conntrack's entry does to a packet that is not the first.
    private mutating func apply(_ part: Connection.Manipulation, _ at: Int, _ hook: Nft.Chain.Base.Hook) {
        // Who else has changed the packet (IPVS) changes it back himself.
        guard let tracked, let connection = connections[at]?[tracked.index],
            connection.translates(part, of: tracked.direction)
        else { return }
        let before = packet
        switch (tracked.direction, part) {
        case (.original, .destination):
            (packet.destination, packet.destinationPort) = (connection.reply.source, connection.reply.sourcePort)
        case (.original, .source):
            (packet.source, packet.sourcePort) = (connection.reply.destination, connection.reply.destinationPort)
        case (.reply, .destination):
            (packet.destination, packet.destinationPort) = (connection.original.source, connection.original.sourcePort)
        case (.reply, .source):
            (packet.source, packet.sourcePort) = (
                connection.original.destination, connection.original.destinationPort
            )
        }
        guard before != packet else { return }
        var stage = Stage(.conntrack, "conntrack")
        stage.hook = hook.rawValue
        let what =
            part == .source ? "source back to \(packet.sourceText)" : "destination back to \(packet.destinationText)"
        let text =
            tracked.direction == .reply
            ? what : part == .source ? "source \(packet.sourceText)" : "destination \(packet.destinationText)"
        add(at, stage, text, from: before)
    }
}
