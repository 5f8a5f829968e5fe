import CausewayModel

extension NftReader {
    /// Never fails: what is not understood is ``Nft/Operand/unknown(_:)`` with its JSON.
    static func operand(_ value: JSONValue) -> Nft.Operand {
        if let list = value.array { return flags(list) }
        if let constant = constantIfKnown(value) { return .value(constant) }
        return value.only.flatMap { selector($0.key, $0.value) } ?? .unknown(value.compact)
    }

    /// A list of flags stands for all of their bits.
    private static func flags(_ list: [JSONValue]) -> Nft.Operand {
        let operands = list.map(operand)
        guard let first = operands.first else { return .unknown("[]") }
        return operands.dropFirst().reduce(first) { .binary("|", $0, $1) }
    }

    private static func selector(_ name: String, _ body: JSONValue) -> Nft.Operand? {
        switch name {
        case "meta": return body["key"]?.string.map { .meta($0) }
        case "payload": return payload(body)
        case "ct": return ct(body)
        case "fib":
            return body["result"]?.string.map { result in
                .fib((body["flags"]?.list ?? []).compactMap(\.string), result)
            }
        case "numgen": return numgen(body)
        case "jhash": return jhash(body)
        case "concat": return .concatenation(body.list.map(operand))
        case "map":
            guard let key = body["key"], let data = body["data"].flatMap(constantIfKnown) else { return nil }
            return .map(key: operand(key), in: data)
        case "&", "|", "^", "<<", ">>":
            let operands = body.list.map(operand)
            guard let first = operands.first, operands.count >= 2 else { return nil }
            return operands.dropFirst().reduce(first) { .binary(name, $0, $1) }
        default: return other(name, body)
        }
    }

    private static func payload(_ body: JSONValue) -> Nft.Operand? {
        if let name = body["protocol"]?.string, let field = body["field"]?.string { return .payload(name, field) }
        guard let base = body["base"]?.string, let offset = body["offset"]?.unsigned,
            let length = body["len"]?.unsigned
        else { return nil }
        return .payload("@\(base)", "\(offset),\(length)")
    }

    /// `original ip daddr` is written as direction `original` and key `ip daddr`.
    private static func ct(_ body: JSONValue) -> Nft.Operand? {
        guard let key = body["key"]?.string else { return nil }
        let words = key.split(separator: " ", maxSplits: 1)
        if words.count == 2, let family = IPFamily(rawValue: String(words[0])) {
            return .ct(String(words[1]), direction: body["dir"]?.string, family: family)
        }
        return .ct(key, direction: body["dir"]?.string)
    }

    private static func numgen(_ body: JSONValue) -> Nft.Operand? {
        guard let mode = body["mode"]?.string, let modulus = number32(body["mod"]) else { return nil }
        return .numgen(random: mode == "random", modulus: modulus, offset: number32(body["offset"]) ?? 0)
    }

    private static func jhash(_ body: JSONValue) -> Nft.Operand? {
        guard let key = body["expr"], let modulus = number32(body["mod"]) else { return nil }
        let parts: [Nft.Operand] = if case .concatenation(let all) = operand(key) { all } else { [operand(key)] }
        return .jhash(
            of: parts, modulus: modulus, seed: number32(body["seed"]), offset: number32(body["offset"]) ?? 0)
    }

    private static func number32(_ value: JSONValue?) -> UInt32? { value?.unsigned.flatMap { UInt32(exactly: $0) } }

    /// Selectors that read like a protocol's field: `socket transparent`, `rt ip nexthop`, `tcp option maxseg size`.
    private static func other(_ name: String, _ body: JSONValue) -> Nft.Operand? {
        switch name {
        case "socket": return body["key"]?.string.map { .payload("socket", $0) }
        case "rt":
            let family = body["family"]?.string.map { "rt \($0)" } ?? "rt"
            return body["key"]?.string.map { .payload(family, $0) }
        case "exthdr":
            guard let header = body["name"]?.string else { return nil }
            return body["field"]?.string.map { .payload(header, $0) } ?? .payload("exthdr", header)
        case "tcp option", "ip option":
            guard let option = body["name"]?.string else { return nil }
            return .payload("\(name) \(option)", body["field"]?.string ?? "")
        default: return nil
        }
    }
}
