/// Reads one JSON text (RFC 8259).
///
/// Every byte is checked; nothing is read twice.
struct JSONParser {
    private let bytes: [UInt8]
    private var index = 0
    private var depth = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    static func parse(_ bytes: some Sequence<UInt8>) throws(Nft.ReadError) -> JSONValue {
        var parser = JSONParser(Array(bytes))
        let value = try parser.value()
        parser.skipSpace()
        guard parser.index == parser.bytes.count else { throw parser.error("text after the end") }
        return value
    }

    private func error(_ why: String) -> Nft.ReadError { Nft.ReadError(offset: index, why: why) }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { index += 1 }
    }

    private mutating func take(_ byte: UInt8, _ name: String) throws(Nft.ReadError) {
        guard next == byte else { throw error("\(name) expected") }
        index += 1
    }

    private mutating func value() throws(Nft.ReadError) -> JSONValue {
        skipSpace()
        guard depth < 200 else { throw error("nested deeper than 200 levels") }
        depth += 1
        defer { depth -= 1 }
        switch next {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw error("the text ends where a value is expected")
        default: return try number()
        }
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws(Nft.ReadError) -> JSONValue {
        for byte in text.utf8 { try take(byte, "'\(text)'") }
        return value
    }

    private mutating func number() throws(Nft.ReadError) -> JSONValue {
        let start = index
        while let byte = next, (48...57).contains(byte) || "+-.eE".utf8.contains(byte) { index += 1 }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        guard Double(text) != nil else {
            index = start
            throw error("a value expected")
        }
        return .number(text)
    }

    private mutating func array() throws(Nft.ReadError) -> JSONValue {
        index += 1
        var values: [JSONValue] = []
        skipSpace()
        if next == UInt8(ascii: "]") {
            index += 1
            return .array([])
        }
        while true {
            values.append(try value())
            skipSpace()
            if next == UInt8(ascii: "]") { break }
            try take(UInt8(ascii: ","), "',' or ']'")
        }
        index += 1
        return .array(values)
    }

    private mutating func object() throws(Nft.ReadError) -> JSONValue {
        index += 1
        var members: [JSONValue.Member] = []
        skipSpace()
        if next == UInt8(ascii: "}") {
            index += 1
            return .object([])
        }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw error("a member's name expected") }
            let key = try string()
            skipSpace()
            try take(UInt8(ascii: ":"), "':'")
            members.append(JSONValue.Member(key: key, value: try value()))
            skipSpace()
            if next == UInt8(ascii: "}") { break }
            try take(UInt8(ascii: ","), "',' or '}'")
        }
        index += 1
        return .object(members)
    }

    private mutating func string() throws(Nft.ReadError) -> String {
        index += 1
        var text: [UInt8] = []
        while let byte = next {
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text += Array(try escaped().utf8)
            default: text.append(byte)
            }
        }
        throw error("a string without an end")
    }

    private mutating func escaped() throws(Nft.ReadError) -> String {
        guard let byte = next else { throw error("a string without an end") }
        index += 1
        switch byte {
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "u"):
            var units = [try unit()]
            if units[0] & 0xfc00 == 0xd800, next == UInt8(ascii: "\\") {
                index += 1
                try take(UInt8(ascii: "u"), "the second half of a surrogate pair")
                units.append(try unit())
            }
            return String(decoding: units, as: UTF16.self)
        default: return String(decoding: [byte], as: UTF8.self)
        }
    }

    private mutating func unit() throws(Nft.ReadError) -> UInt16 {
        guard index + 4 <= bytes.count, bytes[index] != UInt8(ascii: "+"),
            let unit = UInt16(String(decoding: bytes[index..<index + 4], as: UTF8.self), radix: 16)
        else { throw error("four hexadecimal digits expected") }
        index += 4
        return unit
    }
}
