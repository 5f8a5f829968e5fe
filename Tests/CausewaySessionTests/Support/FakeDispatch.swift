import CausewayModel
import CausewaySession

/// A manager that remembers what it was told, and gives what a test says.
actor FakeDispatch: NodeDispatch {
    nonisolated let authority: CertificateAuthority
    nonisolated let clusterID = "cluster0000000000000000001"
    nonisolated let managerID = "manager0000000000000000001"
    nonisolated let workerToken: String
    nonisolated let managerToken: String

    private(set) var members: [Swarm.ID: Swarm.Node.Role]
    private(set) var hellos: [NodeHello] = []
    private(set) var renewals: [Swarm.ID] = []
    private(set) var reports: [TaskReport] = []
    private(set) var applied: [UInt64] = []
    private(set) var observed: [[PeerObservation]] = []
    /// When each heartbeat arrived.
    private(set) var beats: [ContinuousClock.Instant] = []
    var heartbeats: Int { beats.count }
    private(set) var closed: [NodeSessionID] = []
    private(set) var gone: [Swarm.ID] = []
    private var newest: [Swarm.ID: UInt64] = [:]
    private var streams: [Swarm.ID: AsyncStream<NodeAssignment>.Continuation] = [:]
    private var assignments: [Swarm.ID: NodeAssignment] = [:]
    private var validity: Nanoseconds = .seconds(90 * 86_400)
    private var refusal: SwarmError?
    private var isRenewing = true
    private nonisolated let heartbeatPeriod: Nanoseconds
    /// The root that replaces the first one.
    private var replacement: CertificateAuthority?
    private var rotation: Swarm.RootRotation?
    private(set) var certified: [Swarm.ID: String] = [:]

    init(at now: Timestamp, heartbeatPeriod: Nanoseconds) throws {
        var generator = SystemRandomNumberGenerator()
        authority = try CertificateAuthority(at: now, using: &generator)
        workerToken = JoinToken(certificate: authority.certificate, using: &generator).description
        managerToken = JoinToken(certificate: authority.certificate, using: &generator).description
        members = [managerID: .manager]
        self.heartbeatPeriod = heartbeatPeriod
    }

    // MARK: What a test does

    func offer(_ assignment: NodeAssignment) {
        assignments[assignment.nodeID] = assignment
        streams[assignment.nodeID]?.yield(assignment)
    }

    func remove(_ nodeID: Swarm.ID) {
        members[nodeID] = nil
        streams.removeValue(forKey: nodeID)?.finish()
    }

    func set(validity: Nanoseconds) { self.validity = validity }

    /// Refuses reports from now on.
    func refuseReports(_ error: SwarmError?) { refusal = error }

    /// Gives no member another certificate from now on.
    func stopRenewing() { isRenewing = false }

    /// Begins a rotation of the root; returns the new one, PEM.
    func rotate(at now: Timestamp) throws -> String {
        var generator = SystemRandomNumberGenerator()
        let new = try CertificateAuthority(at: now, using: &generator)
        rotation = Swarm.RootRotation(
            formerCertificate: authority.certificate,
            crossSigned: try authority.crossSign(new.certificate, at: now, using: &generator))
        replacement = new
        return new.certificate
    }

    /// Nobody has a certificate of the first root any more.
    func endRotation() { rotation = nil }

    // MARK: NodeDispatch

    func roots() async throws(SwarmError) -> Swarm.Roots {
        Swarm.Roots(certificate: (replacement ?? authority).certificate, rotation: rotation)
    }

    func certified(_ nodeID: Swarm.ID, by root: String) async throws(SwarmError) { certified[nodeID] = root }

    func admit(_ request: JoinRequest) async throws(SwarmError) -> Admission {
        let role: Swarm.Node.Role
        switch request.token {
        case workerToken: role = .worker
        case managerToken: role = .manager
        default: throw SwarmError(.forbidden, "the join token is not one of this swarm, or not any more")
        }
        members[request.nodeID] = role
        return try admission(request.nodeID)
    }

    func renew(_ nodeID: Swarm.ID) async throws(SwarmError) -> Admission {
        renewals.append(nodeID)
        guard isRenewing else { throw SwarmError(.internal, "no certificate today") }
        return try admission(nodeID)
    }

    private func admission(_ nodeID: Swarm.ID) throws(SwarmError) -> Admission {
        guard let role = members[nodeID] else { throw SwarmError(.notFound, "node \(nodeID) is not of this swarm") }
        return Admission(
            nodeID: nodeID, role: role, clusterID: clusterID, caCertificate: (replacement ?? authority).certificate,
            caKey: (replacement ?? authority).key, validity: validity, rotation: rotation)
    }

    func open(_ hello: NodeHello, from nodeID: Swarm.ID) async throws(SwarmError) -> NodeSessionGrant {
        _ = try admission(nodeID)
        hellos.append(hello)
        let number = (newest[nodeID] ?? 0) + 1
        newest[nodeID] = number
        streams[nodeID]?.finish()
        let (stream, continuation) = AsyncStream.makeStream(
            of: NodeAssignment.self, bufferingPolicy: .bufferingNewest(1))
        streams[nodeID] = continuation
        if let assignment = assignments[nodeID] { continuation.yield(assignment) }
        return NodeSessionGrant(
            session: NodeSessionID(nodeID: nodeID, number: number), heartbeatPeriod: heartbeatPeriod,
            assignments: stream)
    }

    private func check(_ session: NodeSessionID) throws(SwarmError) {
        _ = try admission(session.nodeID)
        guard newest[session.nodeID] == session.number else {
            throw SwarmError(.conflict, "node \(session.nodeID) has a newer session")
        }
    }

    func heartbeat(_ session: NodeSessionID) async throws(SwarmError) {
        try check(session)
        beats.append(.now)
    }

    func report(_ reports: [TaskReport], in session: NodeSessionID) async throws(SwarmError) {
        try check(session)
        if let refusal { throw refusal }
        self.reports += reports
    }

    func applied(_ revision: UInt64, in session: NodeSessionID) async throws(SwarmError) {
        try check(session)
        applied.append(revision)
    }

    func observed(_ peers: [PeerObservation], in session: NodeSessionID) async throws(SwarmError) {
        try check(session)
        observed.append(peers)
    }

    func close(_ session: NodeSessionID) async { closed.append(session) }

    func left(_ nodeID: Swarm.ID) async throws(SwarmError) {
        _ = try admission(nodeID)
        gone.append(nodeID)
    }
}
