import CausewayKernel
import CausewayModel

/// One published port of one service, with the addresses behind it.
struct PublishedService: Hashable, Sendable {
    var name: String
    var `protocol`: Swarm.TransportProtocol
    /// On the node.
    var port: UInt16
    /// In the task.
    var targetPort: UInt16
    /// Of the tasks that take new connections, by family, sorted by task.
    var backends: [IPFamily: [IPAddress]]
    /// Of all tasks that may still have connections through this port.
    var targets: [IPFamily: [IPAddress]]
    /// Where the port is offered, and to whom.
    var scope = PortScope()

    /// The published ports of a service that a node answers on, sorted by protocol and port.
    ///
    /// They lead to tasks' addresses on the `ingress` networks.
    static func all(of service: ServiceEndpoint, ingress: Set<Swarm.ID>, node: Swarm.ID) -> [PublishedService] {
        service.ports.compactMap { publish(service, $0, ingress: ingress, node: node) }
            .sorted { ($0.protocol, $0.port) < ($1.protocol, $1.port) }
    }

    /// `nil` for a port that was not given yet, and for a host-mode port without a task on this node.
    private static func publish(
        _ service: ServiceEndpoint, _ port: Swarm.PortConfig, ingress: Set<Swarm.ID>, node: Swarm.ID
    ) -> PublishedService? {
        guard let published = port.publishedPort, published > 0 else { return nil }
        let isLocalOnly = port.publishMode == .host
        let reachable = service.backends.filter { !isLocalOnly || $0.nodeID == node }
        guard !isLocalOnly || !reachable.isEmpty else { return nil }

        func addresses(_ backends: [ServiceEndpoint.Backend]) -> [IPFamily: [IPAddress]] {
            let all = backends.flatMap { backend in
                backend.networks.filter { ingress.contains($0.networkID) }.flatMap { $0.addresses.map(\.address) }
            }
            return Dictionary(grouping: all, by: \.family)
        }
        return PublishedService(
            name: service.name, protocol: port.protocol, port: published, targetPort: port.targetPort,
            backends: addresses(reachable.filter(\.isActive)), targets: addresses(reachable),
            scope: service.scopes[TransportPort(port.protocol, published)] ?? PortScope())
    }
}

/// A service's slots: a fixed number of places, each holding one backend, so that one look-up chooses.
package enum Slots {
    /// Up to this many backends, 64 slots share evenly enough: to within 1/64.
    package static let smallLimit = 32
    package static let small: UInt32 = 64
    package static let large: UInt32 = 256

    /// How many slots a service with so many backends has.
    package static func count(backends: Int) -> UInt32 { backends <= smallLimit ? small : large }

    /// The backend of each slot, dealt in turn; empty when there is no backend.
    package static func deal<T>(_ backends: [T]) -> [(slot: UInt32, backend: T)] {
        guard !backends.isEmpty else { return [] }
        return (0..<count(backends: backends.count)).map { ($0, backends[Int($0) % backends.count]) }
    }
}
