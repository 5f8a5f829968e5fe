import CausewayModel

/// All that a keeper holds for a node: resolvers of tasks, and published ports.
package struct Kept: Hashable, Sendable {
    /// One task's resolver: where its sockets are, and what it answers from.
    package struct Resolver: Hashable, Sendable {
        package var namespacePath: String
        package var table: NameTable

        package init(namespacePath: String, table: NameTable) {
            self.namespacePath = namespacePath
            self.table = table
        }
    }

    /// A published port: kept from others, and relayed from the loopback addresses.
    package struct Port: Hashable, Codable, Sendable, Comparable {
        package var port: TransportPort
        package var scope: PortScope

        package init(_ port: TransportPort, scope: PortScope = PortScope()) {
            self.port = port
            self.scope = scope
        }

        package static func < (a: Self, b: Self) -> Bool {
            (a.port, "\(a.scope)") < (b.port, "\(b.scope)")
        }
    }

    package var resolvers: [Swarm.ID: Resolver]
    package var ports: Set<Port>

    package init(resolvers: [Swarm.ID: Resolver] = [:], ports: Set<Port> = []) {
        self.resolvers = resolvers
        self.ports = ports
    }

    package var isEmpty: Bool { resolvers.isEmpty && ports.isEmpty }
}

/// What a keeper could not have; the rest it has.
package struct KeeperRefusals: Hashable, Codable, Sendable {
    package struct Port: Hashable, Codable, Sendable {
        package var port: Kept.Port
        /// EADDRINUSE when somebody else has it.
        package var errno: Int32
        package var reason: String
    }

    package struct Resolver: Hashable, Codable, Sendable {
        package var task: Swarm.ID
        package var reason: String
    }

    package var ports: [Port] = []
    package var resolvers: [Resolver] = []

    package var isEmpty: Bool { ports.isEmpty && resolvers.isEmpty }
}
