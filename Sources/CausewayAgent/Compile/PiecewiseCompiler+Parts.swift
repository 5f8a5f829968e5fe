import CausewayKernel
import CausewayModel

extension PiecewiseCompiler {
    /// What makes the pieces, with what all of them share.
    struct Makers {
        let host: HostCompiler
        let table: HostTable
        /// Absent for a node that is alone.
        let tunnel: TunnelCompiler?
        let ways: [Swarm.ID: TunnelCompiler.Way]
        private let ingress: Set<Swarm.ID>
        private let nodeID: Swarm.ID
        private let hasClassicIngress: Bool
        /// Subnets that the table, the routes and the tunnel of `direct` have nothing to do with.
        private let classicSubnets: [CIDR]
        private let facts: NodeFacts

        var offloadsTunnel: Bool { facts.tunnelOffload }

        init(_ assignment: NodeAssignment, _ facts: NodeFacts) {
            host = HostCompiler(assignment: assignment, facts: facts)
            tunnel = TunnelCompiler(assignment, facts: facts)
            ways = tunnel?.ways(assignment.peers, facts) ?? [:]
            table = HostTable(assignment, tunnelPort: tunnel?.tunnel.port)
            ingress = Set(assignment.networks.filter(\.spec.isIngress).map(\.id))
            nodeID = assignment.nodeID
            let classic = assignment.networks.filter(\.spec.isClassic)
            hasClassicIngress = classic.contains(where: \.spec.isIngress)
            classicSubnets = classic.flatMap(\.subnets).map(\.subnet)
            self.facts = facts
        }

        func part(of service: ServiceEndpoint) -> ServicePart {
            let published = PublishedService.all(of: service, ingress: ingress, node: nodeID)
            return ServicePart(
                // A classic mesh has its maps elsewhere; its ports are held all the same.
                endpoint: service, table: table.part(of: service, published: hasClassicIngress ? [] : published),
                ports: published.map {
                    PublishedPort(protocol: $0.protocol, port: $0.port, service: $0.name, scope: $0.scope)
                })
        }

        func part(of place: TaskPlace) -> PlacePart {
            PlacePart(
                place: place, table: table.part(of: place), host: host.part(of: place),
                inside: TaskCompiler(place: place, facts: facts).state())
        }

        func part(of way: TunnelCompiler.Way) -> PeerPart? {
            tunnel.map { PeerPart(way: way, table: $0.tablePart(of: way.peer), host: $0.part(of: way)) }
        }

        /// The routes to what another node has; none where it is this node's, or the node is not known.
        func routes(to place: PlacedAddresses) -> Set<Rtnl.Route> {
            guard place.nodeID != nodeID, let tunnel, let way = ways[place.nodeID] else { return [] }
            guard !classicSubnets.isEmpty else { return tunnel.routes(to: place, by: way) }
            var place = place
            place.addresses.removeAll { address in classicSubnets.contains { $0.contains(address) } }
            return tunnel.routes(to: place, by: way)
        }

        /// All of the host that belongs to no task, no service and no peer.
        func ground() -> KernelState {
            var state = host.ground()
            if let tunnel { state.insert(tunnel.ground(offload: facts.tunnelOffload)) }
            state.rules = PolicyRules.all(peers: ways.values.map(\.peer.number))
            return state
        }

        /// Sorted by identifier.
        func places(of assignment: NodeAssignment) -> [TaskPlace] {
            let tasks = assignment.tasks.filter { AssignmentCompiler.needsNamespace($0) }
                .map { TaskPlace(task: $0, assignment: assignment) }
            return (tasks + assignment.containers.map { TaskPlace(container: $0, assignment: assignment) })
                .sorted { $0.id < $1.id }
        }
    }
}

extension DesiredNode {
    mutating func insert(_ part: PiecewiseCompiler.PlacePart) {
        host.insert(part.host)
        namespaces[part.place.namespace] = part.inside
        namespaceOfTask[part.place.id] = part.place.namespace
    }

    mutating func remove(_ part: PiecewiseCompiler.PlacePart) {
        host.remove(part.host)
        namespaces[part.place.namespace] = nil
        namespaceOfTask[part.place.id] = nil
    }
}

extension KernelState {
    /// Puts in a piece of the whole; tables and policy rules are of one piece.
    mutating func insert(_ part: KernelState) {
        links.merge(part.links) { _, new in new }
        addresses.formUnion(part.addresses)
        routes.formUnion(part.routes)
        neighbors.formUnion(part.neighbors)
        forwarding.formUnion(part.forwarding)
        sysctls.merge(part.sysctls) { _, new in new }
    }

    mutating func remove(_ part: KernelState) {
        for link in part.links.keys { links[link] = nil }
        addresses.subtract(part.addresses)
        routes.subtract(part.routes)
        neighbors.subtract(part.neighbors)
        forwarding.subtract(part.forwarding)
        for name in part.sysctls.keys { sysctls[name] = nil }
    }
}

/// What goes from the sets of a table, and what comes.
struct TableChange {
    private(set) var gone: [String: [Nft.Elements.Entry]] = [:]
    private(set) var new: [String: [Nft.Elements.Entry]] = [:]

    mutating func replace(_ before: TablePart?, by after: TablePart?) {
        guard before != after else { return }
        for (set, entries) in before?.entries ?? [:] { gone[set, default: []] += entries }
        for (set, entries) in after?.entries ?? [:] { new[set, default: []] += entries }
    }
}

extension Nft.Table {
    /// Puts parts into the empty sets; of two that want the same key the first gets it.
    ///
    /// - Returns: whether there were any such.
    mutating func fill(_ parts: [TablePart]) -> Bool {
        var content: [String: [[Nft.Value]: Nft.Elements.Entry]] = [:]
        var hasConflict = false
        for (set, entries) in parts.lazy.flatMap(\.entries) {
            for entry in entries {
                if content[set]?[entry.key] != nil {
                    hasConflict = true
                } else {
                    content[set, default: [:]][entry.key] = entry
                }
            }
        }
        for index in sets.indices { sets[index].keyed = Nft.Elements((content[sets[index].name] ?? [:]).values) }
        return hasConflict
    }

    /// - Returns: `false` when something new has the key of something that stays, and the table is of no use any more.
    mutating func apply(_ change: TableChange) -> Bool {
        for index in sets.indices {
            let (gone, new) = (change.gone[sets[index].name] ?? [], change.new[sets[index].name] ?? [])
            guard !gone.isEmpty || !new.isEmpty else { continue }
            var elements = sets[index].keyed
            elements.remove(gone)
            guard new.allSatisfy({ elements[$0.key] == nil }), Set(new.map(\.key)).count == new.count else {
                return false
            }
            elements.insert(new)
            sets[index].keyed = elements
        }
        return true
    }
}
