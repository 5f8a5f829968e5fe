import CausewayKernel
import CausewayModel

/// Compiles one assignment after the other, each at the price of what is new in it.
///
/// What follows from one service, one task or the networks is a piece of the whole; the pieces are kept with what they
/// were made from, and made anew only when that is another. The result is that of ``AssignmentCompiler``, whatever was
/// compiled before: an assignment that is lost or comes twice does no harm.
package struct PiecewiseCompiler: Sendable {
    /// What a service puts into the node.
    struct ServicePart: Sendable {
        var endpoint: ServiceEndpoint
        var table: TablePart
        var ports: [PublishedPort]
    }

    /// What a task puts into the node.
    struct PlacePart: Sendable {
        var place: TaskPlace
        var table: TablePart
        var host: KernelState
        var inside: KernelState
    }

    /// What a peer puts into the node.
    struct PeerPart: Sendable {
        var way: TunnelCompiler.Way
        var table: TablePart
        var host: KernelState
    }

    struct Memory: Sendable {
        var assignment: NodeAssignment
        var facts: NodeFacts
        var desired: DesiredNode
        var services: [Swarm.ID: ServicePart]
        var places: [Swarm.ID: PlacePart]
        var peers: [Swarm.ID: PeerPart]
        /// To what other nodes have, by task or container.
        var routes: [Swarm.ID: Set<Rtnl.Route>]
        var names: NameCompiler
        /// Two pieces want the same key of a set: who gets it can only be told by looking at all.
        var hasConflict: Bool
    }

    private var memory: Memory?

    package init() {}

    /// The desired state but for the names.
    package mutating func compile(_ assignment: NodeAssignment, facts: NodeFacts) -> DesiredNode {
        if var known = memory.take(), known.hasSameGround(as: assignment, facts), advance(&known, to: assignment, facts)
        {
            memory = known
            return Self.withClassic(known)
        }
        let new = Self.whole(assignment, facts)
        memory = new
        return Self.withClassic(new)
    }

    /// With what classic networks add, if there are any: made anew each time, at the price of all that is on them.
    private static func withClassic(_ known: Memory) -> DesiredNode {
        guard
            let classic = ClassicCompiler(
                known.assignment, facts: known.facts, places: known.places.values.map(\.place))
        else { return known.desired }
        var desired = known.desired
        classic.add(to: &desired)
        return desired
    }

    /// Puts the names in that belong to what was compiled last.
    ///
    /// Apart, because names can wait until the kernel has been told.
    package mutating func addNames(to desired: inout DesiredNode) {
        guard var known = memory.take() else { return }
        desired.names = known.names.tables(for: known.places.values.map(\.place), services: known.services)
        memory = known
    }

    // MARK: all of it

    private static func whole(_ assignment: NodeAssignment, _ facts: NodeFacts) -> Memory {
        let makers = Makers(assignment, facts)
        let services = assignment.services.map(makers.part)
        let places = makers.places(of: assignment).map(makers.part)
        let peers = makers.ways.values.sorted { $0.peer.number < $1.peer.number }.compactMap(makers.part)
        let routes = assignment.places.map { ($0.id, makers.routes(to: $0)) }.filter { !$0.1.isEmpty }
        var desired = DesiredNode()
        desired.host = makers.ground()
        for peer in peers { desired.host.insert(peer.host) }
        for (_, routes) in routes { desired.host.routes.formUnion(routes) }
        for place in places { desired.insert(place) }
        desired.publishedPorts = Set(services.flatMap(\.ports))
        var table = makers.table.empty()
        let conflict = table.fill(
            [makers.table.partOfNetworks()] + peers.map(\.table) + places.map(\.table) + services.map(\.table))
        desired.host.tables = [table]
        return Memory(
            assignment: assignment, facts: facts, desired: desired,
            services: Dictionary(services.map { ($0.endpoint.id, $0) }) { first, _ in first },
            places: Dictionary(places.map { ($0.place.id, $0) }) { first, _ in first },
            peers: Dictionary(peers.map { ($0.way.peer.id, $0) }) { first, _ in first },
            routes: Dictionary(routes) { first, _ in first },
            names: NameCompiler(facts: facts), hasConflict: conflict)
    }

    // MARK: what is new

    /// - Returns: `false` when only a look at the whole can tell.
    private func advance(_ known: inout Memory, to assignment: NodeAssignment, _ facts: NodeFacts) -> Bool {
        let makers = Makers(assignment, facts)
        var change = TableChange()
        advanceTunnel(&known, to: assignment, makers, &change)
        for (old, new) in Self.changes(known.assignment.services, assignment.services) {
            let before = old.flatMap { known.services.removeValue(forKey: $0.id) }
            let after = new.map(makers.part)
            if let after { known.services[after.endpoint.id] = after }
            change.replace(before?.table, by: after?.table)
            known.names.replace(old, by: new)
            if before?.ports != after?.ports {
                known.desired.publishedPorts.subtract(before?.ports ?? [])
                known.desired.publishedPorts.formUnion(after?.ports ?? [])
            }
        }
        if known.assignment.tasks != assignment.tasks || known.assignment.containers != assignment.containers {
            let places = makers.places(of: assignment)
            for (old, new) in Self.changes(known.places.values.map(\.place).sorted { $0.id < $1.id }, places) {
                let before = old.flatMap { known.places.removeValue(forKey: $0.id) }
                let after = new.map(makers.part)
                if let after { known.places[after.place.id] = after }
                change.replace(before?.table, by: after?.table)
                before.map { known.desired.remove($0) }
                after.map { known.desired.insert($0) }
            }
        }
        known.assignment = assignment
        known.facts = facts
        return known.desired.host.tables[0].apply(change)
    }

    /// What differs between two lists, one element for each identifier.
    ///
    /// Lists that come from each other have most of their elements in common, in the same order; those that are the
    /// very same are found equal at a glance.
    static func changes<T: Equatable & Identifiable>(_ old: [T], _ new: [T]) -> [(old: T?, new: T?)] {
        var changed: [(old: T?, new: T?)] = []
        var start = 0
        while start < min(old.count, new.count) {
            if old[start] != new[start] {
                guard old[start].id == new[start].id else { break }
                changed.append((old[start], new[start]))
            }
            start += 1
        }
        var before = Dictionary(old[start...].map { ($0.id, $0) }) { first, _ in first }
        for element in new[start...] {
            let other = before.removeValue(forKey: element.id)
            if other != element { changed.append((other, element)) }
        }
        return changed + old[start...].filter { before[$0.id] != nil }.map { ($0, nil) }
    }
}
