import CausewayKernel
import CausewayModel

/// Walks the chains of one of iptables' tables for one packet at one hook.
struct IPTablesEvaluator: Sendable {
    var view: HookView
    let table: IPTables.Table
    var record = ChainRecord()

    private static let deepest = 64

    init(_ view: HookView, table: IPTables.Table) {
        self.view = view
        self.table = table
    }

    private enum Flow {
        case fellThrough
        case ended(ChainEnd)
    }

    mutating func run(_ chain: IPTables.Chain) -> ChainRun {
        if case .ended(let end) = walk(chain, depth: 0) { return record.run(end) }
        return record.run(.policy(isDrop: chain.policy == "DROP"))
    }

    private mutating func walk(_ chain: IPTables.Chain, depth: Int) -> Flow {
        guard depth < Self.deepest else {
            record.uncertain.append("chain \(chain.name): jumps are more than \(Self.deepest) deep")
            return .fellThrough
        }
        for rule in chain.rules {
            guard let target = rule.target, applies(rule) else { continue }
            switch target {
            case .return:
                return .fellThrough
            case .jump(let name), .goto(let name):
                if case .ended(let end) = enter(name, depth: depth) { return .ended(end) }
                if case .goto = target { return .fellThrough }
            default:
                guard let end = take(target, rule, in: chain.name) else { continue }
                return .ended(end)
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

    /// Whether a rule matches; what is unclear is noted, unless the rule could do nothing anyway.
    private mutating func applies(_ rule: IPTables.Rule) -> Bool {
        let answers = rule.matches.map { matches($0) }
        if answers.contains(.no) { return false }
        guard let unclear = answers.first(where: { $0 != .yes }), case .unclear(let why) = unclear else { return true }
        if rule.target != .log { record.uncertain.append("\(rule.text) (not understood: \(why))") }
        return false
    }

    private mutating func note(_ rule: IPTables.Rule, _ chain: String) {
        let comment = rule.matches.lazy.compactMap { match -> String? in
            if case .comment(let text) = match { text } else { nil }
        }.first
        record.acted.append(ActedRule(chain: chain, text: rule.text, comment: comment, counters: rule.counters))
    }

    /// What a target does; `nil` when the packet goes on with the next rule.
    private mutating func take(_ target: IPTables.Target, _ rule: IPTables.Rule, in chain: String) -> ChainEnd? {
        switch target {
        case .log: return nil
        case .unknown(let name):
            record.uncertain.append("\(rule.text) (not understood: target \(name))")
            return nil
        case .setMark(let value, let mask):
            view.packet.mark = view.packet.mark & ~mask ^ value
            note(rule, chain)
            return nil
        default: break
        }
        note(rule, chain)
        switch target {
        case .accept: return .accept
        case .drop: return .drop
        case .reject(let with): return .reject(Self.answer(with))
        case .masquerade: return .translate(Translation(kind: .masquerade))
        case .dnat(let addresses, let ports):
            noteRange(addresses, rule)
            return .translate(
                Translation(kind: .destination, address: addresses?.lowerBound, port: ports?.lowerBound))
        case .snat(let addresses, let ports):
            noteRange(addresses, rule)
            return .translate(Translation(kind: .source, address: addresses.lowerBound, port: ports?.lowerBound))
        case .redirect(let ports): return .translate(Translation(kind: .redirect, port: ports?.lowerBound))
        default: return nil
        }
    }

    private mutating func noteRange(_ addresses: ClosedRange<IPAddress>?, _ rule: IPTables.Rule) {
        guard let addresses, addresses.lowerBound != addresses.upperBound else { return }
        record.uncertain.append("\(rule.text) (the kernel may take any address of the range)")
    }

    private static func answer(_ with: String) -> String {
        switch with {
        case "tcp-reset": "tcp reset"
        case "": "icmp port-unreachable"
        default:
            with.replacing("icmp6-", with: "icmpv6 ", maxReplacements: 1)
                .replacing("icmp-", with: "icmp ", maxReplacements: 1)
        }
    }

    // MARK: matches

    private func matches(_ match: IPTables.Match) -> Answer {
        let packet = view.packet
        func answer(_ value: Bool) -> Answer { value ? .yes : .no }
        switch match {
        case .not(let inner): return matches(inner).inverted
        case .source(let subnet): return answer(subnet.contains(packet.source))
        case .destination(let subnet): return answer(subnet.contains(packet.destination))
        case .incoming(let name): return answer(Self.isLink(view.incoming, name))
        case .outgoing(let name): return answer(Self.isLink(view.outgoing, name))
        case .protocol(let number): return answer(number == 0 || number == packet.transport.number)
        case .sourcePort(let range): return answer(packet.transport.hasPorts && range.contains(packet.sourcePort))
        case .destinationPort(let range):
            return answer(packet.transport.hasPorts && range.contains(packet.destinationPort))
        case .destinationPorts(let ranges):
            return answer(packet.transport.hasPorts && ranges.contains { $0.contains(packet.destinationPort) })
        case .destinationType(let name): return type(packet.destination, name)
        case .sourceType(let name): return type(packet.source, name)
        case .state(let names): return state(names)
        case .mark(let value, let mask): return answer(packet.mark & mask == value)
        case .ipvs: return answer(view.isBalanced)
        case .comment: return .yes
        case .unknown(let text): return .unclear(text)
        }
    }

    private static func isLink(_ link: String?, _ pattern: String) -> Bool {
        let name = link ?? ""
        return pattern.hasSuffix("+") ? name.hasPrefix(pattern.dropLast()) : name == pattern
    }

    private func type(_ address: IPAddress, _ name: String) -> Answer {
        let wanted = name.split(separator: ",").map { Rtnl.Route.Kind(rawValue: $0.lowercased()) }
        guard !wanted.contains(nil) else { return .unclear("addrtype \(name)") }
        return wanted.contains(view.routing.type(of: address)) ? .yes : .no
    }

    private func state(_ names: [String]) -> Answer {
        var wanted: UInt64 = 0
        for name in names {
            switch name.uppercased() {
            case "DNAT": if view.connection?.changesDestination == true { return .yes }
            case "SNAT": if view.connection?.changesSource == true { return .yes }
            default:
                guard let bit = NameKind.ctState.number(of: name.lowercased()) else {
                    return .unclear("state \(name)")
                }
                wanted |= bit
            }
        }
        return wanted & view.stateBits != 0 ? .yes : .no
    }
}
