import CausewayKernel
import CausewayModel

/// Walks the chains of one nftables table for one packet at one hook.
struct NftEvaluator: Sendable {
    var view: HookView
    let table: Nft.Table
    /// Which outcome of a balancing decision is taken.
    let choice: Int
    /// Whose an address is, for the candidates.
    let ownerOf: @Sendable (IPAddress) -> String?
    var record = ChainRecord()
    /// The number that `numgen` or `jhash` gives now; `nil` outside a balancing decision.
    var draw: UInt64?
    var compiled: [String: CompiledMap] = [:]

    private static let deepest = 16

    init(
        _ view: HookView, table: Nft.Table, choice: Int, ownerOf: @escaping @Sendable (IPAddress) -> String?
    ) {
        self.view = view
        self.table = table
        self.choice = choice
        self.ownerOf = ownerOf
    }

    /// How a chain lets go of a packet.
    private enum Flow {
        case fellThrough, returned
        case ended(ChainEnd)
    }

    mutating func run(_ chain: Nft.Chain) -> ChainRun {
        if case .ended(let end) = walk(chain, depth: 0) { return record.run(end) }
        return record.run(.policy(isDrop: chain.base?.policy == .drop))
    }

    private mutating func walk(_ chain: Nft.Chain, depth: Int) -> Flow {
        guard depth < Self.deepest else {
            record.uncertain.append("chain \(chain.name): jumps are more than \(Self.deepest) deep")
            return .fellThrough
        }
        for rule in chain.rules {
            guard let effect = apply(rule, in: chain.name) else { continue }
            switch effect {
            case .end(let end): return .ended(end)
            case .verdict(.accept): return .ended(.accept)
            case .verdict(.drop): return .ended(.drop)
            case .verdict(.return): return .returned
            case .verdict(.continue): continue
            case .verdict(.jump(let name)):
                if case .ended(let end) = enter(name, depth: depth) { return .ended(end) }
            case .verdict(.goto(let name)):
                if case .ended(let end) = enter(name, depth: depth) { return .ended(end) }
                return .returned
            }
        }
        return .fellThrough
    }

    private mutating func enter(_ name: String, depth: Int) -> Flow {
        guard let chain = table.chains.first(where: { $0.name == name }) else {
            record.uncertain.append("jump to \(name): the table has no such chain")
            return .fellThrough
        }
        return walk(chain, depth: depth + 1)
    }

    // MARK: one rule

    private enum Effect {
        case end(ChainEnd)
        case verdict(Nft.Verdict)
    }

    private enum Step {
        case next
        case stop
        case unknown(String)
        case effect(Effect)
        /// Something was changed, and the rule goes on.
        case changed
    }

    /// Applies one rule; `nil` when the packet goes on with the next.
    private mutating func apply(_ rule: Nft.Rule, in chain: String) -> Effect? {
        var hasActed = false
        for (index, expression) in rule.expressions.enumerated() {
            switch step(expression) {
            case .next: continue
            case .changed: hasActed = true
            case .stop:
                if hasActed { note(rule, chain) }
                return nil
            case .unknown(let what):
                guard canStillMatch(rule.expressions[(index + 1)...]) else { return nil }
                record.uncertain.append("\(RuleText.of(rule)) (not understood: \(what))")
                return nil
            case .effect(let effect):
                // To go on is what a rule does that says nothing.
                if case .verdict(.continue) = effect, !hasActed { return effect }
                note(rule, chain)
                return effect
            }
        }
        if hasActed { note(rule, chain) }
        return nil
    }

    private mutating func note(_ rule: Nft.Rule, _ chain: String) {
        let counters = rule.expressions.lazy.compactMap { expression -> RuleCounters? in
            if case .counter(let packets, let bytes) = expression {
                RuleCounters(packets: packets, bytes: bytes)
            } else {
                nil
            }
        }.first
        record.acted.append(
            ActedRule(chain: chain, text: RuleText.of(rule), comment: rule.comment, counters: counters))
    }

    /// Whether a rule that holds something unknown could do anything to this packet.
    private mutating func canStillMatch(_ rest: ArraySlice<Nft.Expression>) -> Bool {
        var doesSomething = false
        for expression in rest {
            switch expression {
            case .match(let left, let comparison, let right):
                if findBalancer(left) == nil, compare(left, comparison, right) == .no { return false }
            case .counter, .log, .limit: continue
            default: doesSomething = true
            }
        }
        return doesSomething
    }

    private mutating func step(_ expression: Nft.Expression) -> Step {
        switch expression {
        case .match(let left, let comparison, let right): stepMatch(left, comparison, right)
        case .verdictMap(let key, let map): stepVerdictMap(key, map)
        case .verdict(let verdict): .effect(.verdict(verdict))
        case .counter, .log: .next
        // One packet alone is below any limit.
        case .limit(let limit): limit.isOver ? .stop : .next
        case .set(let target, let value): stepSet(target, value)
        case .dnat(let nat): stepNAT(nat, .destination)
        case .snat(let nat): stepNAT(nat, .source)
        case .masquerade: .effect(.end(.translate(Translation(kind: .masquerade))))
        case .redirect(let port): stepRedirect(port)
        // nft leaves out `meta l4proto tcp` before it: the reset says so.
        case .reject(.tcpReset) where view.packet.transport != .tcp: .stop
        case .reject(let reject): .effect(.end(.reject(Self.name(reject))))
        case .notrack: stepNotrack()
        case .xt(let kind, let name): .unknown("xt \(kind) \(name)")
        case .unknown(let text): .unknown(text)
        }
    }

