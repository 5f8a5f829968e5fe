/// What turns one assignment of a node into the next: all that is sent when little has changed.
///
/// One law: applied to the assignment that it was made from, it gives exactly the other, in the same order.
package struct AssignmentChange: Hashable, Codable, Sendable {
    /// The revision that it is to be applied to.
    package var base: UInt64
    package var revision: UInt64
    package var nodeNumber: Int
    package var hostname: String
    package var uniqueLocalPrefix: CIDR
    package var tunnel: Tunnel?
    package var dataAddress: IPAddress?
    package var networks: ListChange<Swarm.Network>?
    package var tasks: ListChange<Swarm.Task>?
    package var services: ListChange<ServiceEndpoint>?
    package var containers: ListChange<AttachedContainer>?
    package var peers: ListChange<Peer>?
    package var places: ListChange<PlacedAddresses>?
    package var dependencies: ListChange<Swarm.AssignedDependency>?
    package var balancers: ListChange<BalancerAddress>?

    /// `nil` when one is not to be had: the assignments are of two nodes, or an identifier comes twice in a list.
    package init?(from old: NodeAssignment, to new: NodeAssignment) {
        guard old.nodeID == new.nodeID else { return nil }
        base = old.revision
        revision = new.revision
        nodeNumber = new.nodeNumber
        hostname = new.hostname
        uniqueLocalPrefix = new.uniqueLocalPrefix
        tunnel = new.tunnel
        dataAddress = new.dataAddress
        do {
            networks = try ListChange.between(old.networks, new.networks)
            tasks = try ListChange.between(old.tasks, new.tasks)
            services = try ListChange.between(old.services, new.services)
            containers = try ListChange.between(old.containers, new.containers)
            peers = try ListChange.between(old.peers, new.peers)
            places = try ListChange.between(old.places, new.places)
            dependencies = try ListChange.between(old.dependencies ?? [], new.dependencies ?? [])
            balancers = try ListChange.between(old.balancers ?? [], new.balancers ?? [])
        } catch {
            return nil
        }
    }

    /// The assignment after the change; `nil` when it was made from another one: ask for the whole.
    package func apply(to old: NodeAssignment) -> NodeAssignment? {
        guard old.revision == base else { return nil }
        var new = old
        new.revision = revision
        new.nodeNumber = nodeNumber
        new.hostname = hostname
        new.uniqueLocalPrefix = uniqueLocalPrefix
        new.tunnel = tunnel
        new.dataAddress = dataAddress
        guard Self.apply(networks, &new.networks), Self.apply(tasks, &new.tasks), Self.apply(services, &new.services),
            Self.apply(containers, &new.containers), Self.apply(peers, &new.peers), Self.apply(places, &new.places)
        else { return nil }
        var needed = old.dependencies ?? []
        guard Self.apply(dependencies, &needed) else { return nil }
        new.dependencies = needed.isEmpty ? nil : needed
        var known = old.balancers ?? []
        guard Self.apply(balancers, &known) else { return nil }
        new.balancers = known.isEmpty ? nil : known
        return new
    }

    private static func apply<Element>(_ change: ListChange<Element>?, _ list: inout [Element]) -> Bool {
        guard let change else { return true }
        guard let changed = change.apply(to: list) else { return false }
        list = changed
        return true
    }
}

/// What turns one list of things that have identifiers into another.
package struct ListChange<Element: Identifiable & Codable & Hashable & Sendable>: Hashable, Codable, Sendable
where Element.ID == String {
    /// An identifier comes twice.
    struct Ambiguous: Error {}

    package var removed: [String]
    /// New, or with another content.
    package var replaced: [Element]
    /// The identifiers in their order; absent where the order follows from the rest (see ``arrange(_:_:)``).
    package var order: [String]?

    /// `nil`: nothing has changed.
    static func between(_ old: [Element], _ new: [Element]) throws(Ambiguous) -> ListChange? {
        // Lists that share their storage are equal without a look at what is in them.
        if old == new { return nil }
        let before = try index(old)
        let after = try index(new)
        var change = ListChange(
            removed: old.lazy.map(\.id).filter { after[$0] == nil },
            replaced: new.filter { element in
                guard let at = before[element.id] else { return true }
                return old[at] != element
            })
        let ids = new.map(\.id)
        if change.apply(to: old)?.map(\.id) != ids { change.order = ids }
        return change
    }

    private init(removed: [String], replaced: [Element]) {
        self.removed = removed
        self.replaced = replaced
    }

    /// `nil` when it was made from another list.
    func apply(to old: [Element]) -> [Element]? {
        let gone = Set(removed)
        var list = old.filter { !gone.contains($0.id) }
        guard let at = try? Self.index(list), list.count + gone.count == old.count else { return nil }
        var added: [Element] = []
        for element in replaced {
            if let index = at[element.id] { list[index] = element } else { added.append(element) }
        }
        guard let order else { return Self.arrange(list, added) }
        let all = Dictionary((list + added).map { ($0.id, $0) }) { first, _ in first }
        let ordered = order.compactMap { all[$0] }
        return ordered.count == order.count && ordered.count == list.count + added.count ? ordered : nil
    }

    /// What is new goes to its place by identifier if the list is sorted so, else to the end.
    private static func arrange(_ list: [Element], _ added: [Element]) -> [Element] {
        guard !added.isEmpty else { return list }
        let isSorted = zip(list, list.dropFirst()).allSatisfy { $0.id < $1.id }
        return isSorted ? (list + added).sorted { $0.id < $1.id } : list + added
    }

    private static func index(_ list: [Element]) throws(Ambiguous) -> [String: Int] {
        var result: [String: Int] = [:]
        result.reserveCapacity(list.count)
        for (at, element) in list.enumerated() {
            guard result.updateValue(at, forKey: element.id) == nil else { throw Ambiguous() }
        }
        return result
    }
}
