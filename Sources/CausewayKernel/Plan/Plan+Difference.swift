import CausewayModel

extension Plan {
    /// The steps that make `desired` of `current`.
    ///
    /// What is new is made before what is old is removed, except where the old is in the new one's way, so that
    /// nothing is ever led to what is gone. Sysctls that `desired` does not name are left alone; so is the loopback.
    package init(from current: KernelState, to desired: KernelState) {
        var builder = PlanBuilder(current: current, desired: desired)
        builder.setSysctls { $0 == nil }
        builder.clearTheWay()
        builder.makeLinks()
        builder.setSysctls { $0 != nil }
        builder.addToLinks()
        builder.addRules()
        builder.changeTables()
        builder.addBalancers()
        builder.changeFirewall()
        builder.removeBalancers()
        builder.removeWhatIsLeft()
        builder.restoreWhatWentAlong()
        steps = builder.steps
    }
}

/// Takes each step in a copy of the current state, so that what the kernel does along with a step is known to the next.
struct PlanBuilder {
    var current: KernelState
    let desired: KernelState
    var steps: [Plan.Step] = []

    /// What both have alike is not brought into its one form, so that it costs a look.
    init(current: KernelState, desired: KernelState) {
        var (current, desired) = (current, desired)
        if current.routes != desired.routes {
            let kept = Self.routesAtRisk(current, desired)
            let missing = desired.routes.subtracting(current.routes).map(\.normalised)
            let surplus = current.routes.subtracting(desired.routes).map(\.normalised)
            current.routes = kept.union(surplus)
            desired.routes = kept.union(missing)
        }
        self.current = current
        self.desired = desired
    }

    /// Routes that both states have, and that the kernel may nevertheless forget along with a link or an address.
    ///
    /// The others stay as they are, whatever is done: of a node's ten thousand routes a change looks at its own.
    private static func routesAtRisk(_ current: KernelState, _ desired: KernelState) -> Set<Rtnl.Route> {
        let addresses = current.addresses.symmetricDifference(desired.addresses)
        let links = Set(
            addresses.map(\.link)
                + current.links.filter { desired.links[$0.key] != $0.value }.map(\.key)
                + desired.links.keys.filter { current.links[$0] == nil })
        guard !links.isEmpty else { return [] }
        let risky = current.routes.filter { route in
            (!addresses.isEmpty && route.source != nil) || route.link.map(links.contains) ?? false
        }
        return Set(risky.intersection(desired.routes).map(\.normalised))
    }

    mutating func take(_ step: Plan.Step) {
        steps.append(step)
        current.apply(step)
    }

    private func missing<T>(_ part: KeyPath<KernelState, Set<T>>) -> Set<T> {
        Self.difference(desired[keyPath: part], current[keyPath: part])
    }

    private func surplus<T>(_ part: KeyPath<KernelState, Set<T>>) -> Set<T> {
        Self.difference(current[keyPath: part], desired[keyPath: part])
    }

    /// Sets that share their storage are equal at once; subtracting them would look at every element.
    private static func difference<T>(_ a: Set<T>, _ b: Set<T>) -> Set<T> { a == b ? [] : a.subtracting(b) }

    /// - Parameter isWanted: asked with the link of ours that the sysctl belongs to, if any.
    mutating func setSysctls(where isWanted: (String?) -> Bool) {
        for (name, value) in desired.sysctls.sorted(by: { $0.key < $1.key }) where current.sysctls[name] != value {
            let link = KernelState.link(ofSysctl: name).flatMap { desired.links[$0] == nil ? nil : $0 }
            if isWanted(link) { take(.sysctlSet(name: name, value: value)) }
        }
    }

    // MARK: links

    /// Links that are not to stay, and those of which another kind is wanted.
    private var doomed: [Rtnl.Link] {
        current.links.values.filter { $0.kind != .loopback && desired.links[$0.name]?.kind != $0.kind }
            .sorted { $0.name < $1.name }
    }

