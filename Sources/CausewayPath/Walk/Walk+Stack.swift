import CausewayKernel
import CausewayModel

/// The IP stack of one namespace: routing, forwarding, packets made here.
extension Walk {
    mutating func input(_ at: Int, _ link: String) -> Outcome {
        if let outcome = call(.prerouting, at, HookLinks(incoming: link)) { return outcome }
        if isLooped { return deliver(at, link) }
        let routing = Routing(world[at])
        if let drop = refuseDestination(at, link) { return drop }
        let decision = routing.decide(
            RouteQuery(
                destination: packet.destination, source: packet.source, mark: packet.mark, incoming: link))
        let forwards = routing.forwards(packet.family, from: link)
        switch decision.kind {
        case .local?, .broadcast?, .anycast?:
            note(at, decision, "local")
            if let drop = refuseSource(at, link, routing) { return drop }
            return deliver(at, link)
        case _ where forwards == false:
            note(at, decision, "not for this host")
            return drop(
                at, "not for this host, and forwarding is off (\(Self.forwardingName(packet.family)) is 0)",
                .notForwarding)
        case .unicast?:
            guard let route = decision.route, let out = route.link else {
                return drop(at, "the route to \(packet.destination) names no link", .noInputRoute)
            }
            note(at, decision, Self.text(of: route), isForwardingKnown: forwards != nil)
            if let drop = refuseSource(at, link, routing) { return drop }
            return forward(at, from: link, to: out, route)
        default:
            note(at, decision, decision.kind?.rawValue ?? "no route")
            return unroutable(at, decision, .noInputRoute)
        }
    }

    private func refuseDestination(_ at: Int, _ link: String) -> Outcome? {
        guard packet.destination.isLoopback, link != "lo" else { return nil }
        let all = world.sysctl(at, "net.ipv4.conf.all.route_localnet") ?? 0
        let own = world.sysctl(at, "net.ipv4.conf.\(link).route_localnet") ?? 0
        guard packet.family == .ip6 || max(all, own) == 0 else { return nil }
        return drop(
            at, "\(packet.destination) is never reachable from outside (martian destination)", .loopbackOutside)
    }

    private mutating func refuseSource(_ at: Int, _ link: String, _ routing: Routing) -> Outcome? {
        routing.refuses(packet, from: link).map { drop(at, $0.1, $0.0) }
    }

    private mutating func forward(_ at: Int, from link: String, to out: String, _ route: Rtnl.Route) -> Outcome {
        guard packet.timeToLive > 1 else {
            return refuse(at, "the packet has crossed too many routers", "icmp time-exceeded", .timeToLive)
        }
        // ip6_forward: a source that means something on its own link only cannot answer beyond it.
        if packet.source.v6?.isLinkLocal == true {
            return refuse(at, "a link-local source cannot leave its link", "icmpv6 beyond-scope", nil)
        }
        packet.timeToLive -= 1
        if let outcome = oversize(at, route, out, isForwarded: true) { return outcome }
        let both = HookLinks(incoming: link, outgoing: out, nextHop: route.gateway ?? packet.destination)
        if let outcome = call(.forward, at, both) { return outcome }
        if let outcome = call(.postrouting, at, both) { return outcome }
        return transmit(at, out, nextHop: route.gateway ?? packet.destination)
    }

    // MARK: packets that are made here

    mutating func output(_ at: Int) -> Outcome {
        let routing = Routing(world[at])
        let isUnset = packet.source == Self.unspecified(packet.family)
        var decision = routing.decide(
            RouteQuery(
                destination: packet.destination, source: isUnset ? nil : packet.source, mark: packet.mark))
        if isUnset, let source = routing.preferredSource(for: decision, to: packet.destination) {
            packet.source = source
            if carried == nil, quoted == nil { question?.source = source }
        }
        guard let out = outgoing(decision) else {
            note(at, decision, decision.kind?.rawValue ?? "no route")
            return unroutable(at, decision, .noOutputRoute)
        }
        note(at, decision, Self.text(of: decision, to: out))
        let before = packet
        let met = hops.count
        let first = HookLinks(outgoing: out, nextHop: decision.route?.gateway ?? packet.destination)
        if let outcome = call(.output, at, first) { return outcome }
        var link = out
        if packet.destination != before.destination || isRerouted(hops[met...]) {
            decision = routing.decide(
                RouteQuery(destination: packet.destination, source: packet.source, mark: packet.mark))
            guard let other = outgoing(decision) else {
                note(at, decision, decision.kind?.rawValue ?? "no route")
                return unroutable(at, decision, .noOutputRoute)
            }
            link = other
            note(at, decision, "again: " + Self.text(of: decision, to: other))
        }
        if let outcome = oversize(at, decision.route, link, isForwarded: false) { return outcome }
        let nextHop = decision.route?.gateway ?? packet.destination
        if let outcome = call(.postrouting, at, HookLinks(outgoing: link, nextHop: nextHop)) { return outcome }
        guard link != "lo" else {
            isLooped = true
            add(at, Stage(.deviceIn, "lo"), "comes back")
            return .go(.input(at, "lo"))
        }
        return transmit(at, link, nextHop: nextHop)
    }

