import CausewayModel

/// A service `web`, published on 8080, with tasks on some of three nodes, and what each node is told of it.
struct MeshShop {
    static let prefix = CIDR("fd12:3456:789a::/48")!

    /// The node of each task, by slot.
    var web = [3]
    /// A client of the virtual address, by its node.
    var callers = [1]
    /// Nodes by the family of their data addresses.
    var underlay = IPFamily.ip
    /// Slots that are in no node's assignment any more.
    var gone: Set<Int> = []

    static let moment = Timestamp("2026-11-23T04:00:00Z")!
    static let virtual4 = "10.0.1.2"
    static let virtual6 = "fd12:3456:789a:2::2"

    private static func network(_ name: String, _ subnets: [String], ingress: Bool = false) -> Swarm.Network {
        var spec = Swarm.NetworkSpec(name: name)
        spec.isIngress = ingress
        return Swarm.Network(
            id: "net-\(name)", meta: .init(createdAt: moment, updatedAt: moment), spec: spec,
            subnets: subnets.map {
                let subnet = CIDR($0)!
                return Swarm.Subnet(subnet: subnet, gateway: subnet.network.address.advanced(by: 1)!)
            })
    }

    private func service(_ name: String, ports: [Swarm.PortConfig] = []) -> Swarm.Service {
        var service = Swarm.Service(
            id: "svc-\(name)", meta: .init(createdAt: Self.moment, updatedAt: Self.moment),
            spec: Swarm.ServiceSpec(
                name: name, taskTemplate: Swarm.TaskSpec(containerSpec: Swarm.ContainerSpec(image: "busybox"))))
        service.endpoint.ports = ports
        return service
    }

    private var webService: Swarm.Service {
        service(
            "web",
            ports: [
                Swarm.PortConfig(targetPort: 80, publishedPort: 8080),
                Swarm.PortConfig(protocol: .udp, targetPort: 80, publishedPort: 8080),
                Swarm.PortConfig(targetPort: 81, publishedPort: 8081),
                Swarm.PortConfig(protocol: .udp, targetPort: 81, publishedPort: 8081),
            ])
    }

    private func task(_ service: Swarm.Service, slot: Int, node: Int, ingress: Bool, offset: Int) -> Swarm.Task {
        var task = Swarm.Task(
            id: "\(slot)\(service.spec.name)mesh\(node)bcdefghijklmnop", meta: service.meta, service: service,
            slot: slot,
            nodeID: "node\(node)")
        task.status.state = .running
        let number = offset + slot
        task.networks = [
            Swarm.NetworkAttachment(
                networkID: "net-front",
                addresses: [CIDR("10.0.1.\(number)/24")!, CIDR("fd12:3456:789a:2::\(number)/64")!])
        ]
        if ingress {
            task.networks.append(
                Swarm.NetworkAttachment(
                    networkID: "net-ingress",
                    addresses: [CIDR("10.0.0.\(number)/24")!, CIDR("fd12:3456:789a:1::\(number)/64")!]))
        }
        return task
    }

    var webTasks: [Swarm.Task] {
        web.enumerated().filter { !gone.contains($0.offset + 1) }
            .map { task(webService, slot: $0.offset + 1, node: $0.element, ingress: true, offset: 4) }
    }

    var callerTasks: [Swarm.Task] {
        callers.enumerated()
            .map { task(service("caller"), slot: $0.offset + 1, node: $0.element, ingress: false, offset: 100) }
    }

    var tasks: [Swarm.Task] { webTasks + callerTasks }

    func dataAddress(of node: Int) -> IPAddress {
        IPAddress(underlay == .ip ? "192.0.2.\(node)" : "2001:db8:a::\(node)")!
    }

    func assignment(of node: Int) -> NodeAssignment {
        let web = webService
        let endpoint = ServiceEndpoint(
            id: web.id, name: "web", mode: .vip,
            virtualIPs: [
                Swarm.Endpoint.VirtualIP(
                    networkID: "net-front",
                    addresses: [CIDR("\(Self.virtual4)/24")!, CIDR("\(Self.virtual6)/64")!])
            ],
            ports: web.endpoint.ports,
            backends: webTasks.map {
                ServiceEndpoint.Backend(
                    taskID: $0.id, taskName: $0.name, slot: $0.slot, nodeID: $0.nodeID ?? "", networks: $0.networks,
                    isActive: true)
            })
        return NodeAssignment(
            revision: 1, nodeID: "node\(node)", nodeNumber: node, hostname: "n\(node)",
            uniqueLocalPrefix: Self.prefix,
            networks: [
                Self.network("ingress", ["10.0.0.0/24", "fd12:3456:789a:1::/64"], ingress: true),
                Self.network("front", ["10.0.1.0/24", "fd12:3456:789a:2::/64"]),
            ],
            tasks: tasks.filter { $0.nodeID == "node\(node)" }, services: [endpoint],
            tunnel: Tunnel(pool: Tunnel.defaultPool!, uniqueLocalPrefix: Self.prefix),
            dataAddress: dataAddress(of: node),
            peers: (1...3).filter { $0 != node }.map {
                Peer(id: "node\($0)", hostname: "n\($0)", number: $0, dataAddress: dataAddress(of: $0))
            },
            places: tasks.map {
                PlacedAddresses(
                    id: $0.id, nodeID: $0.nodeID ?? "", addresses: $0.networks.flatMap { $0.addresses.map(\.address) })
            }.sorted { $0.id < $1.id })
    }
}
