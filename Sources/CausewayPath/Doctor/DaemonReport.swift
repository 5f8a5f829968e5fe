/// What a Causeway daemon says of its node, where one was asked.
package struct DaemonReport: Hashable, Sendable {
    /// What it would change in one namespace.
    package struct Pending: Hashable, Sendable {
        package var namespace: String
        package var steps: [String]

        package init(namespace: String, steps: [String]) {
            self.namespace = namespace
            self.steps = steps
        }
    }

    /// How it reaches another node.
    package struct Peer: Hashable, Sendable {
        package var hostname: String
        package var isReachable: Bool
        /// The largest packet inside the tunnel that arrives.
        package var mtu: UInt32?
        /// Whether checksums left to the hardware arrive.
        package var takesOffload: Bool?
        package var note: String

        package init(
            hostname: String, isReachable: Bool, mtu: UInt32? = nil, takesOffload: Bool? = nil, note: String = ""
        ) {
            self.hostname = hostname
            self.isReachable = isReachable
            self.mtu = mtu
            self.takesOffload = takesOffload
            self.note = note
        }
    }

    /// `manager`, `worker` or `none`.
    package var role: String
    package var pending: [Pending]
    /// What the kernel refused, and why.
    package var failures: [String]
    package var peers: [Peer]
    package var revision: UInt64?
    package var applied: UInt64?

    package init(
        role: String, pending: [Pending] = [], failures: [String] = [], peers: [Peer] = [], revision: UInt64? = nil,
        applied: UInt64? = nil
    ) {
        self.role = role
        self.pending = pending
        self.failures = failures
        self.peers = peers
        self.revision = revision
        self.applied = applied
    }
}

/// What a name server answered within a task.
package struct NameAnswer: Hashable, Sendable {
    /// The namespace's number.
    package var namespace: UInt64
    package var name: String
    /// Empty: there is no such name, or it has no address of the family that was asked for.
    package var addresses: [String]
    /// Why there is no answer at all.
    package var failure: String?

    package init(namespace: UInt64, name: String, addresses: [String] = [], failure: String? = nil) {
        self.namespace = namespace
        self.name = name
        self.addresses = addresses
        self.failure = failure
    }
}