    /// A mark that is set in these chains leads to another look at the routes; in filter chains it does not.
    private func isRerouted(_ met: ArraySlice<Hop>) -> Bool {
        met.contains { hop in
            ["route", "mangle"].contains(hop.stage.chainKind) && hop.before.mark != hop.packet.mark
        }
    }

    func outgoing(_ decision: RouteDecision) -> String? {
        switch decision.kind {
        case .local?: "lo"
        case .unicast?, .broadcast?, .multicast?, .anycast?: decision.route?.link
        default: nil
        }
    }

    func unroutable(_ at: Int, _ decision: RouteDecision, _ reason: DropReason) -> Outcome {
        let target = "\(packet.destination)"
        let isHere = reason == .noOutputRoute
        switch decision.kind {
        case .blackhole?: return drop(at, "a blackhole route covers \(target)", nil)
        case .unreachable?:
            return refuse(at, "an unreachable route covers \(target)", "icmp host-unreachable", reason)
        case .prohibit?: return refuse(at, "a prohibit route covers \(target)", "icmp admin-prohibited", reason)
        default:
            let answer = isHere ? "network is unreachable (ENETUNREACH)" : "icmp net-unreachable"
            return refuse(at, "no route to \(target)", answer, reason)
        }
    }

    mutating func note(
        _ at: Int, _ decision: RouteDecision, _ action: String, isForwardingKnown: Bool = true
    ) {
        let table = decision.route.map { Self.tableName($0.table) } ?? "-"
        let owner = world.owner(of: packet.destination, at: at)?.name
        let forwarding = Self.forwardingName(packet.family)
        add(at, Stage(.route, table), action) { hop in
            hop.owner = owner
            if let rule = decision.rule { hop.rules = [ActedRule(chain: "ip rule", text: Self.text(of: rule))] }
            if let uncertain = decision.uncertain { hop.uncertain.append(uncertain) }
            if !isForwardingKnown { hop.uncertain.append("\(forwarding) is not known") }
        }
    }

    private static func tableName(_ number: UInt32) -> String {
        switch number {
        case 253: "default"
        case 254: "main"
        case 255: "local"
        default: String(number)
        }
    }

    private static func forwardingName(_ family: IPFamily) -> String {
        family == .ip ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding"
    }

    static func text(of decision: RouteDecision, to link: String) -> String {
        guard let route = decision.route, route.kind == .unicast else { return "local, by \(link)" }
        return text(of: route)
    }

    static func text(of route: Rtnl.Route) -> String {
        let target =
            route.destination.prefixLength == 0
            ? "default"
            : route.destination.isHost
                ? "\(route.destination.address)" : "\(route.destination)"
        return target + (route.gateway.map { " via \($0)" } ?? "") + (route.link.map { " dev \($0)" } ?? "")
    }

    /// As `ip rule` prints it.
    private static func text(of rule: NamespaceState.PolicyRule) -> String {
        func hex(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }
        let mark = rule.mark.map(hex) ?? ""
        let mask = rule.markMask.flatMap { $0 == .max ? nil : "/" + hex($0) } ?? ""
        let action = rule.table.map { "lookup \(tableName($0))" } ?? rule.action
        return "\(rule.priority): \(rule.isInverted ? "not " : "")from \(rule.from.map { "\($0)" } ?? "all") "
            + "fwmark \(mark)\(mask) \(action)"
    }

    static func unspecified(_ family: IPFamily) -> IPAddress {
        family == .ip ? .v4(IPv4Address(rawValue: 0)) : .v6(IPv6Address(high: 0, low: 0))
    }
}
