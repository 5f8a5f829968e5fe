import CausewayModel

/// The newest session of each node, open or over, and what was heard in it.
struct NodeSessions {
    struct Session {
        var id: NodeSessionID
        var lastHeard: Timestamp
        var applied: UInt64
        var observations: [PeerObservation] = []
        /// Where its assignments go; `nil` once the session is over.
        var outlet: AsyncStream<NodeAssignment>.Continuation?
    }

    private(set) var sessions: [Swarm.ID: Session] = [:]
    private var lastNumber: UInt64 = 0

    /// The nodes with a session that is open.
    var open: [Swarm.ID] { sessions.values.filter { $0.outlet != nil }.map(\.id.nodeID).sorted() }

    var observations: [Swarm.ID: [PeerObservation]] { sessions.mapValues(\.observations).filter { !$0.value.isEmpty } }

    /// What the deciders get to know.
    var sightings: [Swarm.ID: NodesSeen.Sighting] {
        sessions.mapValues {
            NodesSeen.Sighting(lastHeard: $0.lastHeard, isConnected: $0.outlet != nil, applied: $0.applied)
        }
    }

    /// Begins a session; an older one of the node ends.
    mutating func open(
        _ node: Swarm.ID, at now: Timestamp, applied: UInt64, outlet: AsyncStream<NodeAssignment>.Continuation
    ) -> NodeSessionID {
        sessions[node]?.outlet?.finish()
        lastNumber += 1
        let id = NodeSessionID(nodeID: node, number: lastNumber)
        sessions[node] = Session(id: id, lastHeard: now, applied: applied, outlet: outlet)
        return id
    }

    /// Changes an open session; refuses one that is over.
    mutating func change(
        _ id: NodeSessionID, at now: Timestamp, _ edit: (inout Session) -> Void
    ) throws(SwarmError) {
        guard var session = sessions[id.nodeID], session.id == id, session.outlet != nil else {
            throw SwarmError(
                .conflict,
                "session \(id.number) of node \(id.nodeID) is over: a newer one took its place, or it was closed")
        }
        session.lastHeard = max(session.lastHeard, now)
        edit(&session)
        sessions[id.nodeID] = session
    }

    /// Ends a session, if it is the newest of its node; what was heard in it stays known.
    mutating func close(_ id: NodeSessionID) {
        guard sessions[id.nodeID]?.id == id else { return }
        sessions[id.nodeID]?.outlet?.finish()
        sessions[id.nodeID]?.outlet = nil
        sessions[id.nodeID]?.observations = []
    }

    /// Forgets a node that is of the cluster no longer.
    mutating func forget(_ node: Swarm.ID) {
        sessions[node]?.outlet?.finish()
        sessions[node] = nil
    }

    mutating func forgetAll() { for node in sessions.keys.sorted() { forget(node) } }

    func isApplied(_ revision: UInt64) -> Bool {
        sessions.values.allSatisfy { $0.outlet == nil || $0.applied >= revision }
    }

    func send(_ assignment: NodeAssignment) { sessions[assignment.nodeID]?.outlet?.yield(assignment) }
}
