/// How much a packet meets: each thing once, however often it is met.
package struct Counts: Hashable, Codable, Sendable {
    /// 0 where one host alone is known.
    package var hosts = 0
    package var namespaces = 0
    /// Namespaces whose IP stack routed the packet.
    package var stacks = 0
    package var bridges = 0
    package var natTables = 0
    package var mangleTables = 0
    /// Filter, raw: every other table with a chain on the way.
    package var filterTables = 0
    package var balancers = 0
    /// Of the namespaces, those that `ip netns` does not list.
    package var unlistedNamespaces = 0
    /// Journeys inside another packet, each direction's own.
    package var tunnels = 0

    init(_ hops: [Hop]) {
        func distinct(_ matching: (Hop) -> Bool, by key: (Hop) -> String) -> Int {
            Set(hops.filter(matching).map { ($0.place.host ?? "") + "\u{0}" + $0.place.namespace + "\u{0}" + key($0) })
                .count
        }
        hosts = Set(hops.compactMap(\.place.host)).count
        tunnels = hops.count { $0.stage.kind == .encapsulate }
        namespaces = distinct({ _ in true }, by: { _ in "" })
        stacks = distinct({ $0.stage.kind == .route }, by: { _ in "" })
        bridges = distinct({ $0.stage.kind == .bridge }, by: \.stage.name)
        natTables = distinct({ $0.stage.chainKind == "nat" }, by: { $0.stage.table ?? "" })
        mangleTables = distinct({ Self.isMangle($0.stage) }, by: { $0.stage.table ?? "" })
        filterTables = distinct(
            { $0.stage.kind == .chain && $0.stage.chainKind != "nat" && !Self.isMangle($0.stage) },
            by: { $0.stage.table ?? "" })
        balancers = distinct({ !$0.candidates.isEmpty && $0.stage.kind != .socket }, by: { $0.stage.name })
        unlistedNamespaces = distinct({ !$0.place.isListed }, by: { _ in "" })
    }

    /// A table that is there to change packets before they are routed.
    private static func isMangle(_ stage: Stage) -> Bool {
        stage.kind == .chain && (stage.chainKind == "mangle" || stage.chainKind == "route")
    }
}

extension Counts: CustomStringConvertible {
    package var description: String {
        func say(_ count: Int, _ one: String, _ many: String) -> String {
            count == 1 ? "1 \(one)" : "\(count == 0 ? "no" : String(count)) \(many)"
        }
        return [
            hosts > 1 ? say(hosts, "host", "hosts") : nil,
            say(namespaces, "namespace", "namespaces") + unlisted, say(stacks, "IP stack", "IP stacks"),
            say(bridges, "bridge", "bridges"), say(natTables, "NAT table", "NAT tables"),
            mangleTables > 0 ? say(mangleTables, "mangle table", "mangle tables") : nil,
            say(filterTables, "filter table", "filter tables"), say(balancers, "balancer", "balancers"),
            tunnels > 0 ? say(tunnels, "tunnel", "tunnels") : nil,
        ].compactMap { $0 }.joined(separator: ", ")
    }
    private var unlisted: String {
        unlistedNamespaces > 0 ? " (\(unlistedNamespaces) of them no ordinary tool lists)" : ""
    }
}
