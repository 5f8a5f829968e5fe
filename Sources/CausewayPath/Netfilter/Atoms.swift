import CausewayKernel
import CausewayModel

/// One value that a rule compares.
enum Atom: Hashable, Sendable {
    case address(IPAddress)
    case number(UInt64)
    case text(String)

    var number: UInt64? { if case .number(let value) = self { value } else { nil } }
    var address: IPAddress? { if case .address(let value) = self { value } else { nil } }
}

/// What an operand comes to: a concatenation has several atoms.
enum Evaluated: Hashable, Sendable {
    case known([Atom])
    /// The packet has no such thing (an IPv6 address of an IPv4 packet): the rule does not match.
    case absent
    /// The walk does not understand it.
    case unknown(String)
}

/// The names that nft gives to numbers, by what they are compared with.
enum NameKind: Hashable, Sendable {
    case plain, `protocol`, ctState, ctStatus, ctDirection, tcpFlags, icmpType, icmpv6Type, etherType, family

    /// Whether several values may hold at once.
    var isFlags: Bool { self == .ctState || self == .ctStatus || self == .tcpFlags }

    func number(of name: String) -> UInt64? { Self.table[self]?[name] }

    private static let table: [NameKind: [String: UInt64]] = [
        .protocol: [
            "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "dccp": 33, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58,
            "ipv6-icmp": 58, "sctp": 132, "udplite": 136,
        ],
        .ctState: ["invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64],
        .ctStatus: [
            "expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512,
        ],
        .ctDirection: ["original": 0, "reply": 1],
        .tcpFlags: ["fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128],
        .icmpType: [
            "echo-reply": 0, "destination-unreachable": 3, "redirect": 5, "echo-request": 8, "time-exceeded": 11,
            "parameter-problem": 12,
        ],
        .icmpv6Type: [
            "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
            "echo-request": 128, "echo-reply": 129, "nd-router-solicit": 133, "nd-router-advert": 134,
            "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137,
        ],
        .etherType: ["ip": 0x0800, "arp": 0x0806, "ip6": 0x86dd, "vlan": 0x8100],
        .family: ["ipv4": 2, "ipv6": 10],
    ]

    /// The kinds of an operand's parts.
    static func kinds(of operand: Nft.Operand) -> [NameKind] {
        switch operand {
        case .meta("l4proto"), .payload("ip", "protocol"), .payload("ip6", "nexthdr"), .ct("protocol", _, _):
            [.protocol]
        case .meta("protocol"): [.etherType]
        case .meta("nfproto"), .ct("l3proto", _, _): [.family]
        case .ct("state", _, _): [.ctState]
        case .ct("status", _, _): [.ctStatus]
        case .ct("direction", _, _): [.ctDirection]
        case .payload("tcp", "flags"): [.tcpFlags]
        case .payload("icmp", "type"): [.icmpType]
        case .payload("icmpv6", "type"): [.icmpv6Type]
        case .concatenation(let parts): parts.flatMap { kinds(of: $0) }
        case .binary(_, let left, _): kinds(of: left)
        default: [.plain]
        }
    }
}

/// Constants of a rule against what the packet has.
enum Matching {
    /// Whether `atoms` are what `value` says; `nil` when the value is not understood.
    ///
    /// Named sets are the caller's.
    static func matches(_ atoms: ArraySlice<Atom>, _ kinds: ArraySlice<NameKind>, _ value: Nft.Value) -> Bool? {
        if case .concatenation(let parts) = value {
            guard parts.count == atoms.count else { return nil }
            return allMatch(atoms, kinds, parts)
        }
        if case .anonymousSet(let values) = value {
            var isUnclear = false
            for value in values {
                switch matches(atoms, kinds, value) {
                case true?: return true
                case false?: continue
                case nil: isUnclear = true
                }
            }
            return isUnclear ? nil : false
        }
        guard atoms.count == 1, let atom = atoms.first else { return nil }
        return matches(atom, kinds.first ?? .plain, value)
    }

    /// Each part of a concatenation against its own value.
    static func allMatch(_ atoms: ArraySlice<Atom>, _ kinds: ArraySlice<NameKind>, _ values: [Nft.Value]) -> Bool? {
        var isUnclear = false
        for (offset, value) in values.enumerated() {
            let at = atoms.startIndex + offset
            let kind = kinds.count > offset ? kinds[kinds.startIndex + offset] : .plain
            switch matches(atoms[at], kind, value) {
            case true?: continue
            case false?: return false
            case nil: isUnclear = true
            }
        }
        return isUnclear ? nil : true
    }

    private static func matches(_ atom: Atom, _ kind: NameKind, _ value: Nft.Value) -> Bool? {
        switch value {
        case .prefix(let prefix): return atom.address.map { prefix.contains($0) }
        case .range(let low, let high):
            guard let low = exact(low, kind), let high = exact(high, kind) else { return nil }
            return isInOrder(low, atom).flatMap { first in isInOrder(atom, high).map { first && $0 } }
        case .name(let name) where kind == .plain && name.hasSuffix("*"):
            guard case .text(let text) = atom else { return nil }
            return text.hasPrefix(name.dropLast())
        case .anonymousSet, .concatenation: return matches([atom][...], [kind][...], value)
        default: return exact(value, kind).map { $0 == atom }
        }
    }

    /// A value that is one thing.
    static func exact(_ value: Nft.Value, _ kind: NameKind) -> Atom? {
        switch value {
        case .address(let address): .address(address)
        case .number(let number): .number(number)
        case .prefix(let prefix) where prefix.isHost: .address(prefix.address)
        case .name(let name):
            if kind == .plain {
                name.hasSuffix("*") ? nil : .text(name)
            } else {
                kind.number(of: name).map { .number($0) }
            }
        default: nil
        }
    }

    /// Flags that are or-ed: one name, or a list of them.
    static func flags(_ value: Nft.Value, _ kind: NameKind) -> UInt64? {
        switch value {
        case .number(let number): return number
        case .name(let name): return kind.number(of: name)
        case .anonymousSet(let values), .concatenation(let values):
            return values.reduce(UInt64?(0)) { sum, value in
                sum.flatMap { sum in flags(value, kind).map { sum | $0 } }
            }
        default: return nil
        }
    }

    /// The same of an operand that is made of constants alone.
    static func flags(_ operand: Nft.Operand, _ kind: NameKind) -> UInt64? {
        switch operand {
        case .value(let value): return flags(value, kind)
        case .binary("|", let left, let right):
            guard let a = flags(left, kind), let b = flags(right, kind) else { return nil }
            return a | b
        default: return nil
        }
    }

    /// Whether `a` is not above `b`; `nil` when they do not compare.
    static func isInOrder(_ a: Atom, _ b: Atom) -> Bool? {
        switch (a, b) {
        case (.number(let a), .number(let b)): a <= b
        case (.address(let a), .address(let b)): a.family == b.family && a <= b
        default: nil
        }
    }
}
