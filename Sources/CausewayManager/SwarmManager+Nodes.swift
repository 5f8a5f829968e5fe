import CausewayModel
import CausewayStore

extension SwarmManager {
    /// A node that says nothing of itself shows which peers it cannot reach.
    package func nodes() async throws(SwarmError) -> [Swarm.Node] {
        let view = try view()
        let observations = observations()
        return view.nodes.sorted.map { before in
            var node = before
            if node.message.isEmpty {
                node.message = PeerWords.summary(observations[node.id] ?? []) { view.nodes[$0]?.description.hostname }
            }
            return node
        }
    }

    package func updateNode(
        _ id: Swarm.ID, _ spec: Swarm.Node.Spec, version: Swarm.Version
    ) async throws(SwarmError) {
        try await write { transaction throws(SwarmError) in
            guard var node = transaction.view.nodes[id] else { throw Refusal.notFound("node", id) }
            guard node.meta.version == version else { throw .outOfSequence }
            guard spec.role == .worker || node.spec.role == .manager else {
                throw Refusal.unsupported("promoting a node", "a cluster has one manager for now")
            }
            guard spec.role == node.spec.role else {
                throw Refusal.precondition("attempting to demote the last manager of the swarm")
            }
            node.spec = spec
            try transaction.update(node)
        }
    }

    package func removeNode(_ id: Swarm.ID, force: Bool) async throws(SwarmError) {
        guard let node = try view().nodes[id] else { throw Refusal.notFound("node", id) }
        guard node.spec.role != .manager else {
            throw Refusal.precondition(
                "node \(id) is a cluster manager and is a member of the raft cluster. It must be demoted to worker "
                    + "before removal")
        }
        guard force || node.state == .down else {
            throw Refusal.precondition("node \(id) is not down and can't be removed")
        }
        try await write { transaction throws(SwarmError) in
            guard transaction.view.nodes[id] != nil else { throw Refusal.notFound("node", id) }
            transaction.remove(Swarm.Node.self, id)
            try Self.giveUp(id, &transaction)
        }
        // Its certificate is good for nothing from now on.
        sessions.forget(id)
        published[id] = nil
    }
}

/// What a node says of its peers, in few words.
enum PeerWords {
    static func summary(_ peers: [PeerObservation], name: (Swarm.ID) -> String?) -> String {
        peers.filter { !$0.isReachable || !$0.note.isEmpty }.map { peer in
            let name = name(peer.nodeID) ?? peer.nodeID
            let words = peer.isReachable ? "\(name)" : "cannot reach \(name) through the tunnel"
            return peer.note.isEmpty ? words : "\(words): \(peer.note)"
        }
        .sorted().joined(separator: "; ")
    }
}
