import CausewayModel
import CausewayStore

/// Makes a node's assignment from the store.
///
/// What a service is to the nodes is kept until something of the service is changed: so the next assignment shares it
/// with the last one, and whoever compares the two finds what is new at a glance.
package struct AssignmentMaker: Sendable {
    private struct Known {
        var endpoint: ServiceEndpoint
        /// The store's revision that had last touched the service.
        var touched: UInt64
    }

    private var known: [Swarm.ID: Known] = [:]

    package init() {}

    /// All that the node has to make true; `nil` when it is not in the swarm.
    ///
    /// Every task of the node that the store knows is in it, ended ones included: the node keeps their containers
    /// for their logs. Services that are being removed are not: nothing new may reach them.
    package mutating func assignment(for id: Swarm.ID, _ view: StoreSnapshot) -> NodeAssignment? {
        guard let node = view.nodes[id], let cluster = view.cluster else { return nil }
        let tasks = view.tasks.all.filter { $0.nodeID == id && $0.status.state >= .assigned }
        let containers = view.containers.all.map(\.container).filter { $0.nodeID == id }.sorted { $0.id < $1.id }
        return NodeAssignment(
            revision: view.revision, nodeID: id, nodeNumber: node.number, hostname: node.description.hostname,
            uniqueLocalPrefix: cluster.uniqueLocalPrefix,
            networks: view.networks.all.sorted { $0.id < $1.id },
            tasks: tasks.sorted { $0.id < $1.id },
            services: (endpoints(view)
                + containers.compactMap { ContainerEndpoint.make($0, ingress: view.ingress?.id) })
                .sorted { $0.id < $1.id },
            containers: containers)
    }

    /// An assignment that asks for nothing: what a node hears when it leaves.
    package mutating func empty(for id: Swarm.ID, _ view: StoreSnapshot) -> NodeAssignment? {
        guard var assignment = assignment(for: id, view) else { return nil }
        assignment.networks = []
        assignment.tasks = []
        assignment.services = []
        assignment.containers = []
        return assignment
    }

    private mutating func endpoints(_ view: StoreSnapshot) -> [ServiceEndpoint] {
        var new: [Swarm.ID: Known] = [:]
        for service in view.services.all where !service.isPendingDelete {
            let touched = view.lastTouched(service.id)
            var entry = known[service.id] ?? Known(endpoint: Self.endpoint(service, view), touched: touched)
            if entry.touched != touched {
                let endpoint = Self.endpoint(service, view)
                if endpoint != entry.endpoint { entry.endpoint = endpoint }
                entry.touched = touched
            }
            new[service.id] = entry
        }
        known = new
        return new.values.map(\.endpoint)
    }

    private static func endpoint(_ service: Swarm.Service, _ view: StoreSnapshot) -> ServiceEndpoint {
        var aliases: [Swarm.ID: [String]] = [:]
        for attachment in service.spec.attachments {
            if let names = attachment.aliases, !names.isEmpty { aliases[attachment.target, default: []] += names }
        }
        return ServiceEndpoint(
            id: service.id, name: service.spec.name, mode: service.endpoint.mode,
            virtualIPs: service.endpoint.virtualIPs, ports: service.endpoint.ports, aliases: aliases,
            scopes: PublishLabel.scopes(service.spec.labels, of: service.endpoint.ports),
            backends: view.tasks(of: service.id).compactMap(backend).sorted { $0.taskID < $1.taskID })
    }

    /// A task is a backend while it is seen running; it takes new connections only as long as it is wanted.
    private static func backend(_ task: Swarm.Task) -> ServiceEndpoint.Backend? {
        guard task.status.state == .running, let node = task.nodeID else { return nil }
        return ServiceEndpoint.Backend(
            taskID: task.id, taskName: task.name, slot: task.slot, nodeID: node, networks: task.networks,
            isActive: task.desiredState <= .running)
    }
}
