import CausewayKernel
import CausewayModel

/// What the routing decision of one namespace comes to.
struct RouteDecision: Sendable {
    /// `nil` when no route matches.
    var route: Rtnl.Route?
    /// The policy rule that says what to do without a look-up (`blackhole`, …), or that was not understood.
    var ruleAction: String?
    var uncertain: String?
    /// The policy rule that looks at the packet's mark, if such a one led to the route.
    var rule: NamespaceState.PolicyRule?

    var kind: Rtnl.Route.Kind? { ruleAction.flatMap { Rtnl.Route.Kind(rawValue: $0) } ?? route?.kind }
}

/// The questions that a routing decision answers.
struct RouteQuery: Sendable {
    var destination: IPAddress
    /// `nil` while a packet that is being made here has no source yet.
    var source: IPAddress?
    var mark: UInt32 = 0
    var incoming: String?
    var outgoing: String?
}

/// The forwarding information base of one namespace: policy rules, tables, longest prefix.
struct Routing: Sendable {
    private let space: NamespaceState

    static let localTable: UInt32 = 255
    private static let mainTable: UInt32 = 254
    private static let defaultTable: UInt32 = 253

    init(_ space: NamespaceState) { self.space = space }

    /// Asks the policy rules in their order, as the kernel does: a table without an answer leads to the next rule.
    func decide(_ query: RouteQuery) -> RouteDecision {
        var decision = RouteDecision()
        /// A rule with `goto` leaves out those before its target.
        var least: UInt32 = 0
        for rule in rules(query.destination.family) where rule.priority >= least && matches(rule, query) {
            switch rule.action {
            case "lookup", "table", "":
                guard let table = rule.table else { continue }
                if let route = lookUp(query.destination, in: table, outgoing: query.outgoing) {
                    decision.route = route
                    decision.rule = rule.mark == nil ? nil : rule
                    return decision
                }
            case "blackhole", "unreachable", "prohibit":
                decision.ruleAction = rule.action
                decision.rule = rule.mark == nil ? nil : rule
                return decision
            case "nop": continue
            case "goto":
                guard let target = rule.target else {
                    decision.uncertain = "ip rule \(rule.priority): a goto whose target was not read"
                    continue
                }
                least = target
            default:
                decision.uncertain = "ip rule \(rule.priority): action \(rule.action)"
            }
        }
        return decision
    }

    /// `LOCAL`, `UNICAST`, … as `fib daddr type` and iptables' addrtype ask it: by the local table alone.
    func type(of address: IPAddress) -> Rtnl.Route.Kind {
        if case .v4(let v4) = address {
            if v4.rawValue >> 28 == 0xe { return .multicast }
            if v4.rawValue == 0 || v4.rawValue == .max { return .broadcast }
        }
        if case .v6(let v6) = address, v6.high >> 56 == 0xff { return .multicast }
        return lookUp(address, in: Self.localTable)?.kind ?? .unicast
    }

    /// The address that a packet made here gets when nobody chose one.
    func preferredSource(for decision: RouteDecision, to destination: IPAddress) -> IPAddress? {
        guard let route = decision.route else { return nil }
        if route.kind == .local { return destination }
        if let source = route.source { return source }
        guard let link = route.link else { return nil }
        return address(on: link, toward: route.gateway ?? destination)
    }

    /// The source that masquerading takes: the link's address in the next hop's subnet, else its first.
    func address(on link: String, toward nextHop: IPAddress) -> IPAddress? {
        let usable = space.addresses.map { ($0.link, $0.address) }
            .filter { $0.1.family == nextHop.family && !$0.1.address.isLoopback && !isLinkLocal($0.1.address) }
        let own = usable.filter { $0.0 == link }
        return (own.first { $0.1.contains(nextHop) } ?? own.first ?? usable.first)?.1.address
    }

    private func isLinkLocal(_ address: IPAddress) -> Bool { address.v6?.isLinkLocal ?? false }

    // MARK: tables

    private func lookUp(_ destination: IPAddress, in table: UInt32, outgoing: String? = nil) -> Rtnl.Route? {
        var best: Rtnl.Route?
        for route in routes(of: table, destination.family) where route.destination.contains(destination) {
            if let outgoing, route.link != outgoing { continue }
            guard isUsable(route) else { continue }
            guard let known = best else {
                best = route
                continue
            }
            let isBetter =
                (route.destination.prefixLength, known.metric)
                > (known.destination.prefixLength, route.metric)
            if isBetter { best = route }
        }
        return best
    }

