extension Swarm {
    /// What a registry is shown for a service's image: `X-Registry-Auth` as the client sent it.
    ///
    /// It is kept beside the specification, never in it: no answer of the API has it, no description prints it, and a
    /// service whose credentials alone are new is not a changed service.
    package struct PullCredentials: Hashable, Codable, Sendable {
        /// URL-safe base64 of JSON.
        package let header: String

        package init(header: String) { self.header = header }

        package init(from decoder: any Decoder) throws {
            header = try decoder.singleValueContainer().decode(String.self)
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(header)
        }
    }

    /// Which credentials a service has from an update on.
    package enum CredentialsChange: Hashable, Sendable {
        /// These; none if it is `nil`.
        case set(PullCredentials?)
        case keep
        /// Those that it had before the last update.
        case previous
    }
}

extension Swarm.PullCredentials: Concealed {
    package var description: String { "(credentials)" }
}
