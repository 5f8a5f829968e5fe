import CausewayModel

/// Assignments as the manager makes them, small enough to be read.
enum Shop {
    static let moment = Timestamp("2026-11-23T04:00:00Z")!

    static func network(
        _ name: String, _ subnets: [String], ingress: Bool = false, isInternal: Bool = false
    ) -> Swarm.Network {
        var spec = Swarm.NetworkSpec(name: name)
        spec.isIngress = ingress
        spec.isInternal = isInternal
        return Swarm.Network(
            id: "net-\(name)", meta: .init(createdAt: moment, updatedAt: moment), spec: spec,
            subnets: subnets.map {
                let subnet = CIDR($0)!
                return Swarm.Subnet(subnet: subnet, gateway: subnet.network.address.advanced(by: 1)!)
            })
    }

    static func service(_ name: String, ports: [Swarm.PortConfig] = []) -> Swarm.Service {
        var service = Swarm.Service(
            id: "svc-\(name)", meta: .init(createdAt: moment, updatedAt: moment),
            spec: Swarm.ServiceSpec(
                name: name, taskTemplate: Swarm.TaskSpec(containerSpec: Swarm.ContainerSpec(image: "busybox"))))
        service.endpoint.ports = ports
        return service
    }

    static func task(
        _ service: Swarm.Service, slot: Int, _ addresses: [String: [String]], state: Swarm.Task.State = .running
    ) -> Swarm.Task {
        var task = Swarm.Task(
            id: "\(service.spec.name)\(slot)abcdefghijklmnop", meta: service.meta, service: service, slot: slot,
            nodeID: "node1")
        task.status.state = state
        task.networks = addresses.sorted { $0.key < $1.key }.map { network, texts in
            Swarm.NetworkAttachment(networkID: "net-\(network)", addresses: texts.map { CIDR($0)! })
        }
        return task
    }

    static func endpoint(
        _ service: Swarm.Service, _ tasks: [Swarm.Task], virtual: [String: String] = [:],
        mode: Swarm.EndpointSpec.Mode = .vip
    ) -> ServiceEndpoint {
        ServiceEndpoint(
            id: service.id, name: service.spec.name, mode: mode,
            virtualIPs: virtual.sorted { $0.key < $1.key }.map {
                Swarm.Endpoint.VirtualIP(networkID: "net-\($0.key)", addresses: [CIDR($0.value)!])
            },
            ports: service.endpoint.ports,
            backends: tasks.map { task in
                ServiceEndpoint.Backend(
                    taskID: task.id, taskName: task.name, slot: task.slot, nodeID: "node1", networks: task.networks,
                    isActive: task.status.state == .running && task.desiredState <= .running)
            })
    }

    static func make(
        _ networks: [Swarm.Network], _ tasks: [Swarm.Task], _ services: [ServiceEndpoint], revision: UInt64 = 1
    ) -> NodeAssignment {
        NodeAssignment(
            revision: revision, nodeID: "node1", nodeNumber: 1, hostname: "n1",
            uniqueLocalPrefix: CIDR("fd12:3456:789a::/48")!, networks: networks, tasks: tasks, services: services)
    }

    /// Three tasks of `web` behind port 8080, on `front`; one of `db` on the internal network `back`, joined by web.1.
    static func assignment(revision: UInt64 = 1, running: Int = 3) -> NodeAssignment {
        let ingress = network("ingress", ["10.0.0.0/24", "fd12:3456:789a:1::/64"], ingress: true)
        let networks = [
            ingress, network("front", ["10.0.1.0/24"]), network("back", ["10.0.2.0/24"], isInternal: true),
        ]
        let web = service("web", ports: [Swarm.PortConfig(targetPort: 80, publishedPort: 8080)])
        let db = service("db")
        let webTasks = (1...3).map { slot in
            var addresses = [
                "ingress": ["10.0.0.\(4 + slot)/24", "fd12:3456:789a:1::\(4 + slot)/64"],
                "front": ["10.0.1.\(4 + slot)/24"],
            ]
            if slot == 1 { addresses["back"] = ["10.0.2.5/24"] }
            return task(web, slot: slot, addresses, state: slot <= running ? .running : .starting)
        }
        let dbTask = task(db, slot: 1, ["back": ["10.0.2.9/24"]])
        return make(
            networks, webTasks + [dbTask],
            [
                endpoint(web, webTasks, virtual: ["front": "10.0.1.2/24"]),
                endpoint(db, [dbTask], virtual: ["back": "10.0.2.2/24"]),
            ], revision: revision)
    }
}
