import CausewayModel

extension Nft.Rule {
    /// As nft writes it, on one line.
    package var text: String {
        var parts = expressions.map(\.text)
        if let comment = Nft.comment(comment) { parts.append("comment \"\(comment)\"") }
        return parts.joined(separator: " ")
    }
}

extension Nft.Expression {
    /// As nft writes it.
    ///
    /// A counter's numbers are left out when they are zero.
    package var text: String {
        switch self {
        case .match(let left, let comparison, let right): return Self.matchText(left, comparison, right)
        case .verdictMap(let key, let map): return "\(key.text) vmap \(map.text)"
        case .verdict(let verdict): return verdict.text
        case .counter(let packets, let bytes):
            return packets == 0 && bytes == 0 ? "counter" : "counter packets \(packets) bytes \(bytes)"
        case .set(let target, let value): return "\(target.text) set \(value.text(isMark: target.isMark))"
        case .dnat(let nat): return "dnat" + nat.text
        case .snat(let nat): return "snat" + nat.text
        case .masquerade(let flags): return Self.words("masquerade", flags)
        case .redirect(let port): return "redirect" + (port.map { " to :\($0.text)" } ?? "")
        case .reject(.tcpReset): return "reject with tcp reset"
        case .reject(.icmp(let kind, let code)): return "reject with \(kind) \(code)"
        case .notrack: return "notrack"
        case .log(let prefix): return "log" + (prefix.map { " prefix \"\(Nft.comment($0) ?? "")\"" } ?? "")
        case .limit(let limit): return limit.text
        case .xt(let kind, let name): return "xt \(kind) \(name)"
        case .unknown(let text): return text
        }
    }

    /// `to :PORTS`, where it is among the flags, comes first and without a comma.
    private static func words(_ statement: String, _ flags: [String]) -> String {
        let ports = flags.filter { $0.hasPrefix("to ") }
        let rest = flags.filter { !$0.hasPrefix("to ") }.joined(separator: ",")
        return ([statement] + ports + (rest.isEmpty ? [] : [rest])).joined(separator: " ")
    }

    private static func matchText(_ left: Nft.Operand, _ comparison: Nft.Comparison, _ right: Nft.Operand) -> String {
        let isMark = left.isMark
        let rightText = right.text(isMark: isMark)
        switch comparison {
        case .in:
            guard left.isFlags, case .value(.anonymousSet(let values)) = right else {
                return "\(left.text) \(rightText)"
            }
            return "\(left.text) " + values.map { $0.text(isMark: isMark) }.joined(separator: ",")
        case .equal:
            return isExplicit(left, right) ? "\(left.text) == \(rightText)" : "\(left.text) \(rightText)"
        default:
            return "\(left.text) \(comparison.rawValue) \(rightText)"
        }
    }

    /// Whether `==` must be said: without it nft would ask for flags in common.
    private static func isExplicit(_ left: Nft.Operand, _ right: Nft.Operand) -> Bool {
        if case .binary = left { return true }
        guard left.isFlags else { return false }
        switch right {
        case .value(.anonymousSet), .value(.set): return false
        default: return true
        }
    }
}

extension Nft.NAT {
    /// What follows `dnat` or `snat`.
    fileprivate var text: String {
        var text = family.map { " \($0.rawValue)" } ?? ""
        if flags.contains("netmap") { text += " prefix" }
        text += " to "
        if let address { text += addressText(address) }
        if let port { text += ":\(port.text)" }
        let shown = flags.filter { $0 != "netmap" && $0 != "prefix" }
        return shown.isEmpty ? text : text + " " + shown.joined(separator: ",")
    }

    private func addressText(_ operand: Nft.Operand) -> String {
        guard port != nil, case .value(let value) = operand else { return operand.text }
        switch value {
        case .address(.v6): return "[\(value.text)]"
        case .range(.address(.v6(let low)), let high): return "[\(low)]-[\(high.text)]"
        default: return value.text
        }
    }
}

extension Nft.Limit {
    fileprivate var text: String {
        let over = isOver ? "over " : ""
        if unit == "packets" {
            return "limit rate \(over)\(rate)/\(per) burst \(burst) packets"
        }
        return "limit rate \(over)\(rate) \(unit)/\(per)" + (burst == 0 ? "" : " burst \(burst) bytes")
    }
}
