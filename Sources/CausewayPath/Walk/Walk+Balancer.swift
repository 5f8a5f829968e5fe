import CausewayKernel
import CausewayModel

/// What IPVS remembers of a connection (`struct ip_vs_conn`).
struct BalancedConnection: Hashable, Sendable {
    var transport: Packet.Transport
    var client: IPAddress
    var clientPort: UInt16
    /// What the client asked for.
    var virtual: IPAddress
    var virtualPort: UInt16
    /// To whom it went.
    var real: IPAddress
    var realPort: UInt16
    var method: IPVS.Method
}

/// IPVS at its hooks (`ip_vs_in`, `ip_vs_out`).
extension Walk {
    /// Looks for a service that wants the packet, and sends it on to one of its destinations.
    mutating func balance(_ at: Int, _ hook: Nft.Chain.Base.Hook) -> Outcome? {
        guard !isBalanced, packet.transport.hasPorts, let service = service(at) else { return nil }
        // tcp_conn_schedule: only a connection's first packet is scheduled.
        guard packet.transport != .tcp || packet.flags == .syn else { return nil }
        let usable = service.destinations.filter { $0.weight > 0 }.sorted {
            ($0.address, $0.port) < ($1.address, $1.port)
        }
        guard !usable.isEmpty else { return noDestination(at, hook, service) }
        let isFirst = hops.allSatisfy { $0.candidates.isEmpty }
        let chosen = usable[isFirst && usable.indices.contains(choice) ? choice : 0]
        let candidates = usable.map { candidate($0, among: usable, service, at, isChosen: $0 == chosen) }
        return send(to: chosen, of: service, candidates, at, hook)
    }

    /// `ip_vs_service_find`: the mark before the address, the very port before any.
    private func service(_ at: Int) -> IPVS.Service? {
        let services = world[at].ipvs
        if packet.mark != 0, let found = services.first(where: { $0.key == .mark(packet.mark) }),
            found.destinations.first.map({ $0.address.family == packet.family }) ?? true
        {
            return found
        }
        return [packet.destinationPort, 0].lazy.compactMap { port in
            services.first { service in
                guard case .address(let transport, let address, port) = service.key else { return false }
                return transport.number == packet.transport.number && address == packet.destination
            }
        }.first
    }

    /// `ip_vs_leave`: the sender is told, whatever its protocol.
    private mutating func noDestination(
        _ at: Int, _ hook: Nft.Chain.Base.Hook, _ service: IPVS.Service
    ) -> Outcome {
        let drained = service.destinations.count
        let why = drained == 0 ? "has no destination" : "has \(drained) destinations, all with weight 0"
        add(at, stage(service.key, hook), why)
        return refuse(at, "the balancer \(service.key) \(why)", "icmp port-unreachable", nil)
    }

    private func stage(_ key: IPVS.Key, _ hook: Nft.Chain.Base.Hook) -> Stage {
        var stage = Stage(.balancer, "\(key)")
        stage.hook = hook.rawValue
        stage.table = "IPVS"
        return stage
    }

    private func candidate(
        _ destination: IPVS.Destination, among all: [IPVS.Destination], _ service: IPVS.Service, _ at: Int,
        isChosen: Bool
    ) -> Candidate {
        // Round robin gives each the same, whatever its weight.
        let isEven = service.scheduler == "rr"
        let port = destination.port == 0 ? packet.destinationPort : destination.port
        return Candidate(
            target: Packet.endpoint(destination.address, port),
            owner: world.owner(of: destination.address, at: at)?.name,
            slots: isEven ? 1 : Int(destination.weight),
            total: isEven ? all.count : all.reduce(0) { $0 + Int($1.weight) }, isChosen: isChosen)
    }

