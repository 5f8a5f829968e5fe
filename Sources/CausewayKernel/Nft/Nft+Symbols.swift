import CausewayModel

extension Nft {
    /// The names of priorities, as nft(8) gives them for the families ip, ip6 and inet.
    static let priorities: [String: Int32] = [
        "raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100,
    ]

    /// Protocols by the names that nft prints (those of `/etc/protocols`).
    static let protocols: [UInt64: String] = [
        1: "icmp", 2: "igmp", 4: "ipencap", 6: "tcp", 17: "udp", 33: "dccp", 41: "ipv6", 47: "gre", 50: "esp",
        51: "ah", 58: "ipv6-icmp", 89: "ospf", 94: "ipip", 103: "pim", 108: "ipcomp", 112: "vrrp", 115: "l2tp",
        132: "sctp", 136: "udplite",
    ]

    /// A protocol's number by any name that nft or iptables knows it by; `nil` for a name that is not known here.
    package static func protocolNumber(_ name: String) -> UInt8? {
        switch name {
        case "all": return 0
        case "icmpv6", "ipv6-icmp", "icmp6": return 58
        case "comp": return 108
        default: break
        }
        return UInt8(name) ?? protocols.first { $0.value == name }.flatMap { UInt8(exactly: $0.key) }
    }

    /// Protocols whose ports `th sport` and `th dport` are.
    static let transports: Swift.Set<String> = ["tcp", "udp", "sctp", "dccp", "udplite"]

    /// Names that are nft's own words; every other name is printed in quotes.
    static let words = Swift.Set(
        """
        * exists missing tcp udp sctp dccp udplite icmp icmpv6 ipv6-icmp igmp gre esp ah ipencap ipv6 ospf ipip pim \
        ipcomp vrrp l2tp ip ip6 arp vlan ipv4 ether invalid established related new untracked expected seen-reply \
        assured confirmed snat dnat dying original reply unspec unicast local broadcast anycast multicast blackhole \
        unreachable prohibit fin syn rst psh ack urg ecn cwr echo-request echo-reply destination-unreachable \
        nd-neighbor-solicit nd-neighbor-advert nd-router-solicit nd-router-advert
        """.split(separator: " ").map(String.init))

    /// The longest comment that nft takes, in bytes.
    static let commentLimit = 128

    /// A comment as nft can keep it: at most 128 bytes, without quotation marks and control characters.
    ///
    /// Returns `nil` when nothing is left.
    static func comment(_ text: String?) -> String? {
        guard let text else { return nil }
        var result = ""
        var length = 0
        for scalar in text.unicodeScalars {
            let kept: Unicode.Scalar = scalar == "\"" ? "'" : scalar.value < 0x20 || scalar.value == 0x7f ? " " : scalar
            length += String(kept).utf8.count
            if length > commentLimit { break }
            result.unicodeScalars.append(kept)
        }
        return result.isEmpty ? nil : result
    }

    /// A name in quotes, unless it is a word of nft's own or an Ethernet address.
    static func quoted(_ name: String) -> String {
        if words.contains(name) || MACAddress(name) != nil { return name }
        return "\"" + name.filter { $0 != "\"" && $0 != "\n" } + "\""
    }
}

extension Nft.DataType {
    /// Something that has this type, for `typeof`.
    var example: String {
        switch self {
        case .ipv4Address: "ip daddr"
        case .ipv6Address: "ip6 daddr"
        case .etherAddress: "ether saddr"
        case .inetProtocol: "meta l4proto"
        case .inetService: "th dport"
        case .interfaceName: "iifname"
        case .mark: "meta mark"
        case .integer: "numgen random mod 2"
        case .zone: "ct zone"
        case .verdict: "verdict"
        case .other: "other"
        }
    }
}

extension Nft.Operand {
    /// Whether a value of this is a set of flags: there `a,b` asks for any of them.
    var isFlags: Bool {
        switch self {
        case .ct(let key, _, _): ["state", "status", "label", "event"].contains(key)
        case .payload("tcp", "flags"): true
        default: false
        }
    }

    /// Whether a value of this is a mark: those are printed in hexadecimal.
    var isMark: Bool {
        switch self {
        case .meta("mark"), .ct("mark", _, _), .payload("socket", "mark"): true
        case .binary(_, let left, let right): left.isMark || right.isMark
        default: false
        }
    }
}
