import CausewayModel
import CausewayStore

/// Tells which tasks a change of a service's specification replaces.
///
/// Replaced: tasks whose template differs, those whose node does not satisfy a changed placement, those whose ports
/// of mode `host` differ, and those that need an address on `ingress` now and have none. A change of ports of mode
/// `ingress` by itself replaces nothing: the data path takes it up, where Swarm makes every task anew.
package struct Dirtiness: Sendable {
    private let service: Swarm.Service
    private let template: Swarm.TaskSpec
    private let ingress: Swarm.ID?
    private let needsIngress: Bool
    private let nodes: StoreTable<Swarm.Node>

    package init(_ service: Swarm.Service, in view: StoreSnapshot) {
        self.service = service
        template = service.template
        ingress = view.ingress?.id
        needsIngress = service.needsIngress
        nodes = view.nodes
    }

    /// Whether the task has to be replaced.
    package func isDirty(_ task: Swarm.Task) -> Bool {
        if task.specVersion == service.specVersion { return false }
        if task.spec != template {
            var alike = task.spec
            alike.placement = template.placement
            guard alike == template, isStillPlaced(task) else { return true }
        }
        if Self.hostPorts(task.ports) != Self.hostPorts(service.endpoint.ports) { return true }
        guard !task.networks.isEmpty, needsIngress, let ingress else { return false }
        return !task.networks.contains { $0.networkID == ingress }
    }

    /// Whether the task is as the newest specification wants it, but does not say so yet.
    package func isToBeAdopted(_ task: Swarm.Task) -> Bool {
        task.desiredState <= .running && !isDirty(task)
            && (task.specVersion != service.specVersion || task.ports != service.endpoint.ports)
    }

    private func isStillPlaced(_ task: Swarm.Task) -> Bool {
        guard let node = task.nodeID.flatMap({ nodes[$0] }) else { return task.nodeID == nil }
        return Scheduler.suits(node, template.placement)
    }

    private static func hostPorts(_ ports: [Swarm.PortConfig]) -> Set<Swarm.PortConfig> {
        Set(ports.filter { $0.publishMode == .host })
    }
}
