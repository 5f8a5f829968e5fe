import CausewayKernel
import CausewayModel

/// Balancing: an expression that holds `numgen` or `jhash` is tried with every number that they can give.
extension NftEvaluator {
    private static let mostSlots: UInt64 = 65_536

    /// How many numbers the first balancer in an operand can give, and where they start.
    func findBalancer(_ operand: Nft.Operand) -> (modulus: UInt64, offset: UInt64)? {
        switch operand {
        case .numgen(_, let modulus, let offset): (UInt64(modulus), UInt64(offset))
        case .jhash(_, let modulus, _, let offset): (UInt64(modulus), UInt64(offset))
        case .concatenation(let parts): parts.lazy.compactMap { findBalancer($0) }.first
        case .map(let key, _): findBalancer(key)
        case .binary(_, let left, let right): findBalancer(left) ?? findBalancer(right)
        default: nil
        }
    }

    /// Tries all draws, notes the candidates, and returns the outcome that is chosen.
    mutating func drawn<Outcome: Hashable & Sendable>(
        _ operand: Nft.Operand, describe: (Outcome) -> String, evaluate: (inout Self) -> Outcome
    ) -> Outcome {
        let (modulus, offset) = findBalancer(operand) ?? (1, 0)
        prepareMaps(of: operand)
        var draws = Draws<Outcome>()
        for slot in 0..<min(max(1, modulus), Self.mostSlots) {
            draw = slot + offset
            draws.add(evaluate(&self), slot: slot)
        }
        draw = nil
        let named = draws.outcomes.map { entry in
            (entry: entry, target: describe(entry.outcome), owner: owner(of: describe(entry.outcome)))
        }
        // Real candidates first, in their owners' order; where a slot leads nowhere stands last.
        let sorted = named.sorted { a, b in
            let rank = (a.target == "no entry" ? 1 : 0, b.target == "no entry" ? 1 : 0)
            return rank.0 != rank.1 ? rank.0 < rank.1 : NaturalOrder.isBefore(a.owner ?? a.target, b.owner ?? b.target)
        }
        let wanted = record.candidates.isEmpty ? choice : 0
        let chosen = sorted.indices.contains(wanted) ? wanted : 0
        let isDecision = sorted.count > 1 || sorted.first?.target != "no entry"
        if isDecision, record.candidates.isEmpty {
            record.candidates = sorted.enumerated().map { index, item in
                Candidate(
                    target: item.target, owner: item.owner, slots: item.entry.slots, total: draws.total,
                    isChosen: index == chosen)
            }
        }
        return sorted[chosen].entry.outcome
    }

    private mutating func prepareMaps(of operand: Nft.Operand) {
        guard case .map(let key, let map) = operand else { return }
        prepare(map, kinds: NameKind.kinds(of: key))
    }

    private func owner(of target: String) -> String? {
        var text = target
        if target.hasPrefix("["), let end = target.firstIndex(of: "]") {
            text = String(target[target.index(after: target.startIndex)..<end])
        } else if target.split(separator: ":").count == 2 {
            text = String(target.prefix { $0 != ":" })
        }
        return IPAddress(text).flatMap { ownerOf($0) }
    }
}

/// Names with numbers in them, as people sort them: `web.2` before `web.10`.
enum NaturalOrder {
    static func isBefore(_ a: String, _ b: String) -> Bool {
        let (left, right) = (parts(a), parts(b))
        for (l, r) in zip(left, right) where l != r {
            if let x = Int(l), let y = Int(r), x != y { return x < y }
            return l < r
        }
        return left.count != right.count ? left.count < right.count : a < b
    }

    private static func parts(_ text: String) -> [String] {
        var result: [String] = []
        for character in text {
            if let last = result.last?.last, last.isNumber == character.isNumber {
                result[result.count - 1].append(character)
            } else {
                result.append(String(character))
            }
        }
        return result
    }
}
