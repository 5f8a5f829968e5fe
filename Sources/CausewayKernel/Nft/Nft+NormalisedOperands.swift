extension Nft.Operand {
    /// Whether its value is a protocol's number.
    var isProtocol: Bool {
        switch self {
        case .meta("l4proto"), .payload("ip", "protocol"), .payload("ip6", "nexthdr"): true
        case .ct("protocol", _, _): true
        default: false
        }
    }

    /// The operand with each operand in it, inner ones first, replaced.
    func map(_ change: (Nft.Operand) -> Nft.Operand) -> Nft.Operand {
        switch self {
        case .jhash(let parts, let modulus, let seed, let offset):
            change(.jhash(of: parts.map { $0.map(change) }, modulus: modulus, seed: seed, offset: offset))
        case .concatenation(let parts): change(.concatenation(parts.map { $0.map(change) }))
        case .map(let key, let values): change(.map(key: key.map(change), in: values))
        case .binary(let op, let left, let right): change(.binary(op, left.map(change), right.map(change)))
        case .meta, .payload, .ct, .fib, .numgen, .value, .unknown: change(self)
        }
    }

    /// The operand as nft would list it.
    var normalised: Nft.Operand {
        switch self {
        case .value(let value): return .value(value.normalised())
        case .fib(let keys, let result):
            return .fib(["saddr", "daddr", "mark", "iif", "oif"].filter(keys.contains), result)
        case .concatenation(let parts): return .concatenation(parts.map(\.normalised))
        case .jhash(let parts, let modulus, let seed, let offset):
            return .jhash(of: parts.map(\.normalised), modulus: modulus, seed: seed, offset: offset)
        case .map(let key, let values):
            return .map(key: key.normalised, in: values.normalised(isProtocol: key.isProtocol))
        case .binary("|", let left, let right):
            return flagsInOrder ?? Self.mark(.binary("|", left.normalised, right.normalised))
        case .binary(let op, let left, let right): return Self.mark(.binary(op, left.normalised, right.normalised))
        case .meta, .payload, .ct, .numgen, .unknown: return self
        }
    }

    /// `a | b | c` of names, sorted; `nil` for anything else.
    private var flagsInOrder: Nft.Operand? {
        guard let names = flagNames?.sorted(), let first = names.first else { return nil }
        return names.dropFirst().reduce(.value(.name(first))) { .binary("|", $0, .value(.name($1))) }
    }

    private var flagNames: [String]? {
        switch self {
        case .value(.name(let name)): return [name]
        case .binary("|", let left, let right):
            guard let left = left.flagNames, let right = right.flagNames else { return nil }
            return left + right
        default: return nil
        }
    }

    /// Arithmetic on a mark is one mask and one exclusive or in the kernel, and is listed back from those.
    private static func mark(_ operand: Nft.Operand) -> Nft.Operand {
        guard let (base, keep, flip) = operand.bits else { return operand }
        let set = (keep & flip) ^ flip
        let toggle = flip & keep
        let mask = keep | set
        var result = base
        if mask != .max { result = .binary("&", result, .value(.number(UInt64(mask)))) }
        if toggle != 0 { result = .binary("^", result, .value(.number(UInt64(toggle)))) }
        if set != 0 { result = .binary("|", result, .value(.number(UInt64(set)))) }
        return result
    }

    /// `(base & keep) ^ flip` for arithmetic on a mark of 32 bits.
    private var bits: (base: Nft.Operand, keep: UInt32, flip: UInt32)? {
        switch self {
        case .meta("mark"), .ct("mark", _, _): return (self, .max, 0)
        case .binary(let op, let left, .value(.number(let number))):
            guard let (base, keep, flip) = left.bits, let constant = UInt32(exactly: number) else { return nil }
            switch op {
            case "&": return (base, keep & constant, flip & constant)
            case "|": return (base, keep & ~constant, flip | constant)
            case "^": return (base, keep, flip ^ constant)
            default: return nil
            }
        default: return nil
        }
    }
}
