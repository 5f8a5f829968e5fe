import CausewayModel

/// What the manager has heard of the nodes: kept in memory, lost when it restarts.
package struct NodesSeen: Hashable, Sendable {
    package struct Sighting: Hashable, Sendable {
        package var lastHeard: Timestamp
        /// Whether a session is open.
        package var isConnected: Bool
        /// The assignment's revision that the node's kernel agrees with.
        package var applied: UInt64

        package init(lastHeard: Timestamp, isConnected: Bool, applied: UInt64 = 0) {
            self.lastHeard = lastHeard
            self.isConnected = isConnected
            self.applied = applied
        }
    }

    /// When the manager began to listen: before that it could not hear anybody.
    package var since: Timestamp
    package var sightings: [Swarm.ID: Sighting]

    package init(since: Timestamp, sightings: [Swarm.ID: Sighting] = [:]) {
        self.since = since
        self.sightings = sightings
    }
}
