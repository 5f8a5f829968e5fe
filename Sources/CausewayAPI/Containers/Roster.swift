import CausewayModel

/// The containers of this node that are on networks of ours, at one moment, by Docker Engine's identifier.
struct Roster: Sendable {
    /// Whose a container is.
    enum Member: Sendable {
        case user(AttachedContainer)
        case task(Swarm.Task)
    }

    /// A member's place on a network.
    struct Place: Sendable {
        var network: Swarm.Network
        var addresses: [CIDR]
        var aliases: [String]
        var requested: [IPAddress]

        func address(_ family: IPFamily) -> CIDR? { addresses.first { $0.family == family } }
    }

    private let members: [String: Member]
    private let networks: [Swarm.ID: Swarm.Network]

    init(attached: [AttachedContainer] = [], tasks: [Swarm.Task] = [], networks: [Swarm.Network] = []) {
        var members: [String: Member] = [:]
        for task in tasks { if let container = task.status.container { members[container.id] = .task(task) } }
        for container in attached { if let id = container.containerID { members[id] = .user(container) } }
        self.members = members
        self.networks = Dictionary(networks.map { ($0.id, $0) }) { first, _ in first }
    }

    var isEmpty: Bool { members.isEmpty }

    var containerIDs: [String] { members.keys.sorted() }

    subscript(_ containerID: String) -> Member? { members[containerID] }

    /// A user's container, by the engine's identifier.
    func attached(_ containerID: String) -> AttachedContainer? {
        if case .user(let container)? = members[containerID] { container } else { nil }
    }

    /// By name, the order in which Docker shows them.
    func places(_ member: Member) -> [Place] {
        let places: [Place] =
            switch member {
            case .user(let container):
                container.networks.compactMap { own in
                    networks[own.networkID].map {
                        Place(network: $0, addresses: own.addresses, aliases: own.aliases, requested: own.requested)
                    }
                }
            case .task(let task):
                task.networks.compactMap { own in
                    networks[own.networkID].map {
                        Place(network: $0, addresses: own.addresses, aliases: [], requested: [])
                    }
                }
            }
        return places.sorted { $0.network.spec.name < $1.network.spec.name }
    }
}

extension Roster.Member {
    var id: Swarm.ID {
        switch self {
        case .user(let container): container.id
        case .task(let task): task.id
        }
    }

    /// Ports of the host that lead to it alone.
    var ports: [AttachedContainer.Port] {
        switch self {
        case .user(let container): container.ports
        case .task(let task):
            task.ports.filter { $0.publishMode == .host }.map {
                AttachedContainer.Port(
                    protocol: $0.protocol, targetPort: $0.targetPort, publishedPort: $0.publishedPort ?? 0)
            }
        }
    }
}

extension Backends {
    /// Who is on networks of ours; nobody while there is no swarm.
    func roster() async throws(APIError) -> Roster {
        guard await control.isActive() else { return Roster() }
        let local = await control.localNodeID()
        return Roster(
            attached: try await asking { () async throws(SwarmError) in try await containers.attachedContainers() }
                .filter { $0.nodeID == local },
            tasks: try await tasks().filter { $0.nodeID == local }, networks: try await networks())
    }
}
