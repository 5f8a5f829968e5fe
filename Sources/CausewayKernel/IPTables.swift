import CausewayModel

/// iptables' rules as iptables-save(8) writes them: others', and what a network of Swarm's own kind needs.
package enum IPTables {
    /// Swarm's chain of published ports, in nat and in filter.
    package static let ingressChain = "DOCKER-INGRESS"

    package struct Table: Hashable, Codable, Sendable {
        /// `.ip` for iptables, `.ip6` for ip6tables.
        package var family: IPFamily
        /// `filter`, `nat`, `mangle`, `raw`, `security`.
        package var name: String
        package var chains: [Chain]

        package init(family: IPFamily, name: String, chains: [Chain] = []) {
            self.family = family
            self.name = name
            self.chains = chains
        }
    }

    package struct Chain: Hashable, Codable, Sendable {
        package var name: String
        /// `ACCEPT` or `DROP` of a built-in chain; `nil` in a chain of a user's.
        package var policy: String?
        package var rules: [Rule]

        package init(name: String, policy: String? = nil, rules: [Rule] = []) {
            self.name = name
            self.policy = policy
            self.rules = rules
        }
    }

    package struct Rule: Hashable, Codable, Sendable {
        /// As iptables-save writes it, without the chain: for showing.
        package var text: String
        package var matches: [Match]
        /// `-j` or `-g`; `nil` when the rule only counts.
        package var target: Target?
        /// Absent where the listing has none, and in earlier snapshots.
        package var counters: RuleCounters?

        package init(text: String, matches: [Match], target: Target?, counters: RuleCounters? = nil) {
            self.text = text
            self.matches = matches
            self.target = target
            self.counters = counters
        }
    }

    package indirect enum Match: Hashable, Codable, Sendable {
        case not(Match)
        case source(CIDR)
        case destination(CIDR)
        /// A final `+` matches any name that begins so.
        case incoming(String)
        case outgoing(String)
        /// A protocol's number; 0 is any.
        case `protocol`(UInt8)
        case sourcePort(ClosedRange<UInt16>)
        case destinationPort(ClosedRange<UInt16>)
        case destinationPorts([ClosedRange<UInt16>])
        /// `addrtype --dst-type LOCAL`
        case destinationType(String)
        case sourceType(String)
        /// `conntrack --ctstate` or `state --state`
        case state([String])
        case mark(UInt32, mask: UInt32)
        /// `ipvs --ipvs`: the balancer has had it.
        case ipvs
        /// Says nothing about the packet.
        case comment(String)
        /// Not understood: the walk says so and goes on both ways.
        case unknown(String)
    }

    package indirect enum Target: Hashable, Codable, Sendable {
        case accept, drop, `return`
        case jump(String)
        case goto(String)
        case dnat(addresses: ClosedRange<IPAddress>?, ports: ClosedRange<UInt16>?)
        case snat(addresses: ClosedRange<IPAddress>, ports: ClosedRange<UInt16>?)
        case masquerade
        case redirect(ports: ClosedRange<UInt16>?)
        case setMark(UInt32, mask: UInt32)
        case reject(with: String)
        case log
        case unknown(String)
    }
}

/// How often a rule was met since it was made.
package struct RuleCounters: Hashable, Codable, Sendable {
    package var packets: UInt64
    package var bytes: UInt64

    package init(packets: UInt64, bytes: UInt64) {
        self.packets = packets
        self.bytes = bytes
    }
}
