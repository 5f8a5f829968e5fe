import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
import Glibc

/// The text of our table: it marks the packets that a filter wants, and shows them at each hook.
struct TraceRules {
    let patterns: [FlowPattern]

    /// The kernel takes the table away when the socket that made it closes.
    var text: String {
        let entries = TraceTable.entries.map { hook in
            chain(hook, isFirst: true, rules: patterns.map(Self.rule))
        }
        let others = TraceTable.hooks.filter { !TraceTable.entries.contains($0) }.map { hook in
            chain(hook, isFirst: true, rules: [])
        }
        let ends = TraceTable.hooks.map { chain($0, isFirst: false, rules: []) }
        return "table inet \(TraceTable.name) {\n flags owner;\n\((entries + others + ends).joined())}\n"
    }

    private func chain(_ hook: Nft.Chain.Base.Hook, isFirst: Bool, rules: [String]) -> String {
        let priority = isFirst ? TraceTable.first : TraceTable.last
        let lines = rules.map { "  \($0)\n" }.joined()
        return " chain \(TraceTable.chain(hook, isFirst: isFirst)) {\n"
            + "  type filter hook \(hook.rawValue) priority \(priority); policy accept;\n\(lines) }\n"
    }

    static func rule(_ pattern: FlowPattern) -> String {
        let matches = pattern.tunnelPort.map { inner(pattern, port: $0) } ?? plain(pattern)
        return (matches + ["meta nftrace set 1"]).joined(separator: " ")
    }

    private static func list(_ ports: Set<UInt16>) -> String {
        ports.count == 1 ? "\(ports.first ?? 0)" : "{ \(ports.sorted().map(String.init).joined(separator: ", ")) }"
    }

    private static func plain(_ pattern: FlowPattern) -> [String] {
        let network = pattern.family == .ip6 ? "ip6" : "ip"
        var words = ["meta l4proto \(pattern.transport.number)"]
        if let source = pattern.source { words.append("\(network) saddr \(source)") }
        if let destination = pattern.destination { words.append("\(network) daddr \(destination)") }
        guard pattern.transport.hasPorts else { return words }
        if !pattern.sourcePorts.isEmpty { words.append("th sport \(list(pattern.sourcePorts))") }
        if !pattern.destinationPorts.isEmpty { words.append("th dport \(list(pattern.destinationPorts))") }
        if pattern.transport == .tcp {
            words.append(
                pattern.isAnswer
                    ? "tcp flags & (syn | rst) != 0x0" : "tcp flags & (fin | syn | rst | ack) == syn")
        }
        return words
    }

    /// Places behind the outer packet's transport header: UDP's 8 bytes, VXLAN's 8, Ethernet's 14.
    private static func inner(_ pattern: FlowPattern, port: UInt16) -> [String] {
        let network = 8 + 8 + 14
        let isV6 = pattern.family == .ip6
        func field(_ offset: Int, _ bytes: Int) -> String { "@th,\((network + offset) * 8),\(bytes * 8)" }
        func value(_ address: IPAddress) -> String {
            "0x" + address.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        let transport = isV6 ? 40 : 20
        var words = ["udp dport \(port)", "\(field(isV6 ? 6 : 9, 1)) \(pattern.transport.number)"]
        if let source = pattern.source { words.append("\(field(isV6 ? 8 : 12, isV6 ? 16 : 4)) \(value(source))") }
        if let target = pattern.destination {
            words.append("\(field(isV6 ? 24 : 16, isV6 ? 16 : 4)) \(value(target))")
        }
        guard pattern.transport.hasPorts else { return words }
        if !pattern.sourcePorts.isEmpty { words.append("\(field(transport, 2)) \(list(pattern.sourcePorts))") }
        if !pattern.destinationPorts.isEmpty {
            words.append("\(field(transport + 2, 2)) \(list(pattern.destinationPorts))")
        }
        if pattern.transport == .tcp {
            let flags = field(transport + 13, 1)
            words.append(pattern.isAnswer ? "\(flags) & 0x06 != 0x00" : "\(flags) & 0x17 == 0x02")
        }
        return words
    }
}

/// The tables in the namespaces, for as long as this value is there.
package struct TraceTables: Sendable {
    private let tables: [OwnedTables]

    /// Makes one in each namespace that the filter looks at; all or none.
    package init(_ filter: TraceFilter, in namespaces: LiveNamespaces) async throws(KernelError) {
        var tables: [OwnedTables] = []
        for one in namespaces.all {
            let patterns = (filter.patterns[one.inode] ?? []).map { ($0, TraceRules.rule($0)) }
                .sorted { $0.1 < $1.1 }.map(\.0)
            let text = TraceRules(patterns: patterns).text
            do throws(KernelError) {
                tables.append(
                    try await one.namespace.performStep { () throws(KernelError) in
                        try OwnedTables(text, step: "make the table \(TraceTable.name)")
                    })
            } catch {
                guard error.errno == EPERM || error.errno == EEXIST || error.errno == EBUSY else { throw error }
                var known = error
                known.advice = "run as root; and only one trace at a time can run in a namespace: does another one?"
                throw known
            }
        }
        self.tables = tables
    }
}
