import CausewayKernel
import CausewayModel

extension NftEvaluator {
    /// What an operand comes to for this packet.
    func evaluate(_ operand: Nft.Operand) -> Evaluated {
        switch operand {
        case .meta(let key): return meta(key)
        case .payload(let header, let field): return payload(header, field)
        case .ct(let key, let direction, let family): return conntrack(key, direction, family)
        case .fib(let keys, let result): return fib(keys, result)
        case .numgen, .jhash:
            return draw.map { .known([.number($0)]) } ?? .unknown("a balancer in this place")
        case .concatenation(let parts): return concatenation(parts)
        case .value(let value): return constant(value)
        case .map(let key, let map): return mapped(key, map)
        case .binary(let op, let left, let right): return binary(op, left, right)
        case .unknown(let text): return .unknown(text)
        }
    }

    private func number(_ value: some BinaryInteger) -> Evaluated { .known([.number(UInt64(value))]) }
    private func text(_ value: String?) -> Evaluated { value.map { .known([.text($0)]) } ?? .absent }

    private func meta(_ key: String) -> Evaluated {
        let packet = view.packet
        switch key {
        case "iifname", "iif": return .known([.text(view.incoming ?? "")])
        case "oifname", "oif": return .known([.text(view.outgoing ?? "")])
        case "l4proto": return number(packet.transport.number)
        case "mark": return number(packet.mark)
        case "nfproto": return number(packet.family == .ip ? 2 : 10)
        case "protocol": return number(packet.family == .ip ? 0x0800 : 0x86dd)
        case "pkttype": return .known([.text("host")])
        default: return .unknown("meta \(key)")
        }
    }

    private func payload(_ header: String, _ field: String) -> Evaluated {
        let packet = view.packet
        switch header {
        case "ether": return ethernet(field)
        case "rt", "rt ip", "rt ip6": return route(header, field)
        // VXLAN's network identifier, behind UDP's eight bytes and four of its own.
        case "@th" where field == "96,24" && view.networkIdentifier != nil: return number(view.networkIdentifier ?? 0)
        case "ip", "ip6":
            guard packet.family == (header == "ip" ? .ip : .ip6) else { return .absent }
            switch field {
            case "saddr": return .known([.address(packet.source)])
            case "daddr": return .known([.address(packet.destination)])
            case "protocol", "nexthdr": return number(packet.transport.number)
            case "ttl", "hoplimit": return number(packet.timeToLive)
            case "version": return number(packet.family == .ip ? 4 : 6)
            default: return .unknown("\(header) \(field)")
            }
        case "th" where packet.transport == .icmp || packet.transport == .icmpv6: return echoed(field)
        case "tcp", "udp", "th":
            let isThis = header == "th" ? packet.transport.hasPorts : packet.transport.rawValue == header
            guard isThis else { return .absent }
            switch field {
            // A tunnel's outer port comes from a hash of what is inside.
            case "sport" where packet.sourcePort == 0: return .unknown("\(header) sport of this packet")
            case "sport": return number(packet.sourcePort)
            case "dport": return number(packet.destinationPort)
            case "flags" where header == "tcp": return number(packet.flags.rawValue)
            default: return .unknown("\(header) \(field)")
            }
        case "icmp", "icmpv6":
            guard packet.transport.rawValue == header else { return .absent }
            return field == "type"
                ? number(packet.icmpType) : field == "code" ? number(packet.icmpCode) : .unknown("\(header) \(field)")
        case "sctp", "dccp", "udplite", "ah", "esp", "gre", "igmp": return .absent
        default: return .unknown("\(header) \(field)")
        }
    }

    /// Where TCP and UDP have their ports, ICMP has type and code, and then its checksum (RFC 792).
    private func echoed(_ field: String) -> Evaluated {
        field == "sport"
            ? number(UInt16(view.packet.icmpType) << 8) : .unknown("th \(field): ICMP has a checksum there")
    }

    private func route(_ header: String, _ field: String) -> Evaluated {
        guard header == "rt" || header == "rt \(view.packet.family.rawValue)" else { return .absent }
        guard field == "nexthop", let nextHop = view.nextHop else { return .unknown("\(header) \(field)") }
        return .known([.address(nextHop)])
    }

    private func ethernet(_ field: String) -> Evaluated {
        switch (view.ethernet, field) {
        case (.none, _): return .absent
        case (.known(let source, _), "saddr"): return .known([.text("\(source)")])
        case (.known(_, let destination?), "daddr"): return .known([.text("\(destination)")])
        case (_, "type"): return number(view.packet.family == .ip ? 0x0800 : 0x86dd)
        default: return .unknown("ether \(field) of a frame from outside")
        }
    }

