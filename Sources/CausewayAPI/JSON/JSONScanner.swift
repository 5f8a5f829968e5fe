import FoundationEssentials

/// Finds where JSON values begin and end (RFC 8259), without reading more into them.
struct JSONScanner {
    private let bytes: ArraySlice<UInt8>
    private var at: Int
    /// Deeper nesting is not followed; Go stops at 10,000.
    private static let deepest = 500

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    /// Whether nothing but white space is left.
    var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return at == bytes.endIndex
        }
    }

    /// The next value; `nil` when there is none, or it is not well formed.
    mutating func value() -> ArraySlice<UInt8>? {
        skipSpace()
        let start = at
        return skipValue(depth: 0) ? bytes[start..<at] : nil
    }

    mutating func members() -> [(key: ArraySlice<UInt8>, value: ArraySlice<UInt8>)]? {
        skipSpace()
        guard take("{") else { return nil }
        var result: [(key: ArraySlice<UInt8>, value: ArraySlice<UInt8>)] = []
        if take("}") { return result }
        repeat {
            skipSpace()
            let start = at
            guard skipString() else { return nil }
            let key = bytes[start..<at]
            guard take(":"), let value = value() else { return nil }
            result.append((key, value))
        } while take(",")
        return take("}") ? result : nil
    }

    mutating func items() -> [ArraySlice<UInt8>]? {
        skipSpace()
        guard take("[") else { return nil }
        var result: [ArraySlice<UInt8>] = []
        if take("]") { return result }
        repeat {
            guard let value = value() else { return nil }
            result.append(value)
        } while take(",")
        return take("]") ? result : nil
    }

    /// What a string says; `nil` when it is something else.
    static func text(of bytes: ArraySlice<UInt8>) -> String? {
        guard bytes.count >= 2, bytes.first == UInt8(ascii: "\"") else { return nil }
        guard bytes.contains(UInt8(ascii: "\\")) else {
            return String(decoding: bytes.dropFirst().dropLast(), as: UTF8.self)
        }
        return try? JSONDecoder().decode(String.self, from: Data(bytes))
    }

    // MARK: skipping

    private mutating func skipValue(depth: Int) -> Bool {
        guard depth < Self.deepest, at < bytes.endIndex else { return false }
        switch bytes[at] {
        case UInt8(ascii: "{"): return skipMembers(depth)
        case UInt8(ascii: "["): return skipItems(depth)
        case UInt8(ascii: "\""): return skipString()
        default: return skipWord()
        }
    }

    private mutating func skipMembers(_ depth: Int) -> Bool {
        at += 1
        if take("}") { return true }
        repeat {
            skipSpace()
            guard skipString(), take(":") else { return false }
            skipSpace()
            guard skipValue(depth: depth + 1) else { return false }
        } while take(",")
        return take("}")
    }

    private mutating func skipItems(_ depth: Int) -> Bool {
        at += 1
        if take("]") { return true }
        repeat {
            skipSpace()
            guard skipValue(depth: depth + 1) else { return false }
        } while take(",")
        return take("]")
    }

    private mutating func skipString() -> Bool {
        guard at < bytes.endIndex, bytes[at] == UInt8(ascii: "\"") else { return false }
        at += 1
        while at < bytes.endIndex {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                at += 1
                return true
            case UInt8(ascii: "\\"): at += 2
            case 0..<0x20: return false
            default: at += 1
            }
        }
        return false
    }

    /// A number, `true`, `false` or `null`; what exactly, its reader will see.
    private mutating func skipWord() -> Bool {
        let start = at
        while at < bytes.endIndex, Self.isWordByte(bytes[at]) { at += 1 }
        return at > start
    }

    private mutating func skipSpace() {
        while at < bytes.endIndex, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[at]) { at += 1 }
    }

    private mutating func take(_ sign: Unicode.Scalar) -> Bool {
        skipSpace()
        guard at < bytes.endIndex, bytes[at] == UInt8(ascii: sign) else { return false }
        at += 1
        return true
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
