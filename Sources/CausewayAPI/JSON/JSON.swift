import FoundationEssentials
import NIOCore

/// Bodies to values and back.
enum JSON {
    static func bytes(_ value: some Encodable) throws(APIError) -> ByteBuffer {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return ByteBuffer(bytes: try encoder.encode(value))
        } catch {
            throw APIError(500, "cannot write \(type(of: value)) as JSON: \(error)")
        }
    }

    /// Reads a body; says where it is not JSON.
    static func parse(_ body: ByteBuffer) throws(APIError) -> JSONValue {
        try decode(Data(body.readableBytesView))
    }

    /// Reads a model's value out of what a schema let through.
    static func model<T: Decodable>(_ value: JSONValue, as type: T.Type = T.self) throws(APIError) -> T {
        let body = try bytes(value)
        return try decode(Data(body.readableBytesView))
    }

    private static func decode<T: Decodable>(_ data: Data) throws(APIError) -> T {
        do {
            return try JSONDecoder().decode(T.self, from: data)
        } catch let error as DecodingError {
            throw APIError(400, describe(error))
        } catch {
            throw APIError(400, "invalid JSON: \(error)")
        }
    }

    private static func describe(_ error: DecodingError) -> String {
        switch error {
        case .dataCorrupted(let context):
            let place = path(context)
            if let words = enumeration(place, context.debugDescription) { return words }
            guard place.isEmpty else { return "invalid value of \(place): \(context.debugDescription)" }
            let cause = context.underlyingError.map { "\($0)" } ?? ""
            return "invalid JSON: \(context.debugDescription) \(cause)"
        case .keyNotFound(let key, let context):
            return "missing field \(path(context, then: key)): it must be given"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return "wrong type of \(path(context)): \(context.debugDescription)"
        @unknown default: return "invalid JSON: \(error)"
        }
    }

    /// Docker's words for a word that is not one of those that a field can have; `nil` for any other fault.
    private static func enumeration(_ place: String, _ description: String) -> String? {
        let kinds = [
            "EndpointSpec.Mode": "resolution mode", "RestartPolicy.Condition": "RestartCondition", "Role": "Role",
            "Availability": "Availability",
        ]
        guard let kind = kinds.first(where: { place == $0.key || place.hasSuffix(".\($0.key)") })?.value,
            let start = description.firstRange(of: "from invalid String value ")
        else { return nil }
        return "invalid \(kind): \"\(description[start.upperBound...])\""
    }

    private static func path(_ context: DecodingError.Context, then key: (any CodingKey)? = nil) -> String {
        let keys = context.codingPath + (key.map { [$0] } ?? [])
        return keys.reduce("") { text, key in
            if let index = key.intValue { return "\(text)[\(index)]" }
            return text.isEmpty ? key.stringValue : "\(text).\(key.stringValue)"
        }
    }
}
