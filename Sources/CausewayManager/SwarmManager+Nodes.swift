import CausewayModel
import CausewayStore

extension SwarmManager {
    package func nodes() async throws(SwarmError) -> [Swarm.Node] { try view().nodes.sorted }

    package func updateNode(
        _ id: Swarm.ID, _ spec: Swarm.Node.Spec, version: Swarm.Version
    ) async throws(SwarmError) {
        try await write { transaction throws(SwarmError) in
            guard var node = transaction.view.nodes[id] else { throw Refusal.notFound("node", id) }
            guard node.meta.version == version else { throw .outOfSequence }
            guard spec.role == node.spec.role else {
                throw Refusal.precondition("attempting to demote the last manager of the swarm")
            }
            node.spec = spec
            try transaction.update(node)
        }
    }

    package func removeNode(_ id: Swarm.ID, force: Bool) async throws(SwarmError) {
        guard let node = try view().nodes[id] else { throw Refusal.notFound("node", id) }
        guard force || node.state == .down else {
            throw Refusal.precondition("node \(id) is not down and can't be removed")
        }
        guard node.spec.role != .manager else {
            throw Refusal.precondition(
                "node \(id) is a cluster manager and is a member of the raft cluster. It must be demoted to worker "
                    + "before removal")
        }
        try await write { $0.remove(Swarm.Node.self, id) }
    }
}
