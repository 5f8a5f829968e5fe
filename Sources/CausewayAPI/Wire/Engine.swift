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
