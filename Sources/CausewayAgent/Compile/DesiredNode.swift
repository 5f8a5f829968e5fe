import CausewayKernel
import CausewayModel

/// All that an assignment asks of one node, ready to be compared with what is there.
package struct DesiredNode: Hashable, Sendable {
    /// The host's own namespace.
    package var host: KernelState
    /// By namespace name, as `ip netns` lists it.
    package var namespaces: [String: KernelState]
    /// What each task can resolve, by task identifier.
    package var names: [Swarm.ID: NameTable]
    /// The namespace of each task that has one.
    package var namespaceOfTask: [Swarm.ID: String]
    /// The namespaces of no task that a task's namespace depends on; no entry: none.
    package var supports: [String: Set<String>] = [:]
    /// Ports that are ours while the assignment stands; a socket holds each, so that nobody else takes it.
    package var publishedPorts: Set<PublishedPort>

    package init(
        host: KernelState = KernelState(), namespaces: [String: KernelState] = [:],
        names: [Swarm.ID: NameTable] = [:], namespaceOfTask: [Swarm.ID: String] = [:],
        publishedPorts: Set<PublishedPort> = []
    ) {
        self.host = host
        self.namespaces = namespaces
        self.names = names
        self.namespaceOfTask = namespaceOfTask
        self.publishedPorts = publishedPorts
    }
}

/// A port of the node that leads to a service.
package struct PublishedPort: Hashable, Comparable, Sendable {
    package var `protocol`: Swarm.TransportProtocol
    package var port: UInt16
    package var service: String
    /// The addresses and links that it is bound to, and who may connect.
    package var scope: PortScope

    package init(
        protocol: Swarm.TransportProtocol, port: UInt16, service: String, scope: PortScope = PortScope()
    ) {
        self.protocol = `protocol`
        self.port = port
        self.service = service
        self.scope = scope
    }

    package static func < (a: Self, b: Self) -> Bool {
        (a.protocol, a.port, a.service) < (b.protocol, b.port, b.service)
    }
}
