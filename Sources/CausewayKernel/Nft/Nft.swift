import CausewayModel

/// nftables as values: printed for libnftables and for people, read back from its JSON, walked by the lens.
///
/// Names are those of nft(8). What is read from a kernel and not understood here is kept as ``Expression/unknown(_:)``
/// with its text, never dropped.
package enum Nft {
    package enum Family: String, Hashable, Codable, Sendable { case ip, ip6, inet, arp, bridge, netdev }

    package struct Table: Hashable, Codable, Sendable {
        package var family: Family
        package var name: String
        package var sets: [Set]
        package var chains: [Chain]

        package init(family: Family, name: String, sets: [Set] = [], chains: [Chain] = []) {
            self.family = family
            self.name = name
            self.sets = sets
            self.chains = chains
        }
    }

    // MARK: sets and maps

    /// The type of a set's key or of a map's data, by nft's names (`ipv4_addr`, …).
    package enum DataType: String, Hashable, Codable, Sendable {
        case ipv4Address = "ipv4_addr"
        case ipv6Address = "ipv6_addr"
        case etherAddress = "ether_addr"
        case inetProtocol = "inet_proto"
        case inetService = "inet_service"
        case interfaceName = "ifname"
        case mark = "mark"
        /// What `numgen` makes; nft can only declare it by `typeof`.
        case integer = "integer"
        /// A conntrack zone, which nft lists as an integer too; declared by `typeof`.
        case zone = "zone"
        case verdict = "verdict"
        case other = "other"
    }

    /// An element: `key` has one value for each part of a concatenation; so has `data`.
    package struct Element: Hashable, Codable, Sendable {
        package var key: [Value]
        package var data: [Value]?
        package var verdict: Verdict?
        package var comment: String?

        package init(key: [Value], data: [Value]? = nil, verdict: Verdict? = nil, comment: String? = nil) {
            self.key = key
            self.data = data
            self.verdict = verdict
            self.comment = comment
        }
    }

    /// A constant.
    package indirect enum Value: Hashable, Codable, Sendable {
        case address(IPAddress)
        case prefix(CIDR)
        case number(UInt64)
        /// A name that nft keeps as such: an interface (`cw-*` matches by prefix), a protocol, a ct state, an address type,
        /// an Ethernet address.
        case name(String)
        case range(Value, Value)
        /// `{ a, b }`
        case anonymousSet([Value])
        /// `{ a : verdict, b : verdict }` or `{ a : b }`
        case anonymousMap([Element])
        case concatenation([Value])
        /// `@name`
        case set(String)
    }

    // MARK: chains and rules

    package struct Chain: Hashable, Codable, Sendable {
        /// What makes a chain a base chain.
        package struct Base: Hashable, Codable, Sendable {
            package enum Kind: String, Hashable, Codable, Sendable { case filter, nat, route }

            package enum Hook: String, Hashable, Codable, Sendable {
                case ingress, prerouting, input, forward, output, postrouting, egress
            }

            package var kind: Kind
            package var hook: Hook
            package var priority: Int32
            /// `accept` or `drop`.
            package var policy: Verdict
            package var device: String?

            package init(_ kind: Kind, _ hook: Hook, priority: Int32, policy: Verdict = .accept, device: String? = nil)
            {
                self.kind = kind
                self.hook = hook
                self.priority = priority
                self.policy = policy
                self.device = device
            }
        }

        package var name: String
        package var base: Base?
        package var rules: [Rule]

        package init(name: String, base: Base? = nil, rules: [Rule] = []) {
            self.name = name
            self.base = base
            self.rules = rules
        }
    }

    package struct Rule: Hashable, Codable, Sendable {
        package var expressions: [Expression]
        package var comment: String?

        package init(_ expressions: [Expression], comment: String? = nil) {
            self.expressions = expressions
            self.comment = comment
        }
    }

    package indirect enum Verdict: Hashable, Codable, Sendable {
        case accept, drop, `continue`, `return`
        case jump(String)
        case goto(String)
    }

    /// What a packet, or the kernel about it, gives to look at.
    package indirect enum Operand: Hashable, Codable, Sendable {
        /// `meta KEY`: `iifname`, `oifname`, `l4proto`, `mark`, `nfproto`, `pkttype`, `protocol`, `skuid`, …
        case meta(String)
        /// `PROTOCOL FIELD`: `ip saddr`, `ip6 daddr`, `tcp dport`, `th dport`, `tcp flags`, `ether saddr`, `icmpv6 type`, …
        /// So are `socket KEY`, `rt ip KEY`, `tcp option NAME FIELD`, and a place by number: `@th` with `0,16`.
        case payload(String, String)
        /// `ct [original|reply] KEY`: `state`, `mark`, `status`, `direction`, `daddr`, `proto-dst`, `zone`, …
        /// An address is asked for with its family: `ct original ip daddr`.
        case ct(String, direction: String? = nil, family: IPFamily? = nil)
        /// `fib KEYS RESULT`: `fib daddr type`, `fib saddr . iif oif`.
        case fib([String], String)
        case numgen(random: Bool, modulus: UInt32, offset: UInt32 = 0)
        case jhash(of: [Operand], modulus: UInt32, seed: UInt32? = nil, offset: UInt32 = 0)
        case concatenation([Operand])
        case value(Value)
        /// `KEY map @NAME` or `KEY map { … }`
        case map(key: Operand, in: Value)
        /// `a & b`, `a | b`, `a ^ b`, `a << b`, `a >> b`
        case binary(String, Operand, Operand)
        case unknown(String)
    }

    package enum Comparison: String, Hashable, Codable, Sendable {
        case equal = "=="
        case notEqual = "!="
        case less = "<"
        case greater = ">"
        case lessOrEqual = "<="
        case greaterOrEqual = ">="
        /// Flags in common: `ct state established,related` is `in` with an anonymous set, `ct state { … }` is `equal`.
        case `in` = "in"
    }

    package indirect enum Expression: Hashable, Codable, Sendable {
        case match(Operand, Comparison, Operand)
        /// `KEY vmap @NAME` or `KEY vmap { … }`
        case verdictMap(key: Operand, in: Value)
        case verdict(Verdict)
        /// `counter`; numbers are the kernel's and take no part in a comparison of states.
        case counter(packets: UInt64 = 0, bytes: UInt64 = 0)
        /// `meta mark set …`, `ct mark set …`, `ct zone set …`
        case set(Operand, to: Operand)
        case dnat(NAT)
        case snat(NAT)
        case masquerade(flags: [String] = [])
        /// `redirect [to :PORT]`
        case redirect(port: Operand?)
        case reject(Reject)
        case notrack
        case log(prefix: String?)
        /// `limit rate …`: matches as long as the rate is kept to (`over`: as soon as it is not).
        case limit(Limit)
        /// A module of iptables that nft cannot say in its own words.
        case xt(kind: String, name: String)
        case unknown(String)
    }

    package struct NAT: Hashable, Codable, Sendable {
        /// Needed in an `inet` table.
        package var family: IPFamily?
        package var address: Operand?
        package var port: Operand?
        package var flags: [String]

        package init(family: IPFamily?, address: Operand?, port: Operand? = nil, flags: [String] = []) {
            self.family = family
            self.address = address
            self.port = port
            self.flags = flags
        }
    }

    package struct Limit: Hashable, Codable, Sendable {
        package var rate: UInt64
        /// `second`, `minute`, `hour`, `day`, `week`.
        package var per: String
        package var burst: UInt64
        /// `packets`, or `bytes`, `kbytes`, `mbytes`.
        package var unit: String
        package var isOver: Bool

        package init(
            rate: UInt64, per: String = "second", burst: UInt64 = 5, unit: String = "packets", isOver: Bool = false
        ) {
            self.rate = rate
            self.per = per
            self.burst = burst
            self.unit = unit
            self.isOver = isOver
        }
    }

    package enum Reject: Hashable, Codable, Sendable {
        case tcpReset
        /// `icmp`, `icmpv6` or `icmpx`, with the code's name: `port-unreachable`, `admin-prohibited`, …
        case icmp(String, code: String)
    }
}
