import CausewayModel

extension IPTables.Rule {
    /// A rule by its text alone, as iptables-save writes it without the chain.
    package init(_ text: String, family: IPFamily = .ip) { self = RuleReader.read(text, family: family) }
}

extension IPTables.Chain {
    /// A hook's chain, which the kernel has by itself.
    package var isBuiltIn: Bool { Self.builtIn.contains(name) }

    private static let builtIn: Swift.Set<String> = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]
}

extension IPTables {
    /// Tables in one order, and nothing counted; built-in chains without a rule, and tables without a chain, say nothing.
    package static func normalised(_ tables: [Table]) -> [Table] {
        tables.map(\.normalised).filter { !$0.chains.isEmpty }
            .sorted { ($0.family.rawValue, $0.name) < ($1.family.rawValue, $1.name) }
    }

    /// One command of a transaction.
    package struct Change: Hashable, Sendable, CustomStringConvertible {
        package enum Verb: Hashable, Sendable {
            case newChain, deleteChain, delete
            /// As the first rule of ours: behind the one that jumps to the operator's own chain, where that is first.
            case insert(Int)
        }

        package var family: IPFamily
        package var table: String
        package var verb: Verb
        package var chain: String
        package var rule = ""

        /// In the operator's words.
        package var description: String {
            "\(family == .ip ? "iptables" : "ip6tables") -t \(table) " + command(offset: 0)
        }

        /// As a line of iptables-restore(8)'s; `offset` is how many rules of others stay before ours.
        package func command(offset: Int) -> String {
            switch verb {
            case .newChain: "-N \(chain)"
            case .deleteChain: "-X \(chain)"
            case .delete: "-D \(chain) \(rule)"
            case .insert(let place): "-I \(chain) \(place + offset) \(rule)"
            }
        }
    }
}

extension IPTables.Table {
    package var normalised: IPTables.Table {
        var table = self
        table.chains = chains.compactMap { chain -> IPTables.Chain? in
            guard !chain.isBuiltIn || !chain.rules.isEmpty else { return nil }
            return IPTables.Chain(
                name: chain.name,
                rules: chain.rules.map { IPTables.Rule(text: $0.text, matches: $0.matches, target: $0.target) })
        }.sorted { $0.name < $1.name }
        return table
    }

    /// Chains that are wholly ours.
    private var ownChains: [IPTables.Chain] { chains.filter { !$0.isBuiltIn } }

    /// The commands that make this of another state of the same table.
    ///
    /// Rules that begin or end a chain of ours as before stay, and keep what they have counted.
    package func changes(from old: IPTables.Table?) -> [IPTables.Change] {
        let old = old ?? IPTables.Table(family: family, name: name)
        var changes: [IPTables.Change] = []
        func add(_ verb: IPTables.Change.Verb, _ chain: String, _ rule: String = "") {
            changes.append(IPTables.Change(family: family, table: name, verb: verb, chain: chain, rule: rule))
        }
        let names = Swift.Set(chains.map(\.name) + old.chains.map(\.name)).sorted()
        for chain in ownChains where !old.chains.contains(where: { $0.name == chain.name }) {
            add(.newChain, chain.name)
        }
        for chain in names {
            let before = old.chains.first { $0.name == chain }?.rules.map(\.text) ?? []
            let after = chains.first { $0.name == chain }?.rules.map(\.text) ?? []
            guard before != after else { continue }
            // Among others' rules a place is known only for all of ours at once; and of two alike the first one goes.
            let isOwn = !IPTables.Chain(name: chain).isBuiltIn && Swift.Set(before).count == before.count
            let kept = isOwn ? zip(before, after).prefix { $0 == $1 }.count : 0
            let most = isOwn ? min(before.count, after.count) - kept : 0
            let tail = zip(before.reversed(), after.reversed()).prefix(most).prefix { $0 == $1 }.count
            for rule in before[kept..<before.count - tail] { add(.delete, chain, rule) }
            for (offset, rule) in after[kept..<after.count - tail].enumerated() {
                add(.insert(kept + offset + 1), chain, rule)
            }
        }
        for chain in old.ownChains where !chains.contains(where: { $0.name == chain.name }) {
            add(.deleteChain, chain.name)
        }
        return changes
    }
}

extension IPTables.Table {
    /// What of a host's table belongs to the gateway bridge and to published ports of Swarm's kind.
    ///
    /// Chains of others are left alone, whatever rules are in them.
    package var ofGatewayBridge: IPTables.Table {
        var table = self
        table.chains = chains.compactMap { chain in
            if chain.name == IPTables.ingressChain { return chain }
            guard chain.isBuiltIn else { return nil }
            var ours = chain
            ours.rules = chain.rules.filter(\.isOfGatewayBridge)
            return ours.rules.isEmpty ? nil : ours
        }
        return table
    }
}

extension IPTables.Rule {
    /// Leads to the chain of published ports, or names the gateway bridge.
    package var isOfGatewayBridge: Bool {
        target == .jump(IPTables.ingressChain) || matches.contains(where: \.isOfGatewayBridge)
    }
}

extension IPTables.Match {
    fileprivate var isOfGatewayBridge: Bool {
        switch self {
        case .not(let match): match.isOfGatewayBridge
        case .incoming(let link), .outgoing(let link): link == Rtnl.gatewayBridge
        default: false
        }
    }
}