    private func isUsable(_ route: Rtnl.Route) -> Bool {
        guard route.kind == .unicast, let name = route.link else { return true }
        guard let link = space.links.first(where: { $0.link.name == name }) else { return true }
        return link.link.isUp
    }

    private func routes(of table: UInt32, _ family: IPFamily) -> [Rtnl.Route] {
        let found = space.routes.filter { $0.table == table && $0.destination.family == family }
        guard table == Self.localTable, found.isEmpty else { return found }
        // An inventory made by hand may leave out what the kernel adds for each address.
        return space.addresses.filter { $0.address.family == family }.flatMap { address in
            [
                Rtnl.Route(
                    kind: .local, destination: CIDR(host: address.address.address), link: address.link,
                    table: table, scope: .host, protocol: 2)
            ]
        }
    }

    // MARK: policy rules

    private func rules(_ family: IPFamily) -> [NamespaceState.PolicyRule] {
        let own = space.rules.filter { $0.family == family }.sorted { $0.priority < $1.priority }
        guard own.isEmpty else { return own }
        return [(0, Self.localTable), (32766, Self.mainTable), (32767, Self.defaultTable)].map {
            NamespaceState.PolicyRule(family: family, priority: $0.0, table: $0.1)
        }
    }

    private func matches(_ rule: NamespaceState.PolicyRule, _ query: RouteQuery) -> Bool {
        var all = true
        if let from = rule.from { all = all && (query.source.map { from.contains($0) } ?? (from.prefixLength == 0)) }
        if let to = rule.to { all = all && to.contains(query.destination) }
        if let link = rule.incomingLink { all = all && link == query.incoming }
        if let link = rule.outgoingLink { all = all && link == query.outgoing }
        if let mark = rule.mark { all = all && query.mark & (rule.markMask ?? .max) == mark }
        return all != rule.isInverted
    }
}

extension Routing {
    /// Why the kernel gives up a packet with this source that came in by `link`; `nil` when it does not mind.
    ///
    /// Follows `fib_validate_source`: IPv4 only, as the kernel has no such check for IPv6.
    func refuses(_ packet: Packet, from link: String) -> (DropReason, String)? {
        guard case .v4(let source) = packet.source else { return nil }
        if source.rawValue >> 28 == 0xe || source.rawValue == .max {
            return (.invalidSource, "\(source) is no source address")
        }
        if source.rawValue >> 24 == 127, link != "lo", setting("route_localnet", link, or: true) == 0 {
            return (.loopbackOutside, "source \(source) comes from outside (martian source)")
        }
        if type(of: packet.source) == .local, setting("accept_local", link, or: true) == 0, link != "lo" {
            return (.localSource, "source \(source) is an address of this namespace (martian source)")
        }
        let mode = max(value("net.ipv4.conf.all.rp_filter"), value("net.ipv4.conf.\(escaped(link)).rp_filter"))
        guard mode > 0 else { return nil }
        let usesMark = setting("src_valid_mark", link, or: true) == 1
        let back = decide(
            RouteQuery(
                destination: packet.source, source: packet.destination, mark: usesMark ? packet.mark : 0,
                incoming: link))
        guard back.kind == .unicast, let out = back.route?.link else {
            return (.reversePathFilter, "rp_filter is \(mode) and no route leads back to \(source)")
        }
        guard mode == 1, out != link else { return nil }
        return (.reversePathFilter, "rp_filter is 1 on \(link) and the route back to \(source) leaves by \(out)")
    }

    /// Whether packets that come in by `link` may go on to others; `nil` when the inventory does not say.
    func forwards(_ family: IPFamily, from link: String) -> Bool? {
        if family == .ip6 { return space.sysctls["net.ipv6.conf.all.forwarding"].map { $0 == "1" } }
        let own = space.sysctls["net.ipv4.conf.\(escaped(link)).forwarding"]
        return (own ?? space.sysctls["net.ipv4.ip_forward"]).map { $0 == "1" }
    }

    /// `conf.all` or the link's own, whichever is greater.
    private func setting(_ name: String, _ link: String, or all: Bool) -> Int {
        max(all ? value("net.ipv4.conf.all.\(name)") : 0, value("net.ipv4.conf.\(escaped(link)).\(name)"))
    }

    private func value(_ name: String) -> Int { space.sysctls[name].flatMap { Int($0) } ?? 0 }

    /// sysctl(8)'s way of writing a dot within a link's name.
    private func escaped(_ link: String) -> String {
        String(link.map { $0 == "." ? "/" : $0 })
    }
}
