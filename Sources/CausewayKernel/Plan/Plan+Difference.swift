import CausewayModel

extension Plan {
    /// The steps that make `desired` of `current`.
    ///
    /// What is new is made before what is old is removed, except where the old is in the new one's way, so that
    /// nothing is ever led to what is gone. Sysctls that `desired` does not name are left alone; so is the loopback.
    package init(from current: KernelState, to desired: KernelState) {
        var builder = PlanBuilder(current: current.normalised, desired: desired.normalised)
        builder.setSysctls { $0 == nil }
        builder.clearTheWay()
        builder.makeLinks()
        builder.setSysctls { $0 != nil }
        builder.addToLinks()
        builder.changeTables(unnormalised: desired)
        builder.removeWhatIsLeft()
        builder.restoreWhatWentAlong()
        steps = builder.steps
    }
}

/// Takes each step in a copy of the current state, so that what the kernel does along with a step is known to the next.
private struct PlanBuilder {
    var current: KernelState
    let desired: KernelState
    var steps: [Plan.Step] = []

    private mutating func take(_ step: Plan.Step) {
        steps.append(step)
        current.apply(step)
    }

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
        let neighbors = desired.neighbors.subtracting(current.neighbors)
        for old in current.neighbors.subtracting(desired.neighbors).sorted(by: PlanOrder.neighbors)
        where neighbors.contains(where: { $0.link == old.link && $0.destination == old.destination }) {
            take(.neighborDelete(old))
        }
        let addresses = desired.addresses.subtracting(current.addresses)
        for old in current.addresses.subtracting(desired.addresses).sorted(by: PlanOrder.addresses)
        where addresses.contains(where: { $0.link == old.link && $0.address.address == old.address.address }) {
            take(.addressDelete(old))
        }
        clearRoutes()
    }

    /// Removes routes that the kernel would not tell from those to be added.
    fileprivate mutating func clearRoutes() {
        let routes = Set(desired.routes.subtracting(current.routes).map(\.identity))
        for route in current.routes.subtracting(desired.routes).sorted(by: PlanOrder.removal)
        where routes.contains(route.identity) {
            take(.routeDelete(route))
        }
    }

    mutating func makeLinks() {
        for link in desired.links.values.sorted(by: { $0.name < $1.name }) {
            guard let old = current.links[link.name] else {
                take(.linkAdd(link))
                continue
            }
            if old.differs(from: link) { take(.linkSet(link, from: old)) }
        }
    }

    mutating func addToLinks() {
        for address in desired.addresses.subtracting(current.addresses).sorted(by: PlanOrder.addresses) {
            take(.addressAdd(address))
        }
        for neighbor in desired.neighbors.subtracting(current.neighbors).sorted(by: PlanOrder.neighbors) {
            take(.neighborAdd(neighbor))
        }
        for route in desired.routes.subtracting(current.routes).sorted(by: PlanOrder.addition) {
            take(.routeAdd(route))
        }
        for family in desired.forwardAccepts.subtracting(current.forwardAccepts).sorted() {
            take(.forwardAcceptAdd(family))
        }
    }

    // MARK: tables

    /// - Parameter unnormalised: where tables are as their author wrote them: so they are put into the kernel.
    mutating func changeTables(unnormalised: KernelState) {
        let written = unnormalised.tables.sorted { ($0.family.rawValue, $0.name) < ($1.family.rawValue, $1.name) }
        for (table, text) in zip(desired.tables, written) {
            let old = current.tables.first { $0.family == table.family && $0.name == table.name }
            guard old != table else { continue }
            guard let old, old.withoutElements == table.withoutElements else {
                take(.tableReplace(text))
                continue
            }
            take(table.elementsChange(from: old))
        }
    }

    // MARK: removal

    /// What is on a link that goes is not removed one by one: it goes with the link.
    mutating func removeWhatIsLeft() {
        let links = doomed
        let gone = Set(links.map(\.name))
        for route in current.routes.subtracting(desired.routes).sorted(by: PlanOrder.removal)
        where !(route.link.map(gone.contains) ?? false) {
            take(.routeDelete(route))
        }
        for neighbor in current.neighbors.subtracting(desired.neighbors).sorted(by: PlanOrder.neighbors)
        where !gone.contains(neighbor.link) {
            take(.neighborDelete(neighbor))
        }
        for address in current.addresses.subtracting(desired.addresses).sorted(by: PlanOrder.addresses)
        where !gone.contains(address.link) {
            take(.addressDelete(address))
        }
        for link in links { take(.linkDelete(link)) }
        for table in current.tables
        where !desired.tables.contains(where: { $0.family == table.family && $0.name == table.name }) {
            take(.tableDelete(family: table.family, name: table.name))
        }
        for family in current.forwardAccepts.subtracting(desired.forwardAccepts).sorted() {
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
        isUp != desired.isUp || alias != desired.alias || (desired.address != nil && desired.address != address)
            || (desired.mtu != nil && desired.mtu != mtu)
    }
}

extension Rtnl.Link.Kind {
    /// Whether both cannot be at the same time, whatever their names.
    fileprivate func excludes(_ other: Rtnl.Link.Kind) -> Bool {
        switch (self, other) {
        case (.veth(let peer, let namespace), .veth(let otherPeer, let otherNamespace)):
            peer == otherPeer && namespace == otherNamespace
        case (.vxlan(let id, _, let port), .vxlan(let otherID, _, let otherPort)): id == otherID && port == otherPort
        default: false
        }
    }
}

extension Nft.Table {
    fileprivate var withoutElements: Nft.Table {
        var table = self
        for index in table.sets.indices { table.sets[index].elements = [] }
        return table
    }

    /// The change of elements between two normalised tables with the same sets.
    ///
    /// An element whose key is there with other data is deleted and added.
    fileprivate func elementsChange(from old: Nft.Table) -> Plan.Step {
        var delete: [Plan.SetElements] = []
        var add: [Plan.SetElements] = []
        for (set, oldSet) in zip(sets, old.sets) where set.elements != oldSet.elements {
            let wanted = Swift.Set(set.elements)
            let present = Swift.Set(oldSet.elements)
            let gone = oldSet.elements.filter { !wanted.contains($0) }
            let new = set.elements.filter { !present.contains($0) }
            if !gone.isEmpty { delete.append(Plan.SetElements(set: set.name, elements: gone)) }
            if !new.isEmpty { add.append(Plan.SetElements(set: set.name, elements: new)) }
        }
        return .elementsChange(family: family, table: name, delete: delete, add: add)
    }
}