    private func zone(_ direction: String?) -> Evaluated {
        let zone = view.connection?.zone ?? view.zone
        switch direction {
        case "original"?: return number(zone.original)
        case "reply"?: return number(zone.reply)
        default: return number(zone.id)
        }
    }

    private func conntrack(_ key: String, _ direction: String?, _ family: IPFamily?) -> Evaluated {
        if key == "state" { return number(view.stateBits) }
        if key == "zone", !view.isUntracked, !view.isInvalid, view.connection != nil || view.zone != Zone() {
            return zone(direction)
        }
        guard let connection = view.connection, !view.isUntracked else { return .absent }
        let tuple: Tuple? = direction.map { $0 == "original" ? connection.original : connection.reply }
        var name = key
        var wanted = family
        if let space = key.firstIndex(of: " ") {
            wanted = IPFamily(rawValue: String(key[..<space]))
            name = String(key[key.index(after: space)...])
        }
        if let wanted, wanted != view.packet.family { return .absent }
        switch (name, tuple) {
        case ("status", _): return view.statusBits.map { number($0) } ?? .absent
        case ("mark", _): return number(connection.mark)
        case ("direction", _): return number(view.direction == .original ? 0 : 1)
        case ("protocol", _): return number(connection.original.transport.number)
        case ("l3proto", _): return number(view.packet.family == .ip ? 2 : 10)
        case ("saddr", let tuple?): return .known([.address(tuple.source)])
        case ("daddr", let tuple?): return .known([.address(tuple.destination)])
        case ("proto-src", let tuple?): return number(tuple.sourcePort)
        case ("proto-dst", let tuple?): return number(tuple.destinationPort)
        default: return .unknown("ct \(direction.map { $0 + " " } ?? "")\(key)")
        }
    }

    private func fib(_ keys: [String], _ result: String) -> Evaluated {
        let packet = view.packet
        let address = keys.contains("saddr") ? packet.source : packet.destination
        guard keys.contains("saddr") != keys.contains("daddr") else { return .unknown("fib \(keys)") }
        if result == "type" {
            let kind = view.routing.type(of: address)
            if let link = keys.contains("iif") ? view.incoming : keys.contains("oif") ? view.outgoing : nil,
                kind == .local,
                !view.space.addresses.contains(where: { $0.link == link && $0.address.address == address })
            {
                return .known([.text("unicast")])
            }
            return .known([.text(kind.rawValue)])
        }
        guard result == "oif" || result == "oifname" else { return .unknown("fib … \(result)") }
        let query = RouteQuery(
            destination: address, source: keys.contains("saddr") ? packet.destination : packet.source,
            mark: keys.contains("mark") ? packet.mark : 0)
        guard let link = view.routing.decide(query).route?.link,
            !keys.contains("iif") || view.incoming.map({ $0 == link }) ?? true
        else { return result == "oif" ? number(0) : .known([.text("")]) }
        return .known([.text(link)])
    }

    private func concatenation(_ parts: [Nft.Operand]) -> Evaluated {
        var atoms: [Atom] = []
        for part in parts {
            guard case .known(let more) = evaluate(part) else { return evaluate(part) }
            atoms += more
        }
        return .known(atoms)
    }

    private func constant(_ value: Nft.Value) -> Evaluated {
        if case .concatenation(let parts) = value {
            let atoms = parts.compactMap { Matching.exact($0, .plain) }
            return atoms.count == parts.count ? .known(atoms) : .unknown("\(value)")
        }
        return Matching.exact(value, .plain).map { .known([$0]) } ?? .unknown("\(value)")
    }

    private func binary(_ op: String, _ left: Nft.Operand, _ right: Nft.Operand) -> Evaluated {
        let kind = NameKind.kinds(of: left).first ?? .plain
        func side(_ operand: Nft.Operand) -> UInt64? {
            if let flags = Matching.flags(operand, kind) { return flags }
            guard case .known(let atoms) = evaluate(operand), atoms.count == 1 else { return nil }
            return atoms[0].number
        }
        if case .absent = evaluate(left) { return .absent }
        guard let a = side(left), let b = side(right) else { return .unknown("\(op) of these operands") }
        switch op {
        case "&": return number(a & b)
        case "|": return number(a | b)
        case "^": return number(a ^ b)
        case "<<": return b < 64 ? number((a << b) & 0xffff_ffff) : number(0)
        case ">>": return b < 64 ? number(a >> b) : number(0)
        default: return .unknown("operator \(op)")
        }
    }
}