    private mutating func send(
        to chosen: IPVS.Destination, of service: IPVS.Service, _ candidates: [Candidate], _ at: Int,
        _ hook: Nft.Chain.Base.Hook
    ) -> Outcome? {
        let before = packet
        let realPort = chosen.port == 0 || chosen.method == .route ? packet.destinationPort : chosen.port
        balanced[at, default: []].append(
            BalancedConnection(
                transport: packet.transport, client: packet.source, clientPort: packet.sourcePort,
                virtual: packet.destination, virtualPort: packet.destinationPort, real: chosen.address,
                realPort: realPort, method: chosen.method))
        if chosen.method == .masquerade {
            (packet.destination, packet.destinationPort) = (chosen.address, realPort)
        }
        isBalanced = true
        let unclear = tellConntrack(at, chosen.method)
        let owner = candidates.first { $0.isChosen }?.owner
        add(at, stage(service.key, hook), action(service, chosen), from: before) { hop in
            hop.candidates = candidates
            hop.owner = owner
            hop.uncertain = unclear
        }
        switch chosen.method {
        case .tunnel, .unknown:
            let text = "to \(chosen.address), by IPVS's \(chosen.method.rawValue) method, which is not followed"
            hops[hops.count - 1].uncertain.append(text)
            uncertain.append(text)
            return .end(Verdict(.sent, world.place(at), text))
        case .local: return nil
        case .masquerade, .route:
            // A destination that this namespace itself has gets the packet as if it had been sent to it.
            return world.holds(at, chosen.address) ? nil : .go(.balanced(at, to: chosen.address))
        }
    }

    private func action(_ service: IPVS.Service, _ chosen: IPVS.Destination) -> String {
        var parts = ["\(service.scheduler) to \(chosen.address) (\(chosen.method.rawValue))"]
        if let seconds = service.persistence { parts.append("a client stays for \(seconds) s") }
        if !["rr", "wrr"].contains(service.scheduler) {
            parts.append("\(service.scheduler) decides by more than the weights")
        }
        let drained = service.destinations.filter { $0.weight == 0 }.count
        if drained > 0 { parts.append("\(drained) with weight 0 left out") }
        return parts.joined(separator: "; ")
    }

    /// With `vs.conntrack` the entry follows what IPVS does; without it the packet is not tracked any further.
    private mutating func tellConntrack(_ at: Int, _ method: IPVS.Method) -> [String] {
        let name = "net.ipv4.vs.conntrack"
        let setting = world.sysctl(at, name)
        guard setting == 1, let tracked, method == .masquerade else {
            (tracked, isUntracked) = (nil, true)
            return setting == nil ? ["\(name) is not known"] : []
        }
        // ip_vs_update_conntrack: what answers will look like. No NAT flag is set, so conntrack changes nothing back.
        connections[at]?[tracked.index].reply.source = packet.destination
        connections[at]?[tracked.index].reply.sourcePort = packet.destinationPort
        return []
    }

    /// An answer of a masqueraded destination gets the source that the client asked.
    mutating func unbalance(_ at: Int, _ hook: Nft.Chain.Base.Hook) {
        guard !isBalanced, question != nil else { return }
        let connection = balanced[at]?.first {
            $0.method == .masquerade && $0.transport == packet.transport && $0.real == packet.source
                && $0.realPort == packet.sourcePort && $0.client == packet.destination
                && $0.clientPort == packet.destinationPort
        }
        guard let connection else { return }
        let before = packet
        (packet.source, packet.sourcePort) = (connection.virtual, connection.virtualPort)
        isBalanced = true
        var stage = Stage(.balancer, "answer")
        stage.hook = hook.rawValue
        stage.table = "IPVS"
        add(at, stage, "source back to \(packet.sourceText)", from: before)
    }

    /// Out of the balancer: routed anew, then through `output` and `postrouting` as if it were made here.
    mutating func sendBalanced(_ at: Int, to target: IPAddress) -> Outcome {
        guard packet.timeToLive > 1 else {
            return refuse(at, "the packet has crossed too many routers", "icmp time-exceeded", .timeToLive)
        }
        packet.timeToLive -= 1
        let decision = Routing(world[at]).decide(RouteQuery(destination: target))
        guard let out = outgoing(decision) else {
            note(at, decision, decision.kind?.rawValue ?? "no route")
            return unroutable(at, decision, .noOutputRoute)
        }
        note(at, decision, "to the destination: " + Self.text(of: decision, to: out))
        if let outcome = oversize(at, decision.route, out, isForwarded: true) { return outcome }
        let nextHop = decision.route?.gateway ?? target
        let links = HookLinks(outgoing: out, nextHop: nextHop)
        if let outcome = call(.output, at, links) { return outcome }
        if let outcome = call(.postrouting, at, links) { return outcome }
        return transmit(at, out, nextHop: nextHop)
    }
}
