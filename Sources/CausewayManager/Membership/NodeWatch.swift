import CausewayModel

/// Judges the nodes by their heartbeats.
///
/// Two of the three detectors, which are kept apart. A node that is silent for three periods is marked `down`: it gets
/// no new tasks, and nothing else follows. Only eviction, the operator's setting, gives up what a node runs. (The third
/// is the probe through the tunnel, which steers new connections; it is each node's own.)
package struct NodeWatch: Hashable, Sendable {
    package struct Decision: Hashable, Sendable {
        /// The nodes whose state changes.
        package var changed: [Swarm.Node] = []
        /// The nodes whose tasks are to run elsewhere.
        package var evicted: Set<Swarm.ID> = []
        /// When to look again at the latest.
        package var next: Timestamp?
    }

    package static let missedPeriods: Int64 = 3

    /// How often a node has to say that it lives.
    package var period: Nanoseconds
    /// How long a node may be silent before what it runs is replaced; `nil`: for ever.
    package var evictionAfter: Nanoseconds?

    package init(period: Nanoseconds, evictionAfter: Nanoseconds?) {
        self.period = period
        self.evictionAfter = evictionAfter
    }

    /// The manager's own node is always ready: whoever asks, it answers.
    package func reconcile(_ nodes: [Swarm.Node], seen: NodesSeen, at now: Timestamp) -> Decision {
        var decision = Decision()
        for node in nodes where node.spec.role == .worker && node.hasLeft != true {
            let sighting = seen.sightings[node.id]
            // One that was not heard since the manager began gets its whole time from then on.
            let lastHeard = max(sighting?.lastHeard ?? node.meta.createdAt, seen.since)
            let down = lastHeard.advanced(by: Nanoseconds(period.rawValue * Self.missedPeriods))
            let eviction = evictionAfter.map { lastHeard.advanced(by: $0) }
            let isEvicted = eviction.map { $0 <= now } ?? false
            if isEvicted { decision.evicted.insert(node.id) }
            decision.look(at: [down, eviction].compactMap(\.self).filter { $0 > now }.min())
            let isSilent = down <= now || isEvicted
            var after = node
            if isSilent {
                (after.state, after.message) = (.down, "heartbeat failure")
            } else if sighting?.isConnected == true {
                (after.state, after.message) = (.ready, "")
            }
            if after.state != node.state { decision.changed.append(after) }
        }
        return decision
    }
}

extension NodeWatch.Decision {
    fileprivate mutating func look(at moment: Timestamp?) {
        guard let moment else { return }
        next = min(next ?? moment, moment)
    }
}
