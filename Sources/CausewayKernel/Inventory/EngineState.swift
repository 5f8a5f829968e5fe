import CausewayModel

/// What one host's Docker Engine says of itself, its networks and its swarm.
///
/// A worker's engine knows neither services, tasks nor nodes: these lists are then empty, and ``Network/services`` say
/// what gossip has told it.
package struct EngineState: Hashable, Codable, Sendable {
    /// `20.10.24`.
    package var version: String?
    /// This host in the swarm; `nil` outside of one.
    package var nodeID: String?
    /// The address by which the other nodes know it, which is that of the data path unless it was given another.
    package var nodeAddress: IPAddress?
    /// `active`, `inactive`, `pending`, `locked`, `error`.
    package var swarmState: String?
    package var isManager: Bool
    package var networks: [Network]
    package var services: [Service]
    package var tasks: [Task]
    package var nodes: [Node]

    package init(
        version: String? = nil, nodeID: String? = nil, nodeAddress: IPAddress? = nil, swarmState: String? = nil,
        isManager: Bool = false, networks: [Network] = [], services: [Service] = [], tasks: [Task] = [],
        nodes: [Node] = []
    ) {
        self.version = version
        self.nodeID = nodeID
        self.nodeAddress = nodeAddress
        self.swarmState = swarmState
        self.isManager = isManager
        self.networks = networks
        self.services = services
        self.tasks = tasks
        self.nodes = nodes
    }

    /// A port that a service publishes.
    package struct Port: Hashable, Codable, Sendable {
        package var `protocol`: Swarm.TransportProtocol
        package var target: UInt16
        /// 0 where the node has chosen one and the service does not say it.
        package var published: UInt16
        /// `ingress` or `host`.
        package var mode: String

        package init(protocol: Swarm.TransportProtocol, target: UInt16, published: UInt16, mode: String) {
            self.protocol = `protocol`
            self.target = target
            self.published = published
            self.mode = mode
        }
    }

    package struct Service: Hashable, Codable, Sendable {
        package var id: String
        package var name: String
        /// `replicated`, `global`, `replicated-job`, `global-job`.
        package var mode: String
        /// `vip` or `dnsrr`.
        package var endpointMode: String
        package var ports: [Port]
        package var virtualIPs: [Attachment]

        package init(
            id: String, name: String, mode: String, endpointMode: String, ports: [Port] = [],
            virtualIPs: [Attachment] = []
        ) {
            self.id = id
            self.name = name
            self.mode = mode
            self.endpointMode = endpointMode
            self.ports = ports
            self.virtualIPs = virtualIPs
        }
    }

    /// An address on a network.
    package struct Attachment: Hashable, Codable, Sendable {
        package var networkID: String
        package var address: CIDR

        package init(networkID: String, address: CIDR) {
            self.networkID = networkID
            self.address = address
        }
    }

    package struct Task: Hashable, Codable, Sendable {
        package var id: String
        package var serviceID: String
        /// `nil` in a global service.
        package var slot: UInt64?
        package var nodeID: String?
        /// `running`, `failed`, ….
        package var state: String
        package var desiredState: String
        package var containerID: String?
        package var attachments: [Attachment]

        package init(
            id: String, serviceID: String, slot: UInt64? = nil, nodeID: String? = nil, state: String,
            desiredState: String, containerID: String? = nil, attachments: [Attachment] = []
        ) {
            self.id = id
            self.serviceID = serviceID
            self.slot = slot
            self.nodeID = nodeID
            self.state = state
            self.desiredState = desiredState
            self.containerID = containerID
            self.attachments = attachments
        }
    }

    package struct Node: Hashable, Codable, Sendable {
        package var id: String
        package var hostname: String
        /// `manager` or `worker`.
        package var role: String
        /// `active`, `pause`, `drain`.
        package var availability: String
        /// `ready`, `down`, ….
        package var state: String
        package var address: IPAddress?

        package init(
            id: String, hostname: String, role: String, availability: String, state: String,
            address: IPAddress? = nil
        ) {
            self.id = id
            self.hostname = hostname
            self.role = role
            self.availability = availability
            self.state = state
            self.address = address
        }
    }
}
