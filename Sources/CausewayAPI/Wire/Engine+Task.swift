import CausewayModel

extension Engine {
    /// A task (`GET /tasks/{id}`).
    struct Task: Encodable {
        struct Ports: Encodable {
            var ports: [Swarm.PortConfig]?

            enum CodingKeys: String, CodingKey { case ports = "Ports" }
        }

        struct Container: Encodable {
            var id: String
            var pid: Int
            var exitCode: Int

            enum CodingKeys: String, CodingKey {
                case id = "ContainerID"
                case pid = "PID"
                case exitCode = "ExitCode"
            }
        }

        struct Status: Encodable {
            var timestamp: Timestamp
            var state: Swarm.Task.State
            var message: String
            var error: String?
            var container: Container?
            var ports: Ports

            enum CodingKeys: String, CodingKey {
                case timestamp = "Timestamp"
                case state = "State"
                case message = "Message"
                case error = "Err"
                case container = "ContainerStatus"
                case ports = "PortStatus"
            }
        }

        var id: String
        var version: Swarm.Version
        var createdAt: Timestamp
        var updatedAt: Timestamp
        let labels: [String: String] = [:]
        var spec: Swarm.TaskSpec
        var serviceID: String
        var slot: Int?
        var nodeID: String?
        var status: Status
        var desiredState: Swarm.Task.State
        var networks: [Attachment]?
        var genericResources: [Swarm.GenericResource]?
        var jobIteration: Swarm.Version?

        enum CodingKeys: String, CodingKey {
            case id = "ID"
            case version = "Version"
            case createdAt = "CreatedAt"
            case updatedAt = "UpdatedAt"
            case labels = "Labels"
            case spec = "Spec"
            case serviceID = "ServiceID"
            case slot = "Slot"
            case nodeID = "NodeID"
            case status = "Status"
            case desiredState = "DesiredState"
            case networks = "NetworksAttachments"
            case genericResources = "GenericResources"
            case jobIteration = "JobIteration"
        }

        /// `networks`: All networks, by identifier.
        init(_ task: Swarm.Task, networks: [Swarm.ID: Swarm.Network]) {
            id = task.id
            version = task.meta.version
            createdAt = task.meta.createdAt
            updatedAt = task.meta.updatedAt
            spec = task.spec
            // Docker says it of services alone.
            spec.runtime = nil
            serviceID = task.serviceID
            slot = task.shownSlot == 0 ? nil : task.shownSlot
            nodeID = task.nodeID
            status = Status(task)
            desiredState = task.shownDesiredState
            jobIteration = task.jobIteration
            genericResources = task.genericResources
            let attachments = task.networks.compactMap { attachment in
                networks[attachment.networkID].map { Attachment($0, attachment.addresses) }
            }
            self.networks = attachments.isEmpty ? nil : attachments
        }
    }
}

extension Engine.Task.Status {
    fileprivate init(_ task: Swarm.Task) {
        timestamp = task.status.timestamp
        state = task.status.state
        message = task.status.message
        error = task.status.error.flatMap { $0.isEmpty ? nil : $0 }
        container = task.status.container.map {
            Engine.Task.Container(id: $0.id, pid: $0.pid, exitCode: $0.exitCode)
        }
        let host = task.ports.filter { $0.publishMode == .host }
        ports = Engine.Task.Ports(ports: host.isEmpty || task.status.state != .running ? nil : host)
    }
}

extension Engine.Task {
    /// A network of a task, with the task's addresses on it.
    struct Attachment: Encodable {
        struct Driver: Encodable {
            let name = "overlay"
            var options: [String: String]?

            enum CodingKeys: String, CodingKey {
                case name = "Name"
                case options = "Options"
            }
        }

        struct IPAM: Encodable {
            struct Named: Encodable {
                let name = "default"

                enum CodingKeys: String, CodingKey { case name = "Name" }
            }

            let driver = Named()
            var configs: [Engine.Network.IPAM.Config]?

            enum CodingKeys: String, CodingKey {
                case driver = "Driver"
                case configs = "Configs"
            }
        }

        struct Spec: Encodable {
            var name: String
            var labels: [String: String]
            var driver: Driver
            var isIngress: Bool?
            var isInternal: Bool?
            var isAttachable: Bool?
            var ipam: IPAM
            let scope = "swarm"

            enum CodingKeys: String, CodingKey {
                case name = "Name"
                case labels = "Labels"
                case driver = "DriverConfiguration"
                case isIngress = "Ingress"
                case isInternal = "Internal"
                case isAttachable = "Attachable"
                case ipam = "IPAMOptions"
                case scope = "Scope"
            }
        }

        struct Network: Encodable {
            var id: String
            var version: Swarm.Version
            var createdAt: Timestamp
            var updatedAt: Timestamp
            var spec: Spec
            var driver: Driver
            var ipam: IPAM

            enum CodingKeys: String, CodingKey {
                case id = "ID"
                case version = "Version"
                case createdAt = "CreatedAt"
                case updatedAt = "UpdatedAt"
                case spec = "Spec"
                case driver = "DriverState"
                case ipam = "IPAMOptions"
            }
        }

        var network: Network
        var addresses: [CIDR]

        enum CodingKeys: String, CodingKey {
            case network = "Network"
            case addresses = "Addresses"
        }

        init(_ network: Swarm.Network, _ addresses: [CIDR]) {
            let options = network.spec.options.isEmpty ? nil : network.spec.options
            let spec = Spec(
                name: network.spec.name, labels: network.spec.labels, driver: Driver(options: options),
                isIngress: network.spec.isIngress ? true : nil, isInternal: network.spec.isInternal ? true : nil,
                isAttachable: network.spec.isAttachable ? true : nil, ipam: IPAM())
            self.network = Network(
                id: network.id, version: network.meta.version, createdAt: network.meta.createdAt,
                updatedAt: network.meta.updatedAt, spec: spec, driver: Driver(options: options),
                ipam: IPAM(configs: Engine.Network.IPAM(network).config))
            self.addresses = addresses
        }
    }
}
