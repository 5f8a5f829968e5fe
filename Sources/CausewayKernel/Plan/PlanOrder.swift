import CausewayModel

/// The order of steps of one kind: what others need comes first; else by name and number, so that equal states give
/// equal plans.
enum PlanOrder {
    /// A bridge before its ports.
    static func links(_ a: Rtnl.Link, _ b: Rtnl.Link) -> Bool {
        (a.kind == .bridge ? 0 : 1, a.name) < (b.kind == .bridge ? 0 : 1, b.name)
    }

    static func addresses(_ a: Rtnl.Address, _ b: Rtnl.Address) -> Bool {
        (a.link, a.address) < (b.link, b.address)
    }

    static func neighbors(_ a: Rtnl.Neighbor, _ b: Rtnl.Neighbor) -> Bool {
        (a.link, a.destination, a.address.rawValue) < (b.link, b.destination, b.address.rawValue)
    }

    static func forwarding(_ a: Rtnl.ForwardingEntry, _ b: Rtnl.ForwardingEntry) -> Bool {
        (a.link, a.address.rawValue, a.destination) < (b.link, b.address.rawValue, b.destination)
    }

    /// From the last to the first: what a `goto` leads to is there before it, and a rule for few before one for all.
    static func rules(_ a: NamespaceState.PolicyRule, _ b: NamespaceState.PolicyRule) -> Bool {
        if a.family != b.family { return a.family < b.family }
        return a.priority == b.priority ? a.description < b.description : a.priority > b.priority
    }

    /// Routes that a gateway is reached by before those through the gateway.
    static func addition(_ a: Rtnl.Route, _ b: Rtnl.Route) -> Bool {
        a.depth == b.depth ? byName(a, b) : a.depth < b.depth
    }

    static func removal(_ a: Rtnl.Route, _ b: Rtnl.Route) -> Bool {
        a.depth == b.depth ? byName(a, b) : a.depth > b.depth
    }

    private static func byName(_ a: Rtnl.Route, _ b: Rtnl.Route) -> Bool {
        if a.destination != b.destination { return a.destination < b.destination }
        if (a.table, a.metric) != (b.table, b.metric) { return (a.table, a.metric) < (b.table, b.metric) }
        return a.description < b.description
    }
}

extension Rtnl.Route {
    /// 0 when it needs no other route, 1 when its gateway does.
    var depth: Int { gateway == nil || isOnLink ? 0 : 1 }
}
