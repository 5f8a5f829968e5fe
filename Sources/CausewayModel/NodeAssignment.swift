/// All that one node has to make true: its tasks, and what their packets may meet.
///
/// Always the whole of it. What is not in an assignment is to be removed; so a node touches nothing before it has
/// heard its first one.
package struct NodeAssignment: Hashable, Codable, Sendable {
    /// The store's revision that this was made from.
    ///
    /// A node reports the one that it has applied.
    package var revision: UInt64
    package var nodeID: Swarm.ID
    /// The node's number in the cluster, 1 to 4095.
    package var nodeNumber: Int
    package var hostname: String
    /// The cluster's /48 of RFC 4193; its first /64 is kept for the node's own use.
    package var uniqueLocalPrefix: CIDR
    package var networks: [Swarm.Network]
    /// The tasks of this node that are not yet gone, with their whole specification.
    package var tasks: [Swarm.Task]
    /// Every service that can be reached from this node: through a published port, or on a network of its tasks.
    package var services: [ServiceEndpoint]
    /// The containers of this node that users made on networks of ours; sorted by identifier.
    package var containers: [AttachedContainer]
    /// The tunnel between nodes, and this node's own end of it; absent where there is nobody else.
    package var tunnel: Tunnel?
    /// Where this node's own tunnel packets come from.
    package var dataAddress: IPAddress?
    /// The other nodes of the cluster; sorted by number.
    package var peers: [Peer]
    /// Every task and container of the cluster that has addresses, this node's own among them; sorted by identifier.
    package var places: [PlacedAddresses]
    /// The secrets and configs that tasks of this node use, and no others; sorted by identifier.
    ///
    /// Absent: none.
    package var dependencies: [Swarm.AssignedDependency]?
    /// The addresses that every node's balancers have on classic networks, this node's own among them; sorted by
    /// identifier.
    ///
    /// Absent: none.
    package var balancers: [BalancerAddress]?

    package init(
        revision: UInt64, nodeID: Swarm.ID, nodeNumber: Int, hostname: String, uniqueLocalPrefix: CIDR,
        networks: [Swarm.Network] = [], tasks: [Swarm.Task] = [], services: [ServiceEndpoint] = [],
        containers: [AttachedContainer] = [], tunnel: Tunnel? = nil, dataAddress: IPAddress? = nil,
        peers: [Peer] = [], places: [PlacedAddresses] = [], dependencies: [Swarm.AssignedDependency]? = nil,
        balancers: [BalancerAddress]? = nil
    ) {
        self.revision = revision
        self.nodeID = nodeID
        self.nodeNumber = nodeNumber
        self.hostname = hostname
        self.uniqueLocalPrefix = uniqueLocalPrefix
        self.networks = networks
        self.tasks = tasks
        self.services = services
        self.containers = containers
        self.tunnel = tunnel
        self.dataAddress = dataAddress
        self.peers = peers
        self.places = places
        self.dependencies = dependencies
        self.balancers = balancers
    }
}

/// A service as the data path and the resolver see it.
///
/// Copies share what they hold, so that comparing ten thousand that have not changed costs a glance at each.
@dynamicMemberLookup
package struct ServiceEndpoint: Sendable, Identifiable {
    package struct Content: Hashable, Codable, Sendable {
        package var id: Swarm.ID
        package var name: String
        package var mode: Swarm.EndpointSpec.Mode
        package var virtualIPs: [Swarm.Endpoint.VirtualIP]
        package var ports: [Swarm.PortConfig]
        /// Names that stand for the service on a network, beside its own, by network identifier.
        ///
        /// Has an entry, empty if need be, for each network that the service is attached to, and none for one that only
        /// tasks of it are still on.
        package var aliases: [Swarm.ID: [String]]
        /// Where its published ports are offered; a port without an entry is offered everywhere, to everybody.
        package var scopes: [TransportPort: PortScope]
        /// Sorted by task identifier.
        package var backends: [Backend]
    }

    private final class Shared: Sendable {
        let content: Content
        init(_ content: Content) { self.content = content }
    }

    private var shared: Shared

    package init(
        id: Swarm.ID, name: String, mode: Swarm.EndpointSpec.Mode, virtualIPs: [Swarm.Endpoint.VirtualIP] = [],
        ports: [Swarm.PortConfig] = [], aliases: [Swarm.ID: [String]] = [:],
        scopes: [TransportPort: PortScope] = [:], backends: [Backend] = []
    ) {
        shared = Shared(
            Content(
                id: id, name: name, mode: mode, virtualIPs: virtualIPs, ports: ports, aliases: aliases, scopes: scopes,
                backends: backends))
    }

    package var id: Swarm.ID { shared.content.id }

    package subscript<T>(dynamicMember member: WritableKeyPath<Content, T>) -> T {
        get { shared.content[keyPath: member] }
        set {
            var content = shared.content
            content[keyPath: member] = newValue
            shared = Shared(content)
        }
    }

    /// A task that the service's traffic may go to.
    package struct Backend: Hashable, Codable, Sendable {
        package var taskID: Swarm.ID
        /// `web.1.TASKID`.
        package var taskName: String
        package var slot: Int
        package var nodeID: Swarm.ID
        package var networks: [Swarm.NetworkAttachment]
        /// Whether it takes new connections.
        ///
        /// One that does not keeps those that it has.
        package var isActive: Bool
        /// Whether it would, if its node answered; then it keeps its own name.
        ///
        /// Each node's own finding, which no message carries.
        package var isAvoided = false

        private enum CodingKeys: CodingKey { case taskID, taskName, slot, nodeID, networks, isActive }

        package init(
            taskID: Swarm.ID, taskName: String, slot: Int, nodeID: Swarm.ID, networks: [Swarm.NetworkAttachment],
            isActive: Bool
        ) {
            self.taskID = taskID
            self.taskName = taskName
            self.slot = slot
            self.nodeID = nodeID
            self.networks = networks
            self.isActive = isActive
        }
    }
}

extension ServiceEndpoint: Hashable {
    package static func == (a: Self, b: Self) -> Bool { a.shared === b.shared || a.shared.content == b.shared.content }

    package func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

extension ServiceEndpoint: Codable {
    package init(from decoder: any Decoder) throws { shared = Shared(try Content(from: decoder)) }

    package func encode(to encoder: any Encoder) throws { try shared.content.encode(to: encoder) }
}

/// What a node says of one of its tasks.
package struct TaskReport: Hashable, Codable, Sendable {
    package var taskID: Swarm.ID
    package var status: Swarm.Task.Status

    package init(taskID: Swarm.ID, status: Swarm.Task.Status) {
        self.taskID = taskID
        self.status = status
    }
}

/// Where an agent's assignment comes from, and where its reports go: in this process, or over a session.
package protocol AssignmentSource: Sendable {
    /// The node's assignments, newest only: a slow reader misses those between, never the last.
    func assignments() async -> AsyncStream<NodeAssignment>

    /// Takes reports in order. Task states only rise: an older state is ignored.
    func report(_ reports: [TaskReport]) async throws

    /// The assignment's revision that the node's kernel now agrees with.
    func applied(revision: UInt64) async throws

    /// How the node reaches its peers; the whole, each time that something of it changes.
    ///
    /// Said once for each change: a source whose other end was away tells it the newest when it is back.
    func observed(_ peers: [PeerObservation]) async throws
}
