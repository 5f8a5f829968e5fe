import CausewayModel

extension Nft.Rule {
    /// The rule as nft would list it, whatever it was written as.
    func normalised(in family: Nft.Family) -> Nft.Rule {
        var context = ProtocolContext()
        let all = expressions.map { context.apply($0.normalised(in: family)) }
        let implied = Implied(all)
        return Nft.Rule(
            Self.sortMatches(all.filter { !implied.contains($0) }), comment: Nft.comment(comment))
    }

    /// Sorts matches that follow each other.
    ///
    /// nft joins matches on neighbouring fields, wherever they stand among the matches, and lists them where the last
    /// one stood; the order of matches has no meaning.
    private static func sortMatches(_ expressions: [Nft.Expression]) -> [Nft.Expression] {
        var result: [Nft.Expression] = []
        var run: [(text: String, expression: Nft.Expression)] = []
        func sorted() -> [Nft.Expression] { run.sorted { $0.text < $1.text }.map(\.expression) }
        for expression in expressions {
            if case .match = expression {
                run.append((expression.text, expression))
            } else {
                result += sorted() + [expression]
                run = []
            }
        }
        return result + sorted()
    }
}

/// What is known of the transport protocol at a point of a rule: `th` is spelt with its name from there on.
private struct ProtocolContext {
    private var transport: String?

    mutating func apply(_ expression: Nft.Expression) -> Nft.Expression {
        let result = transport.map { name in
            expression.mapOperands { if case .payload("th", let field) = $0 { .payload(name, field) } else { $0 } }
        }
        if case .match(let operand, .equal, .value(.name(let name))) = expression, operand.isProtocol,
            Nft.transports.contains(name)
        {
            transport = name
        }
        return result ?? expression
    }
}

/// The matches that the rest of a rule implies: nft does not list them.
private struct Implied {
    private var protocols: Swift.Set<String> = []

    init(_ expressions: [Nft.Expression]) {
        for expression in expressions {
            _ = expression.mapOperands { operand in
                if case .payload(let name, _) = operand { protocols.insert(name) }
                return operand
            }
            switch expression {
            case .reject(.tcpReset): protocols.formUnion(["tcp", "reset"])
            case .reject(.icmp("icmp", _)): protocols.insert("ip")
            case .reject(.icmp("icmpv6", _)): protocols.insert("ip6")
            default: break
            }
        }
    }

    func contains(_ expression: Nft.Expression) -> Bool {
        guard case .match(.meta(let key), .equal, .value(.name(let name))) = expression else { return false }
        switch (key, name) {
        case ("l4proto", "ipv6-icmp"): return protocols.contains("icmpv6")
        case ("l4proto", _): return protocols.contains(name)
        case ("nfproto", "ipv4"): return !protocols.isDisjoint(with: ["ip", "icmp", "reset"])
        case ("nfproto", "ipv6"): return !protocols.isDisjoint(with: ["ip6", "icmpv6", "reset"])
        default: return false
        }
    }
}

extension Nft.Expression {
    fileprivate func normalised(in family: Nft.Family) -> Nft.Expression {
        switch self {
        case .match(let left, let comparison, let right): return Self.normalise(left, comparison, right)
        case .verdictMap(let key, let map):
            return .verdictMap(key: key.normalised, in: map.normalised(isProtocol: key.isProtocol))
        case .counter: return .counter()
        case .set(let target, let value): return .set(target.normalised, to: value.normalised)
        case .dnat(let nat): return .dnat(nat.normalised(in: family))
        case .snat(let nat): return .snat(nat.normalised(in: family))
        case .masquerade(let flags): return .masquerade(flags: flags.sorted())
        case .redirect(let port): return .redirect(port: port?.normalised)
        case .log(let prefix): return .log(prefix: Nft.comment(prefix))
        case .verdict, .reject, .notrack, .limit, .xt, .unknown: return self
        }
    }

    private static func normalise(
        _ left: Nft.Operand, _ comparison: Nft.Comparison, _ right: Nft.Operand
    ) -> Nft.Expression {
        let left = left.normalised
        let comparison = comparison == .in && !left.isFlags ? Nft.Comparison.equal : comparison
        guard case .value(let value) = right else { return .match(left, comparison, right.normalised) }
        let constant = value.normalised(isProtocol: left.isProtocol)
        guard case .anonymousSet(let values) = constant, values.count == 1 else {
            return .match(left, comparison, .value(constant))
        }
        // A set of one is its element; of flags, that asks for flags in common.
        return .match(left, left.isFlags && comparison == .equal ? .in : comparison, .value(values[0]))
    }

    /// The expression with each operand in it, inner ones first, replaced.
    func mapOperands(_ change: (Nft.Operand) -> Nft.Operand) -> Nft.Expression {
        switch self {
        case .match(let left, let comparison, let right): .match(left.map(change), comparison, right.map(change))
        case .verdictMap(let key, let map): .verdictMap(key: key.map(change), in: map)
        case .set(let target, let value): .set(target.map(change), to: value.map(change))
        case .dnat(let nat): .dnat(nat.map(change))
        case .snat(let nat): .snat(nat.map(change))
        case .redirect(let port): .redirect(port: port?.map(change))
        case .verdict, .counter, .masquerade, .reject, .notrack, .log, .limit, .xt, .unknown: self
        }
    }
}

extension Nft.NAT {
    fileprivate func map(_ change: (Nft.Operand) -> Nft.Operand) -> Nft.NAT {
        Nft.NAT(family: family, address: address?.map(change), port: port?.map(change), flags: flags)
    }

    /// In a table of one family nft does not say which.
    fileprivate func normalised(in family: Nft.Family) -> Nft.NAT {
        Nft.NAT(
            family: family == .ip || family == .ip6 ? nil : self.family, address: address?.normalised,
            port: port?.normalised, flags: flags.sorted())
    }
}
