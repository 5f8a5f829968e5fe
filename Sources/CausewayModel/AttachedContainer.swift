/// A container that a user made (`docker run`, `docker create`, compose) on networks of ours.
///
/// It is nobody's task: Docker Engine starts, stops and restarts it. Its network is ours: the namespace, the addresses,
/// the names and the published ports, from the moment it is created until it is removed.
package struct AttachedContainer: Hashable, Codable, Sendable, Identifiable {
    /// A network that the container is on.
    package struct Attachment: Hashable, Codable, Sendable {
        package var networkID: Swarm.ID
        /// With the prefix length of the network's subnet, at most one of each family.
        package var addresses: [CIDR]
        /// What it is called on this network, beside its name and the first 12 digits of its identifier.
        package var aliases: [String]
        /// Addresses that the user asked for (`--ip`, `--ip6`); empty: any.
        package var requested: [IPAddress]

        package init(
            networkID: Swarm.ID, addresses: [CIDR] = [], aliases: [String] = [], requested: [IPAddress] = []
        ) {
            self.networkID = networkID
            self.addresses = addresses
            self.aliases = aliases
            self.requested = requested
        }
    }

    /// A port of the host that leads to the container (`-p`).
    package struct Port: Hashable, Codable, Sendable {
        package var `protocol`: Swarm.TransportProtocol
        /// In the container.
        package var targetPort: UInt16
        /// On the host; 0 asks for a free one.
        package var publishedPort: UInt16
        /// The host's address that it is bound to; `nil`: every one.
        package var address: IPAddress?

        package init(
            protocol: Swarm.TransportProtocol, targetPort: UInt16, publishedPort: UInt16 = 0, address: IPAddress? = nil
        ) {
            self.protocol = `protocol`
            self.targetPort = targetPort
            self.publishedPort = publishedPort
            self.address = address
        }
    }

    /// Ours, drawn before Docker Engine is asked: the engine's identifier is not known before its networks are.
    package var id: Swarm.ID
    package var createdAt: Timestamp
    package var nodeID: Swarm.ID
    /// Docker Engine's identifier (64 hexadecimal digits), once the container is made.
    package var containerID: String?
    /// Without the slash.
    package var name: String
    /// The name that it was made with: its namespace is called by it for good.
    package var firstName: String
    /// Whether Docker Engine runs it, as far as is known: only then its names resolve and its ports are open.
    package var isRunning: Bool
    /// Those that the user put it on; the way that its published ports take is not among them.
    package var networks: [Attachment]
    /// Its addresses on the ingress network, where its published ports lead to; empty when it publishes none.
    package var ingress: [CIDR]
    package var ports: [Port]
    /// Name servers of its own (`--dns`); empty: those of the host.
    package var nameServers: [IPAddress]

    package init(
        id: Swarm.ID, createdAt: Timestamp, nodeID: Swarm.ID, containerID: String? = nil, name: String,
        networks: [Attachment] = [], ports: [Port] = [], nameServers: [IPAddress] = [], isRunning: Bool = false
    ) {
        self.id = id
        self.createdAt = createdAt
        self.nodeID = nodeID
        self.containerID = containerID
        self.name = name
        firstName = name
        self.isRunning = isRunning
        self.networks = networks
        ingress = []
        self.ports = ports
        self.nameServers = nameServers
    }
}

/// Where a node tells what it sees of the containers that users made on networks of ours.
package protocol ContainerReporting: Sendable {
    /// Docker Engine is about to run a container. Returns when the node's names and ports lead to it.
    ///
    /// False for a container that is on no network of ours. Refuses when a port of its is another one's by now, with
    /// Docker's words and the holder's name.
    func starting(containerID: String) async throws(SwarmError) -> Bool

    /// What Docker Engine has: `seen` has an entry for each of its containers, by the engine's identifier.
    ///
    /// Of `known`, the attachments that were there before the engine was asked, those that it does not have are given
    /// up, and so are those that never became containers.
    func report(_ seen: [String: SeenContainer], of known: Set<Swarm.ID>) async throws(SwarmError)
}

/// A container as Docker Engine lists it.
package struct SeenContainer: Hashable, Sendable {
    /// Without the slash.
    package var name: String
    package var isRunning: Bool
    /// The attachment that it was made for, by its label.
    package var attachment: Swarm.ID?

    /// The label of a container on networks of ours; its value is the attachment's identifier.
    package static let attachmentLabel = "com.causeway.attachment"

    package init(name: String, isRunning: Bool, attachment: Swarm.ID? = nil) {
        self.name = name
        self.isRunning = isRunning
        self.attachment = attachment
    }
}

/// What the Engine API asks of a manager for containers that users make on our networks.
///
/// Each call validates all before it writes anything. A network is named by its identifier.
package protocol ContainerControl: Sendable {
    func attachedContainers() async throws(SwarmError) -> [AttachedContainer]

    /// Gives a container that is about to be made its addresses and ports.
    ///
    /// The request's `id`, `createdAt`, `nodeID` and `ingress` are filled in here. Refuses a network that is not
    /// attachable, an address that is taken or outside the subnet, a port that a service or another program holds (by
    /// the holder's name), a name in use. A port of another container is no obstacle: as with Docker, it becomes one
    /// when both are to run.
    func attach(_ request: AttachedContainer) async throws(SwarmError) -> AttachedContainer

    /// Tells the engine's identifier of a container that was made. Returns when the node knows it.
    func bind(_ id: Swarm.ID, containerID: String) async throws(SwarmError)

    /// Puts a container on one more network, while it runs or not; returns when the node has done it.
    func connect(_ id: Swarm.ID, to attachment: AttachedContainer.Attachment) async throws(SwarmError)
        -> AttachedContainer

    /// Takes a container off a network; returns when the node has done it.
    func disconnect(_ id: Swarm.ID, from networkID: Swarm.ID) async throws(SwarmError)

    func rename(_ id: Swarm.ID, name: String) async throws(SwarmError)

    /// Gives back all that a container held. One that is not there is no error.
    func detach(_ id: Swarm.ID) async throws(SwarmError)
}
