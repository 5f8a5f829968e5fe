import CausewayModel

/// Lets a task be stopped once no node sends it new connections any more.
///
/// A task that is to stop first leaves the maps of every node; each says which revision it has applied. The task's own
/// node is not waited for: its agent changes the maps before it lets go of the task.
package struct DrainGate: Hashable, Sendable {
    package struct Decision: Hashable, Sendable {
        /// The tasks whose nodes may be told.
        package var released: [Swarm.ID] = []
        /// The nodes that have not said that they avoid a task when its time was over, by task.
        package var lagging: [Swarm.ID: [Swarm.ID]] = [:]
        /// When to look again at the latest.
        package var next: Timestamp?
    }

    /// How long the nodes may take.
    package var patience: Nanoseconds

    package init(patience: Nanoseconds) { self.patience = patience }

    /// Whether a task that is to stop has to leave others' maps first.
    ///
    /// Only one that was seen running is in any. `nodes` are those that would be waited for.
    package func holds(_ task: Swarm.Task, nodes: some Sequence<Swarm.ID>) -> Bool {
        task.status.state == .running && nodes.contains { $0 != task.nodeID }
    }

    /// Decides about all that are to stop; `applied` has the revision that each node has applied, of all nodes that are
    /// waited for.
    package func reconcile(
        _ departing: [Swarm.Task], applied: [Swarm.ID: UInt64], at now: Timestamp
    ) -> Decision {
        var decision = Decision()
        for task in departing {
            guard let departure = task.departure else { continue }
            let missing = applied.filter { $0.key != task.nodeID && $0.value < departure.revision }.keys.sorted()
            let deadline = departure.since.advanced(by: patience)
            if missing.isEmpty || task.status.state.isTerminal {
                decision.released.append(task.id)
            } else if deadline <= now {
                decision.released.append(task.id)
                decision.lagging[task.id] = missing
            } else {
                decision.next = min(decision.next ?? deadline, deadline)
            }
        }
        return decision
    }
}
