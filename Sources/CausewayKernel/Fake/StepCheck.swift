import CausewayModel

/// Whether Linux would take a step in a state, and what it says when not.
struct StepCheck {
    let state: KernelState
    let step: Plan.Step

    func check() throws(KernelError) {
        switch step {
        case .linkAdd(let link): try add(link)
        case .linkSet(let link, _): try set(link)
        case .linkDelete(let link): try delete(link)
        case .addressAdd(let address): try add(address)
        case .addressDelete(let address): try require(state.addresses.contains(address), .notFound, errno: 99)
        case .routeAdd(let route): try RouteCheck(check: self, route: route).run()
        case .routeDelete(let route): try require(state.routes.contains(route.normalised), .notFound, errno: 3)
        case .routeReplace(let route, let old):
            try require(state.routes.contains(old.normalised), .notFound, errno: 2)
            try RouteCheck(check: without(old), route: route).run()
        case .ruleAdd(let rule): try add(rule)
        case .ruleDelete(let rule): try require(state.rules.contains(rule), .notFound, errno: 2)
        case .forwardingAdd(let entry): try add(entry)
        case .forwardingDelete(let entry): try require(state.forwarding.contains(entry), .notFound, errno: 2)
        case .neighborAdd(let neighbor):
            try requireLink(neighbor.link)
            let isTaken = state.neighbors.contains {
                $0.link == neighbor.link && $0.destination == neighbor.destination
            }
            try require(!isTaken, .alreadyExists, errno: 17)
        case .neighborDelete(let neighbor): try require(state.neighbors.contains(neighbor), .notFound, errno: 2)
        case .tableReplace(let table): try TableCheck(check: self, table: table).run()
        case .tableDelete(let family, let name): _ = try table(family, name)
        case .elementsChange(let family, let name, let delete, let add):
            try TableCheck(check: self, table: table(family, name)).run(delete: delete, add: add)
        case .sysctlSet(let name, _):
            if let link = KernelState.link(ofSysctl: name) { try requireLink(link) }
        case .forwardAcceptAdd(let family):
            try require(!state.forwardAccepts.contains(family), .alreadyExists, errno: 17)
        case .forwardAcceptDelete(let family): try require(state.forwardAccepts.contains(family), .notFound, errno: 2)
        case .balancerAdd, .balancerDelete, .destinationAdd, .destinationSet, .destinationDelete:
            try BalancerCheck(check: self).run()
        case .firewallChange(let table, let old): try FirewallCheck(check: self, table: table, old: old).run()
        }
    }

    // MARK: links and addresses

    private func add(_ link: Rtnl.Link) throws(KernelError) {
        try require(
            (1...15).contains(link.name.utf8.count) && !link.name.contains { $0 == "/" || $0.isWhitespace }, .invalid,
            errno: 22, "names have 1 to 15 bytes, without '/' and spaces")
        try require(state.links[link.name] == nil, .alreadyExists, errno: 17)
        switch link.kind {
        case .loopback, .vethPeer, .other(""):
            try fail(.unsupported, errno: 95, "a \(link.kind) link is not made by itself")
        case .vxlan(let id, _, let port), .overlayVxlan(let id, _, let port):
            let isTaken = state.links.values.contains { $0.kind.tunnel.map { $0.id == id && $0.port == port } ?? false }
            try require(!isTaken, .alreadyExists, errno: 17, "id \(id) is in use")
        default: break
        }
        try requireMaster(of: link)
    }

    private func requireMaster(of link: Rtnl.Link) throws(KernelError) {
        guard let master = link.master else { return }
        try requireLink(master)
        try require(state.links[master]?.kind == .bridge, .unsupported, errno: 95, "'\(master)' is no bridge")
        try require(link.kind != .bridge && link.kind != .loopback, .invalid, errno: 40, "it can be no bridge's port")
    }

    private func set(_ link: Rtnl.Link) throws(KernelError) {
        try requireLink(link.name)
        try requireMaster(of: link)
        try require(
            state.links[link.name]?.kind == link.kind, .unsupported, errno: 95, "a link's kind cannot be changed")
    }

    private func delete(_ link: Rtnl.Link) throws(KernelError) {
        try requireLink(link.name)
        switch state.links[link.name]?.kind {
        case .loopback?, .other("")?: try fail(.unsupported, errno: 95)
        default: break
        }
    }

    private func add(_ address: Rtnl.Address) throws(KernelError) {
        try requireLink(address.link)
        let isTaken = state.addresses.contains {
            $0.link == address.link && $0.address.address == address.address.address
                && (address.address.family == .ip6 || $0.address.prefixLength == address.address.prefixLength)
        }
        try require(!isTaken, .alreadyExists, errno: 17, "address already assigned")
    }

