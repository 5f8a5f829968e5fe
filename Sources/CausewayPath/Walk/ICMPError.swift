import CausewayModel

/// An error of ICMP, by its type and code (RFC 792, RFC 4443).
struct ICMPError: Hashable, Sendable {
    let type: UInt8
    let code: UInt8

    /// From a verdict's answer, `icmp port-unreachable`; `nil` when that is no error of ICMP.
    ///
    /// Names as nft and iptables have them; `icmpx` and `icmp` stand for the packet's own family.
    init?(answer: String, _ family: IPFamily) {
        let words = answer.split(separator: " ")
        guard words.count >= 2, ["icmp", "icmpx", "icmpv6"].contains(words[0]) else { return nil }
        let known = family == .ip ? Self.known : Self.knownOfIPv6
        guard let found = known[String(words[1])] else { return nil }
        (type, code) = found
    }

    private static let known: [String: (UInt8, UInt8)] = [
        "net-unreachable": (3, 0), "no-route": (3, 0), "host-unreachable": (3, 1), "prot-unreachable": (3, 2),
        "proto-unreachable": (3, 2), "port-unreachable": (3, 3), "frag-needed": (3, 4), "net-prohibited": (3, 9),
        "host-prohibited": (3, 10), "admin-prohibited": (3, 13), "time-exceeded": (11, 0),
    ]

    private static let knownOfIPv6: [String: (UInt8, UInt8)] = [
        "no-route": (1, 0), "net-unreachable": (1, 0), "admin-prohibited": (1, 1), "adm-prohibited": (1, 1),
        "beyond-scope": (1, 2), "addr-unreachable": (1, 3), "host-unreachable": (1, 3), "port-unreachable": (1, 4),
        "policy-fail": (1, 5), "reject-route": (1, 6), "packet-too-big": (2, 0), "time-exceeded": (3, 0),
    ]
}
