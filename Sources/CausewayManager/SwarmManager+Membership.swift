import CausewayModel
import CausewayStore

/// A manager's half of how its node stands to a swarm; the other half, a worker's, is the node's.
extension SwarmManager: SwarmMembership {
    package func membership() async -> Membership {
        if store.isLocked { return Membership(state: .locked, error: SwarmError.locked.message) }
        let view = store.snapshot()
        guard let cluster = view.cluster, let local = view.localNode else { return Membership() }
        let managers = view.nodes.sorted.filter { $0.spec.role == .manager }
        return Membership(
            state: .active, isManager: true, nodeID: local.id, nodeAddress: local.address,
            managers: managers.map { .init(nodeID: $0.id, address: cluster.managerAddress($0.address)) })
    }

    package func unlock(_ key: Swarm.UnlockKey) async throws(SwarmError) {
        // What no node could say meanwhile is held against none.
        listeningSince = environment.now()
        try await store.unlock(key)
        await refreshNode()
        wake()
    }

    /// A manager is in a swarm by having begun it; to join one is a worker's way.
    package func join(_ request: SwarmJoin) async throws(SwarmError) {
        guard store.snapshot().cluster == nil else { throw Refusal.alreadyActive }
        throw Refusal.unsupported("joining a swarm from within a manager", "the node joins as a worker")
    }
}