    /// As if a route were not there.
    private func without(_ route: Rtnl.Route) -> StepCheck {
        var rest = state
        rest.routes.remove(route.normalised)
        return StepCheck(state: rest, step: step)
    }

    /// See fib_nl_newrule(): the same rule twice is refused, and so is a way back.
    private func add(_ rule: NamespaceState.PolicyRule) throws(KernelError) {
        try require(!state.rules.contains(rule), .alreadyExists, errno: 17)
        guard rule.action == "goto" else { return }
        try require((rule.target ?? 0) > rule.priority, .invalid, errno: 22, "backward goto not supported")
    }

    /// See vxlan_fdb_add(): an Ethernet address leads to one host.
    private func add(_ entry: Rtnl.ForwardingEntry) throws(KernelError) {
        try requireLink(entry.link)
        if let tunnel = state.links[entry.link]?.kind.tunnel {
            let isOfFamily = tunnel.local.map { $0.family == entry.destination.family } ?? true
            try require(isOfFamily, .invalid, errno: 97, "the tunnel's own address is of the other family")
        } else {
            try fail(.unsupported, errno: 95, "'\(entry.link)' is no tunnel")
        }
        let isTaken = state.forwarding.contains { $0.link == entry.link && $0.address == entry.address }
        try require(!isTaken, .alreadyExists, errno: 17)
    }

    private func table(_ family: Nft.Family, _ name: String) throws(KernelError) -> Nft.Table {
        guard let table = state.tables.first(where: { $0.family == family && $0.name == name }) else {
            throw error(.notFound, errno: 2, "no table \(family.rawValue) \(name)")
        }
        return table
    }

    // MARK: refusing

    func requireLink(_ name: String) throws(KernelError) {
        try require(state.links[name] != nil, .notFound, errno: 19, "no link '\(name)'")
    }

    func require(
        _ condition: Bool, _ reason: KernelError.Reason, errno: Int32, _ detail: String = ""
    ) throws(KernelError) {
        if !condition { throw error(reason, errno: errno, detail) }
    }

    func fail(_ reason: KernelError.Reason, errno: Int32, _ detail: String = "") throws(KernelError) {
        throw error(reason, errno: errno, detail)
    }

    private func error(_ reason: KernelError.Reason, errno: Int32, _ detail: String) -> KernelError {
        KernelError(step: step.description, reason: reason, errno: errno, detail: detail)
    }
}

/// Whether a route can be added: see fib_check_nh() and ip6_route_check_nh().
struct RouteCheck {
    let check: StepCheck
    let route: Rtnl.Route

    func run() throws(KernelError) {
        let state = check.state
        try check.require(
            route.destination == route.destination.network, .invalid, errno: 22,
            "bits behind the prefix length are set")
        try check.require(
            !state.routes.contains { $0.identity == route.identity }, .alreadyExists, errno: 17)
        if let source = route.source {
            try check.require(
                state.addresses.contains { $0.address.address == source }, .invalid, errno: 22,
                "\(source) is not an address of ours")
        }
        guard ![.blackhole, .unreachable, .prohibit].contains(route.kind) else { return }
        try check.require(route.link != nil || route.gateway != nil, .notFound, errno: 19, "neither link nor gateway")
        if let link = route.link {
            try check.requireLink(link)
            try check.require(state.links[link]?.isUp == true, .invalid, errno: 100, "'\(link)' is not up")
        }
        try route.gateway.map(checkGateway) ?? ()
    }

    private func checkGateway(_ gateway: IPAddress) throws(KernelError) {
        try check.require(
            gateway.family == route.destination.family, .invalid, errno: 22, "the gateway is of the other family")
        if gateway.family == .ip6, let link = route.link, check.state.links[link]?.kind == .loopback {
            return try check.fail(.invalid, errno: 22, "egress device can not be loopback device for this route")
        }
        if route.isOnLink { return try check.require(route.link != nil, .invalid, errno: 22, "'onlink' needs a link") }
        if let address = gateway.v6, address.isLinkLocal {
            return try check.require(route.link != nil, .invalid, errno: 22, "a link-local gateway needs a link")
        }
        try check.require(
            isReachable(gateway), .invalid, errno: gateway.family == .ip ? 101 : 113, "nexthop has invalid gateway")
    }

    /// By a route without a gateway of its own, or by the subnet of an address of a link that is up.
    private func isReachable(_ gateway: IPAddress) -> Bool {
        let state = check.state
        func isHere(_ link: String?) -> Bool { route.link == nil || link == route.link }
        return state.routes.contains {
            $0.gateway == nil && $0.kind == .unicast && $0.table == 254 && isHere($0.link)
                && $0.destination.contains(gateway)
        }
            || state.addresses.contains {
                isHere($0.link) && state.links[$0.link]?.isUp == true && !$0.address.isHost
                    && $0.address.contains(gateway)
            }
    }
}
