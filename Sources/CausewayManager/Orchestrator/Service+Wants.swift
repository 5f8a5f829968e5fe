import CausewayModel
import CausewayStore

extension Swarm.Service {
    var wantedMode: Swarm.EndpointSpec.Mode { spec.endpointSpec?.mode ?? .vip }

    /// The user networks on which the service has a virtual IP: all that it is attached to, in mode `vip`.
    var networksWithVirtualIP: Set<Swarm.ID> {
        wantedMode == .vip ? Set(spec.attachments.map(\.target)) : []
    }

    /// Whether its tasks need an address on `ingress`: to be published, or, on no network at all, to get out.
    ///
    /// A task on internal networks only gets none: there it would have the way out that it must not have.
    var needsIngress: Bool { !(spec.endpointSpec?.ports ?? []).isEmpty || spec.attachments.isEmpty }

    /// Why its endpoint is not complete; `nil` when it is.
    var endpointShortage: String? {
        let isComplete =
            networksWithVirtualIP.isSubset(of: endpoint.virtualIPs.map(\.networkID))
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
