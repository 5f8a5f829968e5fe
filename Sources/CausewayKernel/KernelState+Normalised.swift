import CausewayModel

extension KernelState {
    /// The state in the one form that all its spellings share: two states are the same when their forms are equal.
    ///
    /// Tables are ``Nft/Table/normalised`` and sorted; an IPv6 route without a metric has the kernel's, 1024;
    /// balancers and iptables are sorted, and without what the kernel counts.
    package var normalised: KernelState {
        var state = self
        state.tables = tables.map(\.normalised).sorted { ($0.family.rawValue, $0.name) < ($1.family.rawValue, $1.name) }
        state.routes = Swift.Set(routes.map(\.normalised))
        state.balancers = balancers.map(\.normalised).sorted { $0.key < $1.key }
        state.firewall = IPTables.normalised(firewall)
        return state
    }

    /// The link whose own setting a sysctl is: `net.ipv4.conf.LINK.…`; `nil` for all others, `all` and `default` too.
    package static func link(ofSysctl name: String) -> String? {
        let parts = name.split(separator: ".")
        guard parts.count >= 5, parts[2] == "conf" || parts[2] == "neigh", parts[3] != "all", parts[3] != "default"
        else { return nil }
        return String(parts[3].map { $0 == "/" ? "." : $0 })
    }
}

extension Rtnl.Route {
    var normalised: Rtnl.Route {
        var route = self
        if destination.family == .ip6, metric == 0 { route.metric = 1024 }
        return route
    }

    /// What the kernel tells routes apart by: a second one with the same is refused.
    struct Identity: Hashable {
        var destination: CIDR
        var table: UInt32
        var metric: UInt32
    }

    var identity: Identity { Identity(destination: destination, table: table, metric: normalised.metric) }
}
