/// A JSON text with the places of its values: for changing a few of them and keeping every other byte.
///
/// Numbers keep their digits, unknown keys stay, order stays. Of equal keys the last counts, as in Go.
struct JSONText {
    /// Why a text is not the JSON that was expected.
    struct Malformed: Error, Equatable, CustomStringConvertible {
        let offset: Int
        let why: String
        var description: String { "malformed at byte \(offset): \(why)" }
    }

    /// A value's place, and the places of what it holds.
    struct Value {
        enum Content {
            case scalar
            case string
            case array([Value])
            case object([(key: String, value: Value)])
        }

        var range: Range<Int>
        var content: Content

        var isObject: Bool { if case .object = content { true } else { false } }
        var isArray: Bool { if case .array = content { true } else { false } }
        var elements: [Value] { if case .array(let elements) = content { elements } else { [] } }
        var isEmpty: Bool {
            switch content {
            case .array(let elements): elements.isEmpty
            case .object(let members): members.isEmpty
            case .scalar, .string: true
            }
        }

        subscript(key: String) -> Value? {
            guard case .object(let members) = content else { return nil }
            return members.last { $0.key == key }?.value
        }
    }

    let bytes: [UInt8]
    let root: Value

    /// Refuses anything that is not exactly one JSON value, and nesting deeper than 128.
    init(_ bytes: [UInt8]) throws(Malformed) {
        var reader = JSONReader(bytes)
        root = try reader.document()
        self.bytes = bytes
    }

    /// The string at `value`, unescaped; `nil` for any other kind.
    func text(of value: Value) -> String? {
        guard case .string = value.content else { return nil }
        return Self.unescaped(bytes[value.range].dropFirst().dropLast())
    }

    /// `text` as a JSON string.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..<"\u{20}":
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Resolves the escapes of a string's inside, which `JSONReader` has already checked.
    static func unescaped(_ inside: some Collection<UInt8>) -> String {
        guard inside.contains(UInt8(ascii: "\\")) else { return String(decoding: inside, as: UTF8.self) }
        var units: [UInt16] = []
        var rest = Array(String(decoding: inside, as: UTF8.self).utf16)[...]
        while let unit = rest.popFirst() {
            guard unit == 0x5c, let escape = rest.popFirst() else {
                units.append(unit)
                continue
            }
            switch escape {
            case 0x62: units.append(0x08)
            case 0x66: units.append(0x0c)
            case 0x6e: units.append(0x0a)
            case 0x72: units.append(0x0d)
            case 0x74: units.append(0x09)
            case 0x75:
                units.append(UInt16(String(decoding: rest.prefix(4), as: UTF16.self), radix: 16) ?? 0xfffd)
                rest = rest.dropFirst(4)
            default: units.append(escape)
            }
        }
        return String(decoding: units, as: UTF16.self)
    }
}
