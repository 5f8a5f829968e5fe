import CausewayKernel
import CausewayModel

extension PiecewiseCompiler {
    /// What makes the pieces, with what all of them share.
    struct Makers {
        let host: HostCompiler
        let table: HostTable
        private let ingress: Set<Swarm.ID>
        private let nodeID: Swarm.ID
        private let facts: NodeFacts

        init(_ assignment: NodeAssignment, _ facts: NodeFacts) {
            host = HostCompiler(assignment: assignment, facts: facts)
            table = HostTable(assignment)
            ingress = Set(assignment.networks.filter(\.spec.isIngress).map(\.id))
            nodeID = assignment.nodeID
            self.facts = facts
        }

        func part(of service: ServiceEndpoint) -> ServicePart {
            let published = PublishedService.all(of: service, ingress: ingress, node: nodeID)
            return ServicePart(
                endpoint: service, table: table.part(of: service, published: published),
                ports: published.map {
                    PublishedPort(protocol: $0.protocol, port: $0.port, service: $0.name, scope: $0.scope)
                })
        }

        func part(of place: TaskPlace) -> PlacePart {
            PlacePart(
                place: place, table: table.part(of: place), host: host.part(of: place),
                inside: TaskCompiler(place: place, facts: facts).state())
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
        host.links.merge(part.host.links) { _, new in new }
        host.routes.formUnion(part.host.routes)
        host.neighbors.formUnion(part.host.neighbors)
        namespaces[part.place.namespace] = part.inside
        namespaceOfTask[part.place.id] = part.place.namespace
    }

    mutating func remove(_ part: PiecewiseCompiler.PlacePart) {
        for link in part.host.links.keys { host.links[link] = nil }
        host.routes.subtract(part.host.routes)
        host.neighbors.subtract(part.host.neighbors)
        namespaces[part.place.namespace] = nil
        namespaceOfTask[part.place.id] = nil
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
