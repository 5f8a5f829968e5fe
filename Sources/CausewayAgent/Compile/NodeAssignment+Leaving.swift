import CausewayModel

extension NodeAssignment {
    /// The same, but that the last tasks on a network that their service leaves still take connections, if they did before.
    ///
    /// For the step in which names turn to another network, so that nothing is asked where nobody is; `nil` where there are no
    /// such tasks.
    func withLastTasks(of old: NodeAssignment) -> NodeAssignment? {
        var last: [Swarm.ID: Set<Swarm.ID>] = [:]
        for case (let before?, let service?) in PiecewiseCompiler.changes(old.services, services) {
            for network in left(by: service) {
                func takes(_ backend: ServiceEndpoint.Backend) -> Bool {
                    backend.isActive && backend.networks.contains { $0.networkID == network }
                }
                guard !service.backends.contains(where: takes) else { continue }
                last[service.id, default: []].formUnion(before.backends.filter(takes).map(\.taskID))
            }
        }
        guard !last.isEmpty else { return nil }
        var result = self
        var isOther = false
        for (index, service) in services.enumerated() where last[service.id] != nil {
            for at in service.backends.indices where last[service.id]?.contains(service.backends[at].taskID) == true {
                result.services[index].backends[at].isActive = true
                isOther = true
            }
        }
        return isOther ? result : nil
    }

    /// A service is attached to no published-port mesh, and leaves none.
    private func left(by service: ServiceEndpoint) -> [Swarm.ID] {
        service.virtualIPs.map(\.networkID).filter { id in
            service.aliases[id] == nil && networks.first { $0.id == id }?.spec.isIngress == false
        }
    }
}