    /// Removes what the kernel would not take the new beside.
    mutating func clearTheWay() {
        let added = desired.links.values.filter { current.links[$0.name]?.kind != $0.kind }
        for link in doomed where added.contains(where: { $0.name == link.name || $0.kind.excludes(link.kind) }) {
            take(.linkDelete(link))
        }
        let neighbors = missing(\.neighbors)
        for old in surplus(\.neighbors).sorted(by: PlanOrder.neighbors)
        where neighbors.contains(where: { $0.link == old.link && $0.destination == old.destination }) {
            take(.neighborDelete(old))
        }
        let addresses = missing(\.addresses)
        for old in surplus(\.addresses).sorted(by: PlanOrder.addresses)
        where addresses.contains(where: { $0.link == old.link && $0.address.address == old.address.address }) {
            take(.addressDelete(old))
        }
        clearRoutes()
    }

    /// Removes routes that the kernel would not tell from those to be added, but for those that can be replaced.
    fileprivate mutating func clearRoutes() {
        let routes = newRoutes
        for route in surplus(\.routes).sorted(by: PlanOrder.removal) {
            guard let new = routes[route.identity], !route.canBecome(new) else { continue }
            take(.routeDelete(route))
        }
    }

    /// Those to be added, by what the kernel tells routes apart by.
    private var newRoutes: [Rtnl.Route.Identity: Rtnl.Route] {
        Dictionary(missing(\.routes).map { ($0.identity, $0) }) { first, _ in first }
    }

    /// A route that goes first leaves its packets to the next one, and that one may refuse them for good.
    private mutating func replaceRoutes() {
        let routes = newRoutes
        guard !routes.isEmpty else { return }
        for old in surplus(\.routes).sorted(by: PlanOrder.addition) {
            if let new = routes[old.identity], old.canBecome(new) { take(.routeReplace(new, from: old)) }
        }
    }

    mutating func makeLinks() {
        for link in desired.links.values.sorted(by: PlanOrder.links) {
            guard let old = current.links[link.name] else {
                take(.linkAdd(link))
                continue
            }
            if old.differs(from: link) { take(.linkSet(link, from: old)) }
        }
    }

    mutating func addToLinks() {
        for address in missing(\.addresses).sorted(by: PlanOrder.addresses) {
            take(.addressAdd(address))
        }
        for neighbor in missing(\.neighbors).sorted(by: PlanOrder.neighbors) {
            take(.neighborAdd(neighbor))
        }
        for entry in surplus(\.forwarding).sorted(by: PlanOrder.forwarding)
        where desired.forwarding.contains(where: { $0.link == entry.link && $0.address == entry.address }) {
            take(.forwardingDelete(entry))
        }
        for entry in missing(\.forwarding).sorted(by: PlanOrder.forwarding) {
            take(.forwardingAdd(entry))
        }
        replaceRoutes()
        for route in missing(\.routes).sorted(by: PlanOrder.addition) {
            take(.routeAdd(route))
        }
        for family in missing(\.forwardAccepts).sorted() {
            take(.forwardAcceptAdd(family))
        }
    }

    /// When the tables that they lead to are filled.
    mutating func addRules() {
        for rule in missing(\.rules).sorted(by: PlanOrder.rules) { take(.ruleAdd(rule)) }
    }

    // MARK: tables

    mutating func changeTables() {
        for table in desired.tables.sorted(by: { ($0.family.rawValue, $0.name) < ($1.family.rawValue, $1.name) }) {
            let index = current.tables.firstIndex { $0.family == table.family && $0.name == table.name }
            guard let index, table.hasSameRules(as: current.tables[index]) else {
                take(.tableReplace(table))
                continue
            }
            guard let change = table.elementsChange(from: current.tables[index]) else { continue }
            steps.append(change)
            current.tables[index] = table
        }
    }

    // MARK: removal

