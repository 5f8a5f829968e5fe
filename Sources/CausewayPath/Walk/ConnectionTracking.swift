import CausewayKernel
import CausewayModel

extension NamespaceState {
    /// Whether conntrack looks at packets of a family here.
    ///
    /// It does as soon as a rule needs it (`nf_ct_netns_get`). A NAT chain alone does not, and is not asked then: a packet
    /// without a connection has nothing to be translated.
    func tracksConnections(_ family: IPFamily) -> Bool {
        if !ipvs.isEmpty { return true }
        let isNeeded = iptables.lazy.filter { $0.family == family }.flatMap(\.chains).flatMap(\.rules)
            .contains(where: \.needsConntrack)
        if isNeeded { return true }
        return tables.lazy.filter { $0.family == .inet || $0.family.rawValue == family.rawValue }
            .flatMap(\.chains).flatMap(\.rules).flatMap(\.expressions).contains(where: \.needsConntrack)
    }
}

extension IPTables.Rule {
    fileprivate var needsConntrack: Bool {
        switch target {
        case .dnat, .snat, .masquerade, .redirect, .unknown: true
        default: matches.contains(where: \.needsConntrack)
        }
    }
}

extension IPTables.Match {
    fileprivate var needsConntrack: Bool {
        switch self {
        case .state, .ipvs, .unknown: true
        case .not(let match): match.needsConntrack
        default: false
        }
    }
}

extension Nft.Expression {
    fileprivate var needsConntrack: Bool {
        switch self {
        case .match(let left, _, let right): left.needsConntrack || right.needsConntrack
        case .verdictMap(let key, _): key.needsConntrack
        case .set(let left, let right): left.needsConntrack || right.needsConntrack
        case .dnat, .snat, .masquerade, .redirect, .xt, .unknown: true
        case .verdict, .counter, .reject, .notrack, .log, .limit: false
        }
    }
}

extension Nft.Operand {
    fileprivate var needsConntrack: Bool {
        switch self {
        case .ct, .unknown: true
        case .concatenation(let parts), .jhash(let parts, _, _, _): parts.contains(where: \.needsConntrack)
        case .map(let key, _): key.needsConntrack
        case .binary(_, let left, let right): left.needsConntrack || right.needsConntrack
        case .meta, .payload, .fib, .numgen, .value: false
        }
    }
}
