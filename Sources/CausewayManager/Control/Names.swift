import CausewayModel

/// The syntax of names.
enum Names {
    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }

    /// `[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*`, at most 63 bytes: a service's name is a label of DNS.
    ///
    /// So is a network's.
    static func checkService(_ name: String) throws(SwarmError) {
        guard !name.isEmpty else { throw Refusal.invalid("meta: name must be provided") }
        guard name.utf8.count <= 63 else { throw Refusal.invalid("name must be 63 characters or fewer") }
        guard let first = name.utf8.first, let last = name.utf8.last, isAlphanumeric(first), isAlphanumeric(last),
            name.utf8.allSatisfy({ isAlphanumeric($0) || $0 == 45 || $0 == 95 })
        else { throw Refusal.invalid("name must be valid as a DNS name component") }
    }

    /// Networks that Docker Engine makes itself.
    static let predefinedNetworks: Set = ["bridge", "host", "none", "default", "docker_gwbridge"]

    static func checkNetwork(_ name: String) throws(SwarmError) {
        guard !["none", "default"].contains(name) else {
            throw SwarmError(.forbidden, "operation is not permitted on predefined \(name) network")
        }
        guard !predefinedNetworks.contains(name) else {
            throw SwarmError(.conflict, "network with name \(name) already exists")
        }
        try checkService(name)
    }
}
