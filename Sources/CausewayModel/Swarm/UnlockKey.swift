import FoundationEssentials

extension Swarm {
    /// What opens the state of a manager that is locked: 32 random bytes.
    ///
    /// People have it as `SWMKEY-1-` and base64 without padding (swarmkit's form). It is never printed: whoever
    /// interpolates it, logs it or dumps what it is in sees that it is there, and no more.
    package struct UnlockKey: Hashable, Sendable {
        /// Bytes of a key that can open something.
        package static let size = 32

        private static let prefix = "SWMKEY-1-"

        package let bytes: Data

        /// Draws a new one.
        package init(using generator: inout some RandomNumberGenerator) {
            bytes = Data((0..<Self.size).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
        }

        /// Reads what people have; as in swarmkit, one of another length is a key, and opens nothing.
        ///
        /// - Throws: `invalid` for what is no key at all, in Docker's words.
        package init(_ text: String) throws(SwarmError) {
            let digits = text.dropFirst(Self.prefix.count)
            guard text.hasPrefix(Self.prefix), !digits.contains("="),
                let bytes = Data(base64Encoded: digits + String(repeating: "=", count: (4 - digits.count % 4) % 4))
            else { throw SwarmError(.invalid, "invalid key string") }
            self.bytes = bytes
        }

        /// As people have it: for the one who asks for it, and for the store's encrypted rows.
        package var text: String { Self.prefix + bytes.base64EncodedString().filter { $0 != "=" } }
    }
}

extension Swarm.UnlockKey: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(try decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

extension Swarm.UnlockKey: Concealed {
    package var description: String { "(an unlock key)" }
}

extension SwarmError {
    /// Every call that needs a manager, while its state is locked; Docker's words.
    package static let locked = SwarmError(
        .unavailable,
        "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"docker swarm unlock\" to "
            + "unlock it.")

    package static let lockedNeedsForce = SwarmError(
        .unavailable,
        "Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.")

    package static let wrongUnlockKey = SwarmError(
        .unauthorized, "swarm could not be unlocked: invalid key provided")

    package static let notLocked = SwarmError(.conflict, "swarm is not locked")
}
