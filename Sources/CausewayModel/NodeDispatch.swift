/// What a session server asks of the manager, for nodes that are elsewhere.
///
/// Who calls has been identified by the certificate of its connection: `nodeID` is never taken from a message. Every
/// call refuses a node that is not of the cluster, or not any more.
package protocol NodeDispatch: Sendable {
    /// The cluster's root certificate: what a joining node checks against its token's digest; and the one before it.
    func roots() async throws(SwarmError) -> Swarm.Roots

    /// Lets a node in that shows a join token, and gives it its place; refuses a token that is not today's.
    func admit(_ request: JoinRequest) async throws(SwarmError) -> Admission

    /// What is needed to sign a member's next certificate.
    func renew(_ nodeID: Swarm.ID) async throws(SwarmError) -> Admission

    /// A node has come with a certificate of this root, PEM.
    func certified(_ nodeID: Swarm.ID, by root: String) async throws(SwarmError)

    /// A node is here: its assignments from now on, until ``close(_:)``. An older session of the same node ends.
    func open(_ hello: NodeHello, from nodeID: Swarm.ID) async throws(SwarmError) -> NodeSessionGrant

    /// A node says that it lives. Refuses a session that is not the node's newest.
    func heartbeat(_ session: NodeSessionID) async throws(SwarmError)

    /// Takes reports of the node's own tasks, in order; those of others' are refused.
    func report(_ reports: [TaskReport], in session: NodeSessionID) async throws(SwarmError)

    /// The assignment's revision that the node's kernel now agrees with.
    func applied(_ revision: UInt64, in session: NodeSessionID) async throws(SwarmError)

    /// How the node reaches its peers; the whole, each time that something of it changes.
    func observed(_ peers: [PeerObservation], in session: NodeSessionID) async throws(SwarmError)

    /// The connection is gone. Says nothing about the node's tasks.
    func close(_ session: NodeSessionID) async

    /// The node leaves by its own will: it is down from now on, and what it ran is to run elsewhere.
    func left(_ nodeID: Swarm.ID) async throws(SwarmError)
}

/// One connection of one node; a node that comes back gets another.
package struct NodeSessionID: Hashable, Codable, Sendable {
    package var nodeID: Swarm.ID
    /// Rises with each session of the node.
    package var number: UInt64

    package init(nodeID: Swarm.ID, number: UInt64) {
        self.nodeID = nodeID
        self.number = number
    }
}

/// What a node says when it asks to be let in.
package struct JoinRequest: Hashable, Codable, Sendable {
    /// `SWMTKN-1-DIGEST-SECRET`.
    package var token: String
    /// The node's own identifier, kept in its state folder.
    package var nodeID: Swarm.ID
    package var hello: NodeHello
    package var availability: Swarm.Node.Availability

    package init(token: String, nodeID: Swarm.ID, hello: NodeHello, availability: Swarm.Node.Availability = .active) {
        self.token = token
        self.nodeID = nodeID
        self.hello = hello
        self.availability = availability
    }
}

/// What a node says of itself at the start of each session.
package struct NodeHello: Hashable, Codable, Sendable {
    package var description: Swarm.Node.Description
    /// Where others reach it (`--advertise-addr`).
    package var address: IPAddress
    /// Where its tunnel packets come from (`--data-path-addr`); absent: ``address``.
    package var dataAddress: IPAddress?
    /// Destinations of its routes that are not Causeway's: no subnet of ours may overlap them.
    package var routes: [CIDR]
    /// The assignment's revision that its kernel agrees with; 0: none.
    package var applied: UInt64
    /// Causeway's own version.
    package var release: String

    package init(
        description: Swarm.Node.Description, address: IPAddress, dataAddress: IPAddress? = nil, routes: [CIDR] = [],
        applied: UInt64 = 0, release: String = Release.version
    ) {
        self.description = description
        self.address = address
        self.dataAddress = dataAddress
        self.routes = routes
        self.applied = applied
        self.release = release
    }
}

/// What a session server needs to sign a node's certificate.
package struct Admission: Hashable, Sendable {
    package var nodeID: Swarm.ID
    package var role: Swarm.Node.Role
    package var clusterID: Swarm.ID
    /// PEM.
    package var caCertificate: String
    /// PEM.
    package var caKey: String
    /// How long the certificate holds.
    package var validity: Nanoseconds
    /// The root certificate before this one, while nodes have certificates of it.
    package var rotation: Swarm.RootRotation?

    package init(
        nodeID: Swarm.ID, role: Swarm.Node.Role, clusterID: Swarm.ID, caCertificate: String, caKey: String,
        validity: Nanoseconds, rotation: Swarm.RootRotation? = nil
    ) {
        self.nodeID = nodeID
        self.role = role
        self.clusterID = clusterID
        self.caCertificate = caCertificate
        self.caKey = caKey
        self.validity = validity
        self.rotation = rotation
    }
}

/// What a node gets at the start of a session.
package struct NodeSessionGrant: Sendable {
    package var session: NodeSessionID
    /// How often the node has to say that it lives.
    package var heartbeatPeriod: Nanoseconds
    /// The node's assignments, newest only.
    ///
    /// A slow reader misses those between, never the last. Ends when the session is over.
    package var assignments: AsyncStream<NodeAssignment>

    package init(session: NodeSessionID, heartbeatPeriod: Nanoseconds, assignments: AsyncStream<NodeAssignment>) {
        self.session = session
        self.heartbeatPeriod = heartbeatPeriod
        self.assignments = assignments
    }
}

/// How one node reaches another through the tunnel, as it was measured.
package struct PeerObservation: Hashable, Codable, Sendable {
    /// The peer's.
    package var nodeID: Swarm.ID
    /// Whether its tunnel address answers: new connections avoid it while it does not.
    package var isReachable: Bool
    /// The largest packet inside the tunnel that arrives, bytes; absent until it is measured.
    package var mtu: UInt32?
    /// Whether packets whose checksum was left to the hardware arrive; absent until it is measured.
    package var takesChecksumOffload: Bool?
    /// In words: what was cured, or what is wrong.
    package var note: String

    package init(
        nodeID: Swarm.ID, isReachable: Bool, mtu: UInt32? = nil, takesChecksumOffload: Bool? = nil, note: String = ""
    ) {
        self.nodeID = nodeID
        self.isReachable = isReachable
        self.mtu = mtu
        self.takesChecksumOffload = takesChecksumOffload
        self.note = note
    }
}
