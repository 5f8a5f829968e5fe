import CausewayModel

/// What a keeper has been told, and so what is left to say.
///
/// Decides only. One for each connection: a new one begins with the whole.
struct KeeperLedger {
    private var resolvers: [Swarm.ID: (namespacePath: String, table: Int)] = [:]
    private var tables: [Int: NameTable] = [:]
    private var ports: Set<Kept.Port> = []
    private var lastNumber = 0
    private(set) var hasToldWhole = false

    /// What leads from what was told to `wanted`, as if it were told now; `nil` when nothing is left to say.
    mutating func change(to wanted: Kept, mayEnd: Bool) -> KeeperChange? {
        var change = KeeperChange()
        change.isWhole = !hasToldWhole
        change.mayEnd = mayEnd && wanted.isEmpty
        change.gonePorts = ports.subtracting(wanted.ports).sorted()
        change.ports = wanted.ports.subtracting(ports).sorted()
        change.goneResolvers = resolvers.keys.filter { wanted.resolvers[$0] == nil }.sorted()
        for task in change.goneResolvers { resolvers[task] = nil }
        add(wanted.resolvers, &change)
        ports = wanted.ports
        let used = Set(resolvers.values.map(\.table))
        tables = tables.filter { used.contains($0.key) }
        let isNothing =
            change.resolvers.isEmpty && change.goneResolvers.isEmpty && change.ports.isEmpty && change.gonePorts.isEmpty
        guard change.isWhole || !isNothing else { return nil }
        hasToldWhole = true
        return change
    }

    /// Tasks whose tables are equal are told one.
    ///
    /// Equal tables mostly are one value, which `==` sees at once; a hash would read all of each.
    private mutating func add(_ wanted: [Swarm.ID: Kept.Resolver], _ change: inout KeeperChange) {
        var fresh: [(table: NameTable, number: Int)] = []
        for (task, resolver) in wanted.sorted(by: { $0.key < $1.key }) {
            let old = resolvers[task]
            if let old, old.namespacePath == resolver.namespacePath, tables[old.table] == resolver.table { continue }
            let number: Int
            if let known = fresh.first(where: { $0.table == resolver.table }) {
                number = known.number
            } else {
                lastNumber += 1
                number = lastNumber
                let base = old.flatMap { old in tables[old.table].map { (old.table, $0) } }
                change.tables.append(KeeperChange.Table(number: number, from: base, to: resolver.table))
                fresh.append((resolver.table, number))
            }
            change.resolvers.append(.init(task: task, namespacePath: resolver.namespacePath, table: number))
            resolvers[task] = (resolver.namespacePath, number)
        }
        for (table, number) in fresh { tables[number] = table }
    }

    /// What could not be had is told again next time.
    mutating func forget(_ refusals: KeeperRefusals) {
        for refusal in refusals.ports { ports.remove(refusal.port) }
        for refusal in refusals.resolvers { resolvers[refusal.task] = nil }
    }
}
