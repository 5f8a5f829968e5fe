import CausewayModel

/// Two hosts with two classic networks, and what each is assigned.
struct ClassicCluster {
    // As long as identifiers are; namespaces are called by their beginnings.
    static let ingress = "4zh0gkbibaxxxxxxxxxxxxxxx"
    static let backend = "0wqu25uvvfxxxxxxxxxxxxxxx"
    static let hosts = ["hosta": "192.168.77.11", "hostb": "192.168.77.12"]

    /// Hosts whose task of `web` takes no new connections.
    var draining: Set<String> = []

    func assignment(_ host: String) -> NodeAssignment { Self.all(draining)[host]! }

    /// `web` on both hosts, published on 8080 and on the network `backend`, and a client there.
    private static func all(_ draining: Set<String>) -> [String: NodeAssignment] {
        let moment = Timestamp("2026-11-23T04:00:00Z")!
        let meta = Swarm.Meta(createdAt: moment, updatedAt: moment)
        func service(_ name: String, _ ports: [Swarm.PortConfig]) -> Swarm.Service {
            var service = Swarm.Service(
                id: "svc-\(name)", meta: meta,
                spec: Swarm.ServiceSpec(
                    name: name, taskTemplate: Swarm.TaskSpec(containerSpec: Swarm.ContainerSpec(image: "busybox"))))
            service.endpoint.ports = ports
            return service
        }
        func network(_ name: String, _ id: Swarm.ID, _ subnet: String, _ tunnel: UInt32) -> Swarm.Network {
            var spec = Swarm.NetworkSpec(name: name)
            spec.isIngress = name == "ingress"
            spec.options = ["causeway.datapath": "classic"]
            let cidr = CIDR(subnet)!
            var network = Swarm.Network(
                id: id, meta: meta, spec: spec,
                subnets: [Swarm.Subnet(subnet: cidr, gateway: cidr.address.advanced(by: 1)!)])
            network.tunnelIdentifier = tunnel
            return network
        }
        let web = service("web", [Swarm.PortConfig(targetPort: 80, publishedPort: 8080)])
        let probe = service("probe", [])
        func task(_ service: Swarm.Service, _ slot: Int, _ host: String, _ ends: [(Swarm.ID, String)], _ place: UInt32)
            -> Swarm.Task
        {
            var task = Swarm.Task(
                id: "\(service.spec.name)\(slot)abcdefghijklmnopqrst", meta: meta, service: service, slot: slot,
                nodeID: host)
            task.status.state = .running
            task.networks = ends.map { Swarm.NetworkAttachment(networkID: $0.0, addresses: [CIDR($0.1)!]) }
            task.gatewayNumber = place
            return task
        }
        let tasks = [
            task(web, 1, "hosta", [(backend, "10.0.1.5/24"), (ingress, "10.0.0.5/24")], 3),
            task(web, 2, "hostb", [(backend, "10.0.1.6/24"), (ingress, "10.0.0.6/24")], 4),
            task(probe, 1, "hosta", [(backend, "10.0.1.9/24")], 5),
        ]
        let endpoint = ServiceEndpoint(
            id: web.id, name: "web", mode: .vip,
            virtualIPs: [
                .init(networkID: ingress, addresses: [CIDR("10.0.0.4/24")!]),
                .init(networkID: backend, addresses: [CIDR("10.0.1.2/24")!]),
            ],
            ports: web.endpoint.ports,
            backends: tasks.prefix(2).map {
                .init(
                    taskID: $0.id, taskName: $0.name, slot: $0.slot, nodeID: $0.nodeID!, networks: $0.networks,
                    isActive: !draining.contains($0.nodeID!))
            })
        return Dictionary(
            uniqueKeysWithValues: hosts.map { host, address in
                var one = NodeAssignment(
                    revision: 1, nodeID: host, nodeNumber: host == "hosta" ? 1 : 2, hostname: host,
                    uniqueLocalPrefix: CIDR("fd12:3456:789a::/48")!,
                    networks: [
                        network("backend", backend, "10.0.1.0/24", 4097),
                        network("ingress", ingress, "10.0.0.0/24", 4096),
                    ], tasks: tasks.filter { $0.nodeID == host }, services: [endpoint])
                one.dataAddress = IPAddress(address)
                one.tunnel = Tunnel(pool: Tunnel.defaultPool!, uniqueLocalPrefix: one.uniqueLocalPrefix)
                one.peers = hosts.filter { $0.key != host }.map {
                    Peer(
                        id: $0.key, hostname: $0.key, number: $0.key == "hosta" ? 1 : 2,
                        dataAddress: IPAddress($0.value)!)
                }
                one.places = tasks.map {
                    PlacedAddresses(
                        id: $0.id, nodeID: $0.nodeID!, addresses: $0.networks.flatMap(\.addresses).map(\.address))
                }
                one.balancers = [
                    (backend, "hosta", "10.0.1.3/24"), (backend, "hostb", "10.0.1.4/24"),
                    (ingress, "hosta", "10.0.0.2/24"), (ingress, "hostb", "10.0.0.3/24"),
                ].map { BalancerAddress(networkID: $0.0, nodeID: $0.1, address: CIDR($0.2)!) }
                return (host, one)
            })
    }
}
