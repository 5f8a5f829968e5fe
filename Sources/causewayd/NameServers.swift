import CausewayAgent
import CausewayDNS
import CausewayLinux
import CausewayModel

/// The resolvers of this node's tasks: one pair of sockets each, opened once in the task's namespace.
struct NameServers: NameServing {
    let service: DNSService

    func serve(_ task: Swarm.ID, namespacePath: String, table: NameTable) async throws {
        if service.update(task, table) { return }
        let sockets = try await NetworkNamespace(path: namespacePath).perform { try DNSSockets.open() }
        try await service.serve(task, udp: sockets.udp, tcp: sockets.tcp, table: table)
    }

    func stop(_ task: Swarm.ID) async { await service.stop(task) }
}
