/// JSON as programs write it: objects keep their order, so that what is not understood can be shown as it was.
enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    /// The number's own text.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    struct Member: Hashable, Sendable {
        var key: String
        var value: JSONValue
    }

    /// The value of an object's member; `nil` for any other value.
    subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    var string: String? { if case .string(let text) = self { text } else { nil } }

    var array: [JSONValue]? { if case .array(let values) = self { values } else { nil } }

    /// An object's members; `nil` for any other value.
    var members: [Member]? { if case .object(let members) = self { members } else { nil } }

    var unsigned: UInt64? { if case .number(let text) = self { UInt64(text) } else { nil } }

    var signed: Int64? { if case .number(let text) = self { Int64(text) } else { nil } }

    var isTrue: Bool { self == .bool(true) }

    /// The only member of an object that has one: how nft names what an object is.
    var only: Member? {
        guard case .object(let members) = self, members.count == 1 else { return nil }
        return members[0]
    }

    /// A list, or a single value that stands for a list of one.
    var list: [JSONValue] { array ?? [self] }

    /// Without spaces.
    var compact: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let text): text
        case .string(let text): Self.quote(text)
        case .array(let values): "[" + values.map(\.compact).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { Self.quote($0.key) + ":" + $0.value.compact }.joined(separator: ",") + "}"
        }
    }

    private static func quote(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