    /// What is on a link that goes is not removed one by one: it goes with the link.
    mutating func removeWhatIsLeft() {
        let links = doomed
        let gone = Set(links.map(\.name))
        for rule in surplus(\.rules).sorted(by: PlanOrder.rules).reversed() { take(.ruleDelete(rule)) }
        for route in surplus(\.routes).sorted(by: PlanOrder.removal)
        where !(route.link.map(gone.contains) ?? false) {
            take(.routeDelete(route))
        }
        for neighbor in surplus(\.neighbors).sorted(by: PlanOrder.neighbors)
        where !gone.contains(neighbor.link) {
            take(.neighborDelete(neighbor))
        }
        for entry in surplus(\.forwarding).sorted(by: PlanOrder.forwarding)
        where !gone.contains(entry.link) {
            take(.forwardingDelete(entry))
        }
        for address in surplus(\.addresses).sorted(by: PlanOrder.addresses)
        where !gone.contains(address.link) {
            take(.addressDelete(address))
        }
        for link in links { take(.linkDelete(link)) }
        for table in current.tables
        where !desired.tables.contains(where: { $0.family == table.family && $0.name == table.name }) {
            take(.tableDelete(family: table.family, name: table.name))
        }
        for family in surplus(\.forwardAccepts).sorted() {
            take(.forwardAcceptDelete(family))
        }
    }
}

extension PlanBuilder {
    /// Some of what was to stay may have gone with an address: a link's IPv4 routes with its last one, a route's source.
    fileprivate mutating func restoreWhatWentAlong() {
        clearRoutes()
        addToLinks()
    }
}

extension Rtnl.Link {
    /// Whether something has to be set: what `desired` leaves to the kernel may be anything.
    fileprivate func differs(from desired: Rtnl.Link) -> Bool {
        isUp != desired.isUp || alias != desired.alias || checksumOffload != desired.checksumOffload
            || (desired.address != nil && desired.address != address)
            || (desired.mtu != nil && desired.mtu != mtu) || master != desired.master
    }
}

extension Rtnl.Route {
    /// Whether the kernel puts the other one in this one's place in one step, whatever other routes there are.
    fileprivate func canBecome(_ other: Rtnl.Route) -> Bool {
        kind == .unicast && other.kind == .unicast && other.depth == 0
    }
}

extension Rtnl.Link.Kind {
    /// Whether both cannot be at the same time, whatever their names.
    fileprivate func excludes(_ other: Rtnl.Link.Kind) -> Bool {
        switch (self, other) {
        case (.veth(let peer, let namespace), .veth(let otherPeer, let otherNamespace)):
            peer == otherPeer && namespace == otherNamespace
        default: tunnel.map { $0.id == other.tunnel?.id && $0.port == other.tunnel?.port } ?? false
        }
    }
}

extension Nft.Table {
    /// Whether all is the same but the elements of the sets.
    fileprivate func hasSameRules(as other: Nft.Table) -> Bool {
        func declarations(_ sets: [Nft.Set]) -> [Nft.Set] { sets.map(\.declaration).sorted { $0.name < $1.name } }
        guard declarations(sets) == declarations(other.sets) else { return false }
        return chains == other.chains
            || Nft.Table(family: family, name: name, chains: chains).normalised.chains
                == Nft.Table(family: family, name: name, chains: other.chains).normalised.chains
    }

    /// The change of elements between two tables with the same sets; `nil` when there is none.
    ///
    /// An element whose key is there with other data is deleted and added.
    fileprivate func elementsChange(from old: Nft.Table) -> Plan.Step? {
        var delete: [Plan.SetElements] = []
        var add: [Plan.SetElements] = []
        let before = Dictionary(old.sets.map { ($0.name, $0) }) { first, _ in first }
        for set in sets.sorted(by: { $0.name < $1.name }) {
            let (gone, new) = (before[set.name]?.keyed ?? Nft.Elements()).difference(to: set.keyed)
            if !gone.isEmpty { delete.append(Plan.SetElements(of: set, gone)) }
            if !new.isEmpty { add.append(Plan.SetElements(of: set, new)) }
        }
        guard !delete.isEmpty || !add.isEmpty else { return nil }
        return .elementsChange(family: family, table: name, delete: delete, add: add)
    }
}
