import FoundationEssentials

extension Swarm {
    /// The content of a secret or a config.
    ///
    /// In JSON it is base64, as in Docker's API. It is never printed: whoever interpolates it, logs it or dumps what it
    /// is in sees its size alone.
    package struct Payload: Hashable, Sendable {
        package var bytes: Data

        package init(_ bytes: Data) { self.bytes = bytes }
        package init(_ text: String) { bytes = Data(text.utf8) }

        package var count: Int { bytes.count }
    }
}

extension Swarm.Payload: Codable {
    package init(from decoder: any Decoder) throws {
        bytes = try decoder.singleValueContainer().decode(Data.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(bytes)
    }
}

extension Swarm.Payload: Concealed {
    package var description: String { "(\(bytes.count) bytes)" }
}
