/// The Engine API's answers as they go over the wire (Docker Engine API 1.50), one type for each shape.
package enum Engine {
    /// An error's body.
    struct Message: Encodable {
        var message: String
    }

    /// `{"Warnings":null}`, with which a service update is answered.
    struct Warnings: Encodable {
        var warnings: [String]?

        enum CodingKeys: String, CodingKey { case warnings = "Warnings" }

        func encode(to encoder: any Encoder) throws {
            var values = encoder.container(keyedBy: CodingKeys.self)
            try values.encode(warnings, forKey: .warnings)
        }
    }

    /// The answer to `POST …/create`.
    struct Created: Encodable {
        enum CodingKeys: String, CodingKey {
            case id = "ID"
            case warnings = "Warnings"
        }

        var id: String
        var warnings: [String]?
    }

    /// The answer to `POST /networks/create`, whose identifier is spelt otherwise.
    struct NetworkCreated: Encodable {
        enum CodingKeys: String, CodingKey {
            case id = "Id"
            case warning = "Warning"
        }

        var id: String
        var warning = ""
    }
}

/// A map that goes out as `null` when there is nothing in it, as Go writes one that was never made.
@propertyWrapper struct NullWhenEmpty<Value: Encodable>: Encodable {
    var wrappedValue: [String: Value]
    /// Goes out as `{}` all the same.
    var isMade = false

    init(wrappedValue: [String: Value]) { self.wrappedValue = wrappedValue }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if wrappedValue.isEmpty, !isMade { try container.encodeNil() } else { try container.encode(wrappedValue) }
    }
}