    private mutating func stepNotrack() -> Step {
        // What conntrack has seen already stays its own (`nft_notrack_eval`).
        if view.connection == nil { view.isUntracked = true }
        return .changed
    }

    static func name(_ reject: Nft.Reject) -> String {
        switch reject {
        case .tcpReset: "tcp reset"
        case .icmp(let family, let code): "\(family) \(code)"
        }
    }

    private mutating func stepMatch(_ left: Nft.Operand, _ op: Nft.Comparison, _ right: Nft.Operand) -> Step {
        if findBalancer(left) != nil, draw == nil {
            return step(
                drawn(
                    left, describe: { $0 == .yes ? "matches" : "does not match" },
                    evaluate: { $0.compare(left, op, right) }))
        }
        return step(compare(left, op, right))
    }

    private func step(_ answer: Answer) -> Step {
        switch answer {
        case .yes: .next
        case .no: .stop
        case .unclear(let why): .unknown(why)
        }
    }

    private mutating func stepVerdictMap(_ key: Nft.Operand, _ map: Nft.Value) -> Step {
        let found: Lookup<Nft.Verdict>
        if findBalancer(key) != nil, draw == nil {
            found = drawn(
                key, describe: { Self.text(of: $0) }, evaluate: { $0.lookUpVerdict(key, map) })
        } else {
            found = lookUpVerdict(key, map)
        }
        switch found {
        case .found(.continue), .missing: return .next
        case .found(let verdict): return .effect(.verdict(verdict))
        case .unclear(let why): return .unknown(why)
        }
    }

    private static func text(of found: Lookup<Nft.Verdict>) -> String {
        switch found {
        case .found(.jump(let name)), .found(.goto(let name)): name
        case .found(let verdict): "\(verdict)"
        case .missing: "no entry"
        case .unclear: "not understood"
        }
    }

    private mutating func stepSet(_ target: Nft.Operand, _ value: Nft.Operand) -> Step {
        switch target {
        case .meta("priority"), .meta("nftrace"), .meta("pkttype"): return .next
        case .meta("mark"), .ct("mark", _, _), .ct("zone", _, nil): break
        case .payload("tcp option maxseg", "size"):
            view.limitsSegments = true
            return .changed
        default: return .unknown("set of \(target)")
        }
        switch evaluate(value) {
        case .known(let atoms):
            guard atoms.count == 1, let number = atoms[0].number else { return .unknown("\(target) from \(value)") }
            change(target, to: number)
            return .changed
        case .absent: return .stop
        case .unknown(let why): return .unknown(why)
        }
    }

    private mutating func change(_ target: Nft.Operand, to number: UInt64) {
        switch target {
        case .ct("zone", let direction, _):
            view.zone = Zone(
                id: UInt16(truncatingIfNeeded: number), holdsForOriginal: direction != "reply",
                holdsForReply: direction != "original")
        case .ct: view.connection?.mark = UInt32(truncatingIfNeeded: number)
        default: view.packet.mark = UInt32(truncatingIfNeeded: number)
        }
    }

    private mutating func stepNAT(_ nat: Nft.NAT, _ kind: Translation.Kind) -> Step {
        if let family = nat.family, family != view.packet.family { return .stop }
        var target = Translation(kind: kind)
        if let operand = nat.address {
            let value: Evaluated
            if findBalancer(operand) != nil, draw == nil {
                value = drawn(
                    operand, describe: { Self.text(of: $0) }, evaluate: { $0.evaluate(operand) })
            } else {
                value = evaluate(operand)
            }
            switch value {
            case .known(let atoms):
                guard let address = atoms.first?.address else { return .unknown("nat to \(operand)") }
                target.address = address
                target.port = atoms.dropFirst().first?.number.map { UInt16(truncatingIfNeeded: $0) }
            case .absent: return .stop
            case .unknown(let why): return .unknown(why)
            }
        }
        if let operand = nat.port {
            guard case .known(let atoms) = evaluate(operand), let port = atoms.first?.number else {
                return .unknown("nat to port \(operand)")
            }
            target.port = UInt16(truncatingIfNeeded: port)
        }
        return .effect(.end(.translate(target)))
    }

    private mutating func stepRedirect(_ port: Nft.Operand?) -> Step {
        var target = Translation(kind: .redirect)
        if let port {
            guard case .known(let atoms) = evaluate(port), let number = atoms.first?.number else {
                return .unknown("redirect to \(port)")
            }
            target.port = UInt16(truncatingIfNeeded: number)
        }
        return .effect(.end(.translate(target)))
    }

    static func text(of value: Evaluated) -> String {
        if value == .absent { return "no entry" }
        guard case .known(let atoms) = value else { return "not understood" }
        guard let address = atoms.first?.address else { return "\(atoms)" }
        return Packet.endpoint(address, atoms.dropFirst().first?.number.map { UInt16(truncatingIfNeeded: $0) })
    }
}
