import CausewayKernel
import CausewayModel

/// The kernel's numbers of rules, by the chain that they are in, in the order in which they stand there.
package struct RuleHandles: Hashable, Sendable {
    package struct Chain: Hashable, Sendable {
        /// By its number in nsfs.
        package var namespace: UInt64
        package var family: Nft.Family
        package var table: String
        package var name: String

        package init(namespace: UInt64, family: Nft.Family, table: String, name: String) {
            self.namespace = namespace
            self.family = family
            self.table = table
            self.name = name
        }
    }

    package var handles: [Chain: [UInt64]] = [:]

    package init() {}
}

/// Says which rule a number stands for, in the words of the inventory.
struct RuleBook: Sendable {
    let world: World
    let handles: RuleHandles

    /// What a chain event tells of, as the walk would have it.
    struct Entry: Sendable {
        var rule: ActedRule
        /// Whether the rule does more than to count and to lead on: only then is it the walk's hop, too.
        var acts: Bool
        /// What the sender gets, where the rule refuses.
        var answer: String?
    }

    func entry(_ event: Sighting.ChainEvent, at position: Int, namespace: UInt64) -> Entry? {
        guard case .rule(let handle) = event.kind else { return nil }
        let key = RuleHandles.Chain(
            namespace: namespace, family: event.family, table: event.table, name: event.chain)
        let known = handles.handles[key] ?? []
        if let index = known.firstIndex(of: handle) {
            if let found = nft(event, position, index, known.count) { return found }
            if let found = iptables(event, position, index, known.count) { return found }
        }
        // Made after the inventory was read: nobody can say its words, but it can be found.
        let text =
            "rule with handle \(handle) (nft -a list chain \(event.family.rawValue) \(event.table) \(event.chain))"
        return Entry(rule: ActedRule(chain: event.chain, text: text), acts: event.verdict != .continue)
    }

    private func nft(_ event: Sighting.ChainEvent, _ position: Int, _ index: Int, _ count: Int) -> Entry? {
        let table = world[position].tables.first { $0.family == event.family && $0.name == event.table }
        guard let chain = table?.chains.first(where: { $0.name == event.chain }), chain.rules.count == count else {
            return nil
        }
        let rule = chain.rules[index]
        let refusals = rule.expressions.compactMap { expression -> String? in
            if case .reject(let reject) = expression { NftEvaluator.name(reject) } else { nil }
        }
        return Entry(
            rule: ActedRule(chain: chain.name, text: RuleText.of(rule), comment: rule.comment),
            acts: event.verdict != .continue || rule.expressions.contains { Self.changes($0) },
            answer: refusals.first)
    }

    /// Whether an expression changes the packet, or what the kernel notes beside it, and the rule goes on.
    private static func changes(_ expression: Nft.Expression) -> Bool {
        switch expression {
        case .set(.meta("priority"), _), .set(.meta("nftrace"), _), .set(.meta("pkttype"), _): false
        case .set, .notrack: true
        default: false
        }
    }

    private func iptables(_ event: Sighting.ChainEvent, _ position: Int, _ index: Int, _ count: Int) -> Entry? {
        let table = world[position].iptables.first {
            $0.family.rawValue == event.family.rawValue && $0.name == event.table
        }
        guard let chain = table?.chains.first(where: { $0.name == event.chain }), chain.rules.count == count else {
            return nil
        }
        let rule = chain.rules[index]
        let isEnd = [.accept, .drop, .queue, .stolen].contains(event.verdict)
        var marks = false
        if case .setMark? = rule.target { marks = true }
        var answer: String?
        if case .reject(let with)? = rule.target { answer = IPTablesEvaluator.answer(with) }
        return Entry(
            rule: ActedRule(chain: chain.name, text: rule.text, comment: IPTablesEvaluator.comment(of: rule)),
            acts: isEnd || marks, answer: answer)
    }
}
