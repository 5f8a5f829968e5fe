import CausewayMetrics
import CausewayModel
import CausewayStore

/// What the store says, in numbers.
enum SwarmMetrics {
    static func add(_ snapshot: StoreSnapshot, to page: inout Exposition) {
        page.gauge("causeway_swarm_active", "Whether this node is in a swarm.", snapshot.cluster == nil ? 0 : 1)
        guard snapshot.cluster != nil else { return }
        page.gauge("causeway_services", "Services.", snapshot.services.count)
        page.gauge("causeway_networks", "Networks.", snapshot.networks.count)
        page.gauge("causeway_containers", "Containers of users on networks of ours.", snapshot.containers.count)

        var tasks: [Exposition.Labels: Int] = [:]
        var ready: [String: Int] = [:]
        for service in snapshot.services.all { ready[service.spec.name] = 0 }
        for task in snapshot.tasks.all {
            tasks[["service": task.serviceName, "state": task.status.state.description], default: 0] += 1
            if task.status.state == .running, task.desiredState <= .running {
                ready[task.serviceName, default: 0] += 1
            }
        }
        page.gauge("causeway_tasks", "Tasks that the store knows, by service and state.", tasks.map { .init($0, $1) })
        page.gauge(
            "causeway_backends", "Tasks that new connections of a service may go to.",
            ready.map { .init(["service": $0], $1) })
        page.gauge(
            "causeway_replicas_wanted", "Replicas that a service asks for.",
            snapshot.services.all.compactMap { service in
                guard case .replicated(let count) = service.spec.mode else { return nil }
                return .init(["service": service.spec.name], count)
            })
    }

    /// Whose an address is; one that was given anew belongs to the task that runs.
    static func backends(_ snapshot: StoreSnapshot) -> [IPAddress: ConnectionTotals.Backend] {
        var backends: [IPAddress: ConnectionTotals.Backend] = [:]
        for task in snapshot.tasks.sorted.sorted(by: { !isRunning($0) && isRunning($1) }) {
            let name = task.shownSlot == 0 ? task.serviceName : "\(task.serviceName).\(task.shownSlot)"
            for attachment in task.networks {
                for address in attachment.addresses {
                    backends[address.address] = .init(service: task.serviceName, name: name)
                }
            }
        }
        return backends
    }

    private static func isRunning(_ task: Swarm.Task) -> Bool { task.status.state == .running }
}
