import CausewayModel

extension Engine {
    /// One of our networks (`GET /networks/{id}`).
    struct Network: Encodable {
        struct IPAM: Encodable {
            struct Config: Encodable {
                var subnet: CIDR
                var range: CIDR?
                var gateway: IPAddress

                enum CodingKeys: String, CodingKey {
                    case subnet = "Subnet"
                    case range = "IPRange"
                    case gateway = "Gateway"
                }
            }

            let driver = "default"
            var config: [Config]

            enum CodingKeys: String, CodingKey {
                case driver = "Driver"
                case options = "Options"
                case config = "Config"
            }

            func encode(to encoder: any Encoder) throws {
                var values = encoder.container(keyedBy: CodingKeys.self)
                try values.encode(driver, forKey: .driver)
                try values.encodeNil(forKey: .options)
                try values.encode(config, forKey: .config)
            }

            init(_ network: Swarm.Network) {
                config = network.subnets.map { Config(subnet: $0.subnet, range: $0.range, gateway: $0.gateway) }
            }
        }

        struct From: Encodable {
            let network = ""

            enum CodingKeys: String, CodingKey { case network = "Network" }
        }

        /// A task's container on the network.
        struct Container: Encodable {
            var name: String
            var endpointID: String
            var macAddress: String
            var ipv4Address: String
            var ipv6Address: String

            enum CodingKeys: String, CodingKey {
                case name = "Name"
                case endpointID = "EndpointID"
                case macAddress = "MacAddress"
                case ipv4Address = "IPv4Address"
                case ipv6Address = "IPv6Address"
            }
        }

        /// A service on the network (`?verbose=true`).
        struct ServiceView: Encodable {
            struct TaskView: Encodable {
                var name: String
                var endpointID: String
                var endpointIP: String
                let info: [String: String] = [:]

                enum CodingKeys: String, CodingKey {
                    case name = "Name"
                    case endpointID = "EndpointID"
                    case endpointIP = "EndpointIP"
                    case info = "Info"
                }
            }

            var virtualIP: String
            var ports: [String]
            let localLBIndex = 0
            var tasks: [TaskView]

            enum CodingKeys: String, CodingKey {
                case virtualIP = "VIP"
                case ports = "Ports"
                case localLBIndex = "LocalLBIndex"
                case tasks = "Tasks"
            }
        }

        var name: String
        var id: String
        var created: Timestamp
        let scope = "swarm"
        let driver = "overlay"
        let enableIPv4 = true
        var enableIPv6: Bool
        var ipam: IPAM
        var isInternal: Bool
        var isAttachable: Bool
        var isIngress: Bool
        let configFrom = From()
        let isConfigOnly = false
        /// `null` when there is none, as in Docker.
        @NullWhenEmpty var containers: [String: Container]
        var options: [String: String]
        @NullWhenEmpty var labels: [String: String]
        var services: [String: ServiceView]?

        enum CodingKeys: String, CodingKey {
            case name = "Name"
            case id = "Id"
            case created = "Created"
            case scope = "Scope"
            case driver = "Driver"
            case enableIPv4 = "EnableIPv4"
            case enableIPv6 = "EnableIPv6"
            case ipam = "IPAM"
            case isInternal = "Internal"
            case isAttachable = "Attachable"
            case isIngress = "Ingress"
            case configFrom = "ConfigFrom"
            case isConfigOnly = "ConfigOnly"
            case containers = "Containers"
            case options = "Options"
            case labels = "Labels"
            case services = "Services"
        }

        init(_ network: Swarm.Network, tasks: [Swarm.Task] = []) {
            name = network.spec.name
            id = network.id
            created = network.meta.createdAt
            enableIPv6 = network.subnet(.ip6) != nil
            ipam = IPAM(network)
            isInternal = network.spec.isInternal
            isAttachable = network.spec.isAttachable
            isIngress = network.spec.isIngress
            options = network.spec.options
            labels = network.spec.labels
            _labels.isMade = network.spec.isIngress
            containers = [:]
            for task in tasks where task.status.state == .running {
                guard let attachment = task.networks.first(where: { $0.networkID == network.id }),
                    let container = task.status.container
                else { continue }
                containers[container.id] = Container(task, attachment)
            }
        }

        /// Adds the containers of users, of those that run.
        mutating func add(_ attached: [AttachedContainer]) {
            for user in attached {
                guard user.isRunning, let containerID = user.containerID,
                    let own = user.networks.first(where: { $0.networkID == id })
                else { continue }
                containers[containerID] = Container(
                    name: user.name, endpointID: Engine.Endpoint.identifier(of: user.id, on: id),
                    addresses: own.addresses)
            }
        }

        /// Adds what `?verbose=true` asks for.
        mutating func addServices(_ all: [Swarm.Service], tasks: [Swarm.Task]) {
            var views: [String: ServiceView] = [:]
            for service in all {
                let own = tasks.filter { $0.serviceID == service.id && $0.status.state == .running }
                let members = own.compactMap { task in
                    task.networks.first { $0.networkID == id }.map { (task, $0) }
                }
                let virtual = service.endpoint.virtualIPs.first { $0.networkID == id }
                guard !members.isEmpty || virtual != nil else { continue }
                views[service.spec.name] = ServiceView(service, virtual, members)
            }
            services = views.isEmpty ? nil : views
        }
    }
}

extension Engine.Network.Container {
    fileprivate init(_ task: Swarm.Task, _ attachment: Swarm.NetworkAttachment) {
        // Causeway keeps no endpoints: the identifier that `inspect` of the container shows.
        self.init(
            name: task.name, endpointID: Engine.Endpoint.identifier(of: task.id, on: attachment.networkID),
            addresses: attachment.addresses)
    }

    fileprivate init(name: String, endpointID: String, addresses: [CIDR]) {
        let v4 = addresses.first { $0.family == .ip }
        self.name = name
        self.endpointID = endpointID
        macAddress = v4?.address.v4.map { MACAddress(derivedFrom: $0).description } ?? ""
        ipv4Address = v4?.description ?? ""
        ipv6Address = addresses.first { $0.family == .ip6 }?.description ?? ""
    }
}

extension Engine.Network.ServiceView {
    fileprivate init(
        _ service: Swarm.Service, _ virtual: Swarm.Endpoint.VirtualIP?,
        _ members: [(Swarm.Task, Swarm.NetworkAttachment)]
    ) {
        func text(_ addresses: [CIDR]) -> String {
            (addresses.first { $0.family == .ip } ?? addresses.first)?.address.description ?? ""
        }
        virtualIP = virtual.map { text($0.addresses) } ?? "<nil>"
        ports = service.endpoint.ports.map {
            "Target: \($0.targetPort), Publish: \($0.publishedPort ?? 0)"
        }
        tasks = members.sorted { $0.0.id < $1.0.id }.map { task, attachment in
            TaskView(name: task.name, endpointID: task.id, endpointIP: text(attachment.addresses))
        }
    }
}
