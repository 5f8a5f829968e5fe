/// Why a classic network is otherwise than Docker Swarm 20.10 makes it: the rows of docs/dataplane/classic.md, "Differences", of
/// which something is to be seen in a sandbox's state.
///
/// Rules are written `TABLE CHAIN: RULE`; the resolver's port, which is another each time, is `PORT`.
package enum ClassicDifference: CaseIterable, Hashable, Sendable {
    /// Swarm's resolver leads its queries by iptables, also where nobody asks; ours by a table of its own, in tasks only.
    case resolver
    /// Docker Engine's own chains lead every bridge of its own; in their place two rules keep `docker0` apart.
    case dockersChains
    /// The tunnel learns nothing and says from where it sends.
    case tunnel

    package static let resolverRules = [
        "nat DOCKER_OUTPUT: -d 127.0.0.11/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:PORT",
        "nat DOCKER_OUTPUT: -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:PORT",
        "nat DOCKER_POSTROUTING: -s 127.0.0.11/32 -p tcp -m tcp --sport PORT -j SNAT --to-source :53",
        "nat DOCKER_POSTROUTING: -s 127.0.0.11/32 -p udp -m udp --sport PORT -j SNAT --to-source :53",
        "nat OUTPUT: -d 127.0.0.11/32 -j DOCKER_OUTPUT", "nat POSTROUTING: -d 127.0.0.11/32 -j DOCKER_POSTROUTING",
    ]

    package static let rulesInDockersChains = [
        "filter DOCKER-ISOLATION-STAGE-1: -i docker_gwbridge ! -o docker_gwbridge -j DOCKER-ISOLATION-STAGE-2",
        "filter DOCKER-ISOLATION-STAGE-2: -o docker_gwbridge -j DROP", "filter FORWARD: -o docker_gwbridge -j DOCKER",
        "nat DOCKER: -i docker_gwbridge -j RETURN",
    ]

    package static let rulesInTheirPlace = [
        "filter FORWARD: -i docker0 -o docker_gwbridge -j DROP",
        "filter FORWARD: -i docker_gwbridge -o docker0 -j DROP",
    ]

    /// A comparison's differences from a Swarm, by what explains them, and those that nothing does.
    package static func sort(
        _ comparison: SandboxComparison
    ) -> (explained: [ClassicDifference: [SandboxComparison.Difference]], others: [SandboxComparison.Difference]) {
        let all = Set(comparison.differences)
        var explained: [ClassicDifference: [SandboxComparison.Difference]] = [:]
        var others: [SandboxComparison.Difference] = []
        for difference in comparison.differences {
            if let reason = allCases.first(where: { $0.explains(difference, among: all) }) {
                explained[reason, default: []].append(difference)
            } else {
                others.append(difference)
            }
        }
        return (explained, others)
    }

    private func explains(
        _ difference: SandboxComparison.Difference, among all: Set<SandboxComparison.Difference>
    ) -> Bool {
        let isOfHost = difference.place.hasSuffix(" host")
        switch self {
        case .resolver:
            return !isOfHost && difference.isOfFirst && difference.rule.map(Self.resolverRules.contains) ?? false
        case .dockersChains:
            let known = difference.isOfFirst ? Self.rulesInDockersChains : Self.rulesInTheirPlace
            return isOfHost && difference.rule.map(known.contains) ?? false
        case .tunnel:
            return difference.place.contains(" overlay of ") && all.contains(difference.asTunnelOfTheOther)
        }
    }
}

extension SandboxComparison.Difference {
    /// As ``ClassicDifference`` has them.
    fileprivate var rule: String? {
        guard section.hasPrefix("iptables ") else { return nil }
        return section.dropFirst("iptables ".count) + ": " + text.replacing("RESOLVER", with: "PORT")
    }

    /// The same line as the other would have it, if it differed in what is known of tunnels and in nothing else.
    fileprivate var asTunnelOfTheOther: SandboxComparison.Difference {
        let node = place.prefix { $0 != " " }
        let (swarms, ours) = (" from any address proxy learning ", " from \(node) proxy nolearning ")
        var other = self
        other.isOfFirst.toggle()
        other.text = isOfFirst ? text.replacing(swarms, with: ours) : text.replacing(ours, with: swarms)
        return other
    }
}
