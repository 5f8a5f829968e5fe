import CausewayKernel
import CausewayModel
import Glibc

/// iptables of the calling thread's namespace, as far as it is ours.
struct Firewall {
    /// Whether all there is here is ours: in a sandbox.
    let isSandbox: Bool

    private static let tableNames: Set<String> = ["filter", "nat", "mangle", "raw", "security"]

    /// What is ours now; `tables` are nftables' here, among which iptables' own would be.
    func read(among tables: [NetfilterSocket.TableName]) throws(KernelError) -> [IPTables.Table] {
        let isOnNftables = tables.contains { $0.family == .ip && Self.tableNames.contains($0.name) }
        let old = ProcFile.text("/proc/thread-self/net/ip_tables_names") ?? ""
        guard isOnNftables || old.contains(where: { !$0.isWhitespace }) else { return [] }
        return IPTables.normalised(ours(in: try Self.list()))
    }

    private func ours(in tables: [IPTables.Table]) -> [IPTables.Table] {
        isSandbox ? tables : tables.map(\.ofGatewayBridge)
    }

    private static func list(_ arguments: [String] = []) throws(KernelError) -> [IPTables.Table] {
        let output = try Command(["iptables-save"] + arguments).run()
        guard output.status == 0 else {
            throw KernelError(
                "read iptables", errno: 0, detail: "iptables-save ended with status \(output.status): \(output.errors)",
                advice: "install iptables, and load the kernel's modules for it: modprobe ip_tables nf_tables")
        }
        return IPTables.Table.read(save: output.output, family: .ip)
    }

    /// Changes one table in one transaction.
    func change(_ table: IPTables.Table, from old: IPTables.Table?, step: String) throws(KernelError) {
        let changes = table.changes(from: old)
        guard !changes.isEmpty else { return }
        let offset = try table.name == "filter" && !isSandbox ? rulesBefore() : 0
        let lines = changes.map { $0.command(offset: $0.chain == "FORWARD" ? offset : 0) }
        let script = (["*\(table.name)"] + lines + ["COMMIT", ""]).joined(separator: "\n")
        let output = try Command(["iptables-restore", "--noflush", "--wait=5"], input: script).run()
        guard output.status == 0 else {
            let words = output.errors.split(separator: "\n").first.map(String.init) ?? ""
            throw KernelError(
                step: step, reason: .other,
                detail: "iptables-restore ended with status \(output.status): \(words)",
                advice: "the next look at the kernel settles it, unless iptables lacks a module for one of the rules")
        }
    }

    /// How many of others' rules stay first in FORWARD: the one that leads to the operator's own chain.
    private func rulesBefore() throws(KernelError) -> Int {
        let rules = try Self.list(["-t", "filter"]).flatMap(\.chains).first { $0.name == "FORWARD" }?.rules ?? []
        return rules.first { !$0.isOfGatewayBridge }?.target == .jump("DOCKER-USER") ? 1 : 0
    }
}
