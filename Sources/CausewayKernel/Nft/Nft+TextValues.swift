import CausewayModel

extension Nft.Value {
    /// As nft writes it.
    package var text: String { text(isMark: false) }

    /// As nft writes it; with `isMark`, numbers are marks: eight hexadecimal digits.
    func text(isMark: Bool) -> String {
        switch self {
        case .address(let address): return address.description
        case .prefix(let prefix): return prefix.description
        case .number(let number):
            guard isMark else { return String(number) }
            let hex = String(number, radix: 16)
            return "0x" + String(repeating: "0", count: max(0, 8 - hex.count)) + hex
        case .name(let name): return Nft.quoted(name)
        case .range(let low, let high): return low.text(isMark: isMark) + "-" + high.text(isMark: isMark)
        case .anonymousSet(let values):
            return "{ " + values.map { $0.text(isMark: isMark) }.joined(separator: ", ") + " }"
        case .anonymousMap(let elements): return "{ " + elements.map(\.text).joined(separator: ", ") + " }"
        case .concatenation(let values): return values.map { $0.text(isMark: isMark) }.joined(separator: " . ")
        case .set(let name): return "@\(name)"
        }
    }
}

extension Nft.Element {
    /// `KEY [comment "…"] [: DATA]`.
    package var text: String {
        var text = keyText
        if let comment = Nft.comment(comment) { text += " comment \"\(comment)\"" }
        if let data { text += " : " + Self.join(data) }
        if let verdict { text += " : " + verdict.text }
        return text
    }

    /// The key alone: what an element is deleted by.
    var keyText: String { Self.join(key) }

    private static func join(_ values: [Nft.Value]) -> String { values.map(\.text).joined(separator: " . ") }
}

extension Nft.Verdict {
    /// As nft writes it.
    package var text: String {
        switch self {
        case .accept: "accept"
        case .drop: "drop"
        case .continue: "continue"
        case .return: "return"
        case .jump(let chain): "jump \(chain)"
        case .goto(let chain): "goto \(chain)"
        }
    }
}

extension Nft.Operand {
    /// As nft writes it.
    package var text: String { text(isMark: false) }

    func text(isMark: Bool) -> String {
        switch self {
        case .meta(let key):
            return ["iifname", "oifname", "iif", "oif", "iifgroup", "oifgroup"].contains(key) ? key : "meta \(key)"
        case .payload(let name, let field):
            if name.hasPrefix("@") { return "\(name),\(field)" }
            return field.isEmpty ? name : "\(name) \(field)"
        case .ct(let key, let direction, let family):
            return (["ct", direction, family?.rawValue].compactMap { $0 } + [key]).joined(separator: " ")
        case .fib(let keys, let result): return "fib \(keys.joined(separator: " . ")) \(result)"
        case .numgen(let random, let modulus, let offset):
            return "numgen \(random ? "random" : "inc") mod \(modulus)" + Self.offset(offset)
        case .jhash(let parts, let modulus, let seed, let offset):
            let seed = seed.map { " seed 0x\(String($0, radix: 16))" } ?? ""
            return "jhash \(Self.join(parts)) mod \(modulus)\(seed)" + Self.offset(offset)
        case .concatenation(let parts): return Self.join(parts)
        case .value(let value): return value.text(isMark: isMark)
        case .map(let key, let map): return "\(key.text) map \(map.text(isMark: isMark))"
        case .binary(let op, let left, let right):
            let isMark = isMark || self.isMark
            let leftText = left.text(isMark: isMark)
            let rightText = right.text(isMark: isMark)
            return (Self.binds(left, tighterThan: op) ? leftText : "(\(leftText))") + " \(op) "
                + (right.isBinary ? "(\(rightText))" : rightText)
        case .unknown(let text): return text
        }
    }

    private static func join(_ parts: [Nft.Operand]) -> String { parts.map(\.text).joined(separator: " . ") }

    private static func offset(_ offset: UInt32) -> String { offset == 0 ? "" : " offset \(offset)" }

    private var isBinary: Bool { if case .binary = self { true } else { false } }

    /// Whether the left operand needs no parentheses.
    private static func binds(_ left: Nft.Operand, tighterThan op: String) -> Bool {
        guard case .binary(let inner, _, _) = left else { return true }
        let order = ["<<": 0, ">>": 0, "&": 1, "^": 2, "|": 3]
        return order[inner, default: 0] <= order[op, default: 0]
    }
}
