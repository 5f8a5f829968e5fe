import CausewayModel

/// Which names each task can resolve, kept from one assignment to the next.
///
/// Tasks on the same networks have the same table: it is made once for all of them, and of a change only the names
/// concerned are looked up again.
struct NameCompiler: Sendable {
    /// What tasks that share a table have in common.
    private struct Group: Hashable {
        /// By name, ingress left out: the first decides what a bare name means, of those where the service is served best;
        /// `name.network` says which.
        var networks: [Swarm.ID]
        var upstreams: [IPAddress]
    }

    private let facts: NodeFacts
    private var zones: [Swarm.ID: NameZone] = [:]
    private var tables: [Group: NameTable] = [:]
    /// Services whose names are to be replaced.
    private var changes: [(old: ServiceEndpoint?, new: ServiceEndpoint?)] = []

    init(facts: NodeFacts) { self.facts = facts }

    /// Notes a change, for the next tables.
    mutating func replace(_ old: ServiceEndpoint?, by new: ServiceEndpoint?) { changes.append((old, new)) }

    /// The table of each task, when these are all the services there are.
    mutating func tables(
        for places: some Sequence<TaskPlace>, services: [Swarm.ID: PiecewiseCompiler.ServicePart]
    ) -> [Swarm.ID: NameTable] {
        let places = Array(places)
        var touched: [Swarm.ID: NameZone.Touched] = [:]
        for network in Array(zones.keys) { touched[network] = change(network, services) }
        changes = []
        for attachment in places.lazy.flatMap(\.attachments)
        where !attachment.network.spec.isIngress && zones[attachment.network.id] == nil {
            zones[attachment.network.id] = zone(of: attachment.network, services)
        }
        let groups = Dictionary(grouping: places, by: group)
        tables = tables.filter { groups[$0.key] != nil }
        for group in groups.keys { tables[group] = table(of: group, touched) }
        return Dictionary(
            uniqueKeysWithValues: groups.flatMap { group, places in places.map { ($0.id, tables[group] ?? NameTable()) }
            })
    }

    private func group(of place: TaskPlace) -> Group {
        Group(
            networks: place.attachments.lazy.filter { !$0.network.spec.isIngress }.map(\.network.id),
            upstreams: place.nameServers.isEmpty ? facts.nameServers : place.nameServers)
    }

    // MARK: zones

    private func zone(
        of network: Swarm.Network, _ services: [Swarm.ID: PiecewiseCompiler.ServicePart]
    ) -> NameZone {
        var zone = NameZone(network)
        for service in services.values.sorted(by: { $0.endpoint.id < $1.endpoint.id }) {
            _ = zone.replace(nil, by: service.endpoint) { services[$0]?.endpoint }
        }
        return zone
    }

    private mutating func change(
        _ network: Swarm.ID, _ services: [Swarm.ID: PiecewiseCompiler.ServicePart]
    ) -> NameZone.Touched {
        var all = NameZone.Touched()
        for (old, new) in changes {
            guard let touched = zones[network]?.replace(old, by: new, endpoint: { services[$0]?.endpoint }) else {
                continue
            }
            all.names.formUnion(touched.names)
            all.addresses.formUnion(touched.addresses)
        }
        return all
    }

    // MARK: tables

    private mutating func table(of group: Group, _ touched: [Swarm.ID: NameZone.Touched]) -> NameTable {
        let zones = group.networks.compactMap { self.zones[$0] }
        guard var table = tables.removeValue(forKey: group) else { return Self.whole(zones, group.upstreams) }
        for zone in zones {
            guard let touched = touched[zone.network.id] else { continue }
            for name in touched.names {
                table.names[name] = Self.entry(name, zones)
                table.names[name + zone.suffix] = Self.entry(name + zone.suffix, zones)
            }
            for address in touched.addresses {
                table.reverse[address] = zones.first { $0.reverse[address] != nil }?.reverse[address]
            }
        }
        return table
    }

    private static func whole(_ zones: [NameZone], _ upstreams: [IPAddress]) -> NameTable {
        var table = NameTable(upstreams: upstreams)
        for zone in zones {
            table.ownSubnets += zone.network.subnets.map(\.subnet.network)
            table.names.merge(zone.names) { first, _ in first }
            table.reverse.merge(zone.reverse) { first, _ in first }
        }
        for name in Set(zones.dropFirst().flatMap(\.names.keys)) { table.names[name] = entry(name, zones) }
        for zone in zones {
            for (name, entry) in zone.names { table.names[name + zone.suffix] = entry }
        }
        return table
    }

    /// A name with its network, or that of the network where it is served best; the first of those.
    private static func entry(_ name: String, _ zones: [NameZone]) -> NameTable.Entry? {
        for zone in zones where name.hasSuffix(zone.suffix) {
            if let entry = zone.names[String(name.dropLast(zone.suffix.count))] { return entry }
        }
        let known = zones.filter { $0.names[name] != nil }
        let best = known.lazy.map { $0.standing(of: name) }.max()
        return known.first { $0.standing(of: name) == best }?.names[name]
    }
}
