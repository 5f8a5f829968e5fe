/// Finds the values of a JSON text (RFC 8259).
struct JSONReader {
    private let bytes: [UInt8]
    private var at = 0
    private static let deepest = 128

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Reads one value that fills the whole text, white space aside.
    mutating func document() throws(JSONText.Malformed) -> JSONText.Value {
        let value = try value(depth: 0)
        skipSpace()
        guard at == bytes.count else { throw malformed("something follows the value") }
        return value
    }

    private mutating func value(depth: Int) throws(JSONText.Malformed) -> JSONText.Value {
        guard depth < Self.deepest else { throw malformed("values are nested deeper than \(Self.deepest)") }
        skipSpace()
        let start = at
        let content: JSONText.Value.Content
        switch peek {
        case UInt8(ascii: "{"): content = try .object(members(depth: depth))
        case UInt8(ascii: "["): content = try .array(elements(depth: depth))
        case UInt8(ascii: "\""):
            _ = try string()
            content = .string
        default:
            try scalar()
            content = .scalar
        }
        return JSONText.Value(range: start..<at, content: content)
    }

    private mutating func members(depth: Int) throws(JSONText.Malformed) -> [(key: String, value: JSONText.Value)] {
        var members: [(key: String, value: JSONText.Value)] = []
        at += 1
        skipSpace()
        if take("}") { return [] }
        while true {
            skipSpace()
            let key = JSONText.unescaped(bytes[try string()])
            skipSpace()
            guard take(":") else { throw malformed("a colon is missing after a key") }
            members.append((key, try value(depth: depth + 1)))
            skipSpace()
            if take("}") { return members }
            guard take(",") else { throw malformed("an object goes on without a comma") }
        }
    }

    private mutating func elements(depth: Int) throws(JSONText.Malformed) -> [JSONText.Value] {
        var elements: [JSONText.Value] = []
        at += 1
        skipSpace()
        if take("]") { return [] }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpace()
            if take("]") { return elements }
            guard take(",") else { throw malformed("an array goes on without a comma") }
        }
    }

    /// Reads a string and returns the place of its inside.
    private mutating func string() throws(JSONText.Malformed) -> Range<Int> {
        guard take("\"") else { throw malformed("a string is expected") }
        let start = at
        while let byte = peek {
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return start..<(at - 1)
            case UInt8(ascii: "\\"): try escape()
            case 0..<0x20: throw malformed("a control character stands in a string")
            default: break
            }
        }
        throw malformed("a string does not end")
    }

    private mutating func escape() throws(JSONText.Malformed) {
        guard let byte = peek else { throw malformed("a string does not end") }
        at += 1
        if byte == UInt8(ascii: "u") {
            let digits = bytes[at...].prefix(4)
            guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else {
                throw malformed("an escape needs four hexadecimal digits")
            }
            at += 4
        } else if !"\"\\/bfnrt".utf8.contains(byte) {
            throw malformed("an unknown escape stands in a string")
        }
    }

    private mutating func scalar() throws(JSONText.Malformed) {
        let start = at
        while let byte = peek, !" \t\r\n,]}:\"[{".utf8.contains(byte) { at += 1 }
        let word = bytes[start..<at]
        let isLiteral = ["true", "false", "null"].contains { word.elementsEqual($0.utf8) }
        guard isLiteral || Self.isNumber(word) else {
            at = start
            throw malformed("a value is expected")
        }
    }

    private static func isNumber(_ word: ArraySlice<UInt8>) -> Bool {
        guard let first = word.first, first == UInt8(ascii: "-") || (48...57).contains(first) else { return false }
        return word.allSatisfy { (48...57).contains($0) || "+-.eE".utf8.contains($0) }
            && Double(String(decoding: word, as: UTF8.self)) != nil
    }

    private var peek: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let byte = peek, " \t\r\n".utf8.contains(byte) { at += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    private func malformed(_ why: String) -> JSONText.Malformed {
        JSONText.Malformed(offset: at, why: why)
    }
}
