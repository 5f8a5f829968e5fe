import CausewayKernel
import CausewayModel

/// What is registered at one hook of one namespace, in the order in which the kernel calls it.
struct HookOrder: Sendable {
    enum Callee: Sendable {
        case nft(Nft.Table, Nft.Chain, Nft.Chain.Base)
        case iptables(IPTables.Table, IPTables.Chain)
        case conntrack
        /// The one place where NAT happens, with the nat chains in their order.
        case nat([Callee])
        /// IPVS looks for a service, or for the connection that a packet answers.
        case balance, unbalance
    }

    struct Entry: Sendable {
        let priority: Int32
        let callee: Callee
        /// Of two with one priority the younger one goes first (`nf_hook_entries_grow`).
        var age = 0
    }

    let entries: [Entry]

    private static let conntrackPriority: Int32 = -200
    private static let iptablesPriorities: [String: Int32] = [
        "raw": -300, "mangle": -150, "filter": 0, "security": 50,
    ]

    /// All nat chains run at the kernel's own NAT priority, whatever theirs is; theirs orders them among themselves.
    init(_ space: NamespaceState, _ hook: Nft.Chain.Base.Hook, _ family: IPFamily) {
        var entries: [Entry] = []
        var nat: [Entry] = []
        for (table, chain, base) in Self.nftChains(space, hook, family) {
            let entry = Entry(
                priority: base.priority, callee: .nft(table, chain, base),
                age: Self.age(space, table.family.rawValue, table.name, chain.name))
            if base.kind == .nat { nat.append(entry) } else { entries.append(entry) }
        }
        for table in space.iptables where table.family == family {
            guard let chain = table.chains.first(where: { $0.name == hook.rawValue.uppercased() && $0.policy != nil }),
                Self.isRegistered(space, family, table.name, chain.name)
            else { continue }
            let age = Self.age(space, family.rawValue, table.name, chain.name)
            if table.name == "nat" {
                nat.append(Entry(priority: Self.natPriority(hook) ?? 0, callee: .iptables(table, chain), age: age))
            } else if let priority = Self.iptablesPriorities[table.name] {
                entries.append(Entry(priority: priority, callee: .iptables(table, chain), age: age))
            }
        }
        if hook == .prerouting || hook == .output {
            entries.append(Entry(priority: Self.conntrackPriority, callee: .conntrack))
        }
        if let priority = Self.natPriority(hook), space.tracksConnections(family) {
            entries.append(Entry(priority: priority, callee: .nat(Self.sorted(nat).map(\.callee))))
        }
        if !space.ipvs.isEmpty { entries += Self.balancer(hook) }
        self.entries = Self.sorted(entries)
    }

    /// `ip_vs_ops4` in the kernel: beside NAT, so that marks of mangle chains are seen; registered with the first
    /// service.
    private static func balancer(_ hook: Nft.Chain.Base.Hook) -> [Entry] {
        switch hook {
        case .input: [Entry(priority: 98, callee: .unbalance), Entry(priority: 99, callee: .balance)]
        case .output: [Entry(priority: -99, callee: .unbalance), Entry(priority: -98, callee: .balance)]
        case .forward: [Entry(priority: 100, callee: .unbalance)]
        default: []
        }
    }

    /// -100 before routing, 100 after it; nothing is translated at `forward`.
    static func natPriority(_ hook: Nft.Chain.Base.Hook) -> Int32? {
        switch hook {
        case .prerouting, .output: -100
        case .input, .postrouting: 100
        default: nil
        }
    }

    /// Chains of family netdev (or inet) at a device's own hook.
    static func ingress(_ space: NamespaceState, device: String) -> [(Nft.Table, Nft.Chain, Nft.Chain.Base)] {
        chains(space) { table, base in
            base.hook == .ingress && base.device == device && (table.family == .netdev || table.family == .inet)
        }.sorted { $0.2.priority < $1.2.priority }
    }

    private static func nftChains(
        _ space: NamespaceState, _ hook: Nft.Chain.Base.Hook, _ family: IPFamily
    ) -> [(Nft.Table, Nft.Chain, Nft.Chain.Base)] {
        chains(space) { table, base in
            base.hook == hook && (table.family == .inet || table.family.rawValue == family.rawValue)
        }
    }

    private static func chains(
        _ space: NamespaceState, where isWanted: (Nft.Table, Nft.Chain.Base) -> Bool
    ) -> [(Nft.Table, Nft.Chain, Nft.Chain.Base)] {
        space.tables.flatMap { table in
            table.chains.compactMap { chain in
                chain.base.flatMap { isWanted(table, $0) ? (table, chain, $0) : nil }
            }
        }
    }

    private static func sorted(_ entries: [Entry]) -> [Entry] {
        entries.enumerated().sorted {
            ($0.element.priority, $0.element.age, $0.offset) < ($1.element.priority, $1.element.age, $1.offset)
        }.map(\.element)
    }

    /// iptables-save lists all chains that a table can have, iptables-nft makes those that are used.
    ///
    /// A table of which nothing is among nftables' own is the older iptables', which registers all of them.
    private static func isRegistered(
        _ space: NamespaceState, _ family: IPFamily, _ table: String, _ chain: String
    ) -> Bool {
        guard let all = space.baseChains else { return true }
        let prefix = "\(family.rawValue) \(table) "
        return all.contains(prefix + chain) || !all.contains { $0.hasPrefix(prefix) }
    }

    /// The place among all base chains, the youngest first; 0 where that is not known.
    private static func age(_ space: NamespaceState, _ family: String, _ table: String, _ chain: String) -> Int {
        space.baseChains?.lastIndex(of: "\(family) \(table) \(chain)").map { -$0 } ?? 0
    }
}
