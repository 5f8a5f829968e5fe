import CausewayModel

extension NodeAssignment {
    /// The same, with no new connections to nodes that do not answer.
    ///
    /// A backend on such a node rests as long as each of its networks has another one that does not. So a service whose
    /// every backend is there keeps them all: a suspicion is no proof, and no name and no port goes away for it.
    package func avoiding(_ suspects: Set<Swarm.ID>) -> NodeAssignment {
        guard !suspects.isEmpty else { return self }
        var steered = self
        for (index, service) in services.enumerated() {
            // What stays as it is stays the very same value, which costs the compiler a glance.
            if let backends = Self.rest(service.backends, on: suspects) { steered.services[index].backends = backends }
        }
        return steered
    }

    /// `nil` when nothing changes.
    private static func rest(
        _ backends: [ServiceEndpoint.Backend], on suspects: Set<Swarm.ID>
    ) -> [ServiceEndpoint.Backend]? {
        let endangered = backends.indices.filter { backends[$0].isActive && suspects.contains(backends[$0].nodeID) }
        guard !endangered.isEmpty else { return nil }
        let safe = backends.filter { $0.isActive && !suspects.contains($0.nodeID) }
        let covered = Set(safe.flatMap(\.networks).filter { !$0.addresses.isEmpty }.map(\.networkID))
        let resting = endangered.filter { index in
            !safe.isEmpty && covered.isSuperset(of: backends[index].networks.map(\.networkID))
        }
        guard !resting.isEmpty else { return nil }
        var steered = backends
        for index in resting { (steered[index].isActive, steered[index].isAvoided) = (false, true) }
        return steered
    }
}
