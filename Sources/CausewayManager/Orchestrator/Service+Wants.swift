import CausewayModel
import CausewayStore

extension Swarm.Service {
    var wantedMode: Swarm.EndpointSpec.Mode { spec.endpointSpec?.mode ?? .vip }

    /// The networks on which the service has a virtual IP: all that it is attached to, in mode `vip`; and a classic
    /// ingress network, where the balancer of its published ports is known by it.
    func networksWithVirtualIP(ingress: Swarm.Network?) -> [Swarm.ID] {
        guard wantedMode == .vip else { return [] }
        let isPublished = (spec.endpointSpec?.ports ?? []).contains { $0.publishMode == .ingress }
        let own = ingress.map { $0.spec.isClassic && isPublished ? [$0.id] : [] } ?? []
        return own + spec.attachments.map(\.target)
    }

    /// Whether its tasks need an address on `ingress`: to be published, or, on no network at all, to get out.
    ///
    /// A task on internal networks only gets none: there it would have the way out that it must not have.
    var needsIngress: Bool { !(spec.endpointSpec?.ports ?? []).isEmpty || spec.attachments.isEmpty }

    /// Why its endpoint is not complete; `nil` when it is.
    func endpointShortage(ingress: Swarm.Network?) -> String? {
        let isComplete =
            Set(networksWithVirtualIP(ingress: ingress)).isSubset(of: endpoint.virtualIPs.map(\.networkID))
            && endpoint.ports.count == (spec.endpointSpec?.ports ?? []).count
        return isComplete ? nil : allocationError ?? "the service has no addresses yet"
    }

    /// What its tasks are made from: the template, with the networks wherever the client wrote them.
    var template: Swarm.TaskSpec {
        var template = spec.taskTemplate
        if !spec.attachments.isEmpty { template.networks = spec.attachments }
        return template
    }

    var restartDelay: Nanoseconds { spec.taskTemplate.restartPolicy?.delay ?? .seconds(5) }
}

extension StoreSnapshot {
    /// The network of the published-port mesh.
    var ingress: Swarm.Network? { networks.all.first(where: \.spec.isIngress) }
}
