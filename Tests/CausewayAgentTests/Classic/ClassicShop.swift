import CausewayKernel
import CausewayModel
import Foundation

@testable import CausewayAgent

/// The cluster of the recorded Docker Swarm (`Tests/CausewayPathTests/Fixtures/docker-swarm-20.10`), as a manager of
/// ours would assign it to its first node.
enum ClassicShop {
    // The recording knows networks by the beginnings of their identifiers; the rest is filled.
    static let ingressID = "4zh0gkbibaxxxxxxxxxxxxxxx"
    static let backendID = "0wqu25uvvfxxxxxxxxxxxxxxx"
    static let nodes = ["hosta": "192.168.77.11", "hostb": "192.168.77.12"]

    static func network(
        _ name: String, _ id: Swarm.ID, _ subnet: String, tunnel: UInt32, ingress: Bool = false,
        isInternal: Bool = false
    ) -> Swarm.Network {
        var network = Shop.network(name, [subnet], ingress: ingress, isInternal: isInternal)
        network.id = id
        network.spec.options = ["causeway.datapath": "classic"]
        network.tunnelIdentifier = tunnel
        return network
    }

    static func id(_ name: String) -> Swarm.ID { String((name + "abcdefghijklmnopqrstuvwxyz").prefix(25)) }

    /// A task by the ends of its addresses on the two networks.
    private static func task(
        _ service: Swarm.Service, slot: Int, node: String, ingress: Int? = nil, backend: Int, place: UInt32
    ) -> Swarm.Task {
        var task = Swarm.Task(
            id: id("\(service.spec.name)\(slot)"), meta: service.meta, service: service, slot: slot, nodeID: node)
        task.status.state = .running
        task.networks = [Swarm.NetworkAttachment(networkID: backendID, addresses: [CIDR("10.0.1.\(backend)/24")!])]
        if let ingress {
            task.networks.append(
                Swarm.NetworkAttachment(networkID: ingressID, addresses: [CIDR("10.0.0.\(ingress)/24")!]))
        }
        task.gatewayNumber = place
        return task
    }

    private static func endpoint(
        _ service: Swarm.Service, _ tasks: [Swarm.Task], _ virtual: [(Swarm.ID, String)],
        mode: Swarm.EndpointSpec.Mode = .vip
    ) -> ServiceEndpoint {
        ServiceEndpoint(
            id: service.id, name: service.spec.name, mode: mode,
            virtualIPs: virtual.map { Swarm.Endpoint.VirtualIP(networkID: $0.0, addresses: [CIDR($0.1)!]) },
            ports: service.endpoint.ports,
            backends: tasks.sorted { $0.id < $1.id }.map { task in
                ServiceEndpoint.Backend(
                    taskID: task.id, taskName: task.name, slot: task.slot, nodeID: task.nodeID!,
                    networks: task.networks, isActive: task.desiredState <= .running)
            })
    }

    /// `change` alters the tasks before anything follows from them.
    static func assignment(
        for node: String = "hosta", change: (inout [Swarm.Task]) -> Void = { _ in }
    ) -> NodeAssignment {
        let web = Shop.service("web", ports: [Swarm.PortConfig(targetPort: 80, publishedPort: 8080)])
        let (api, glob, rr) = (Shop.service("api"), Shop.service("glob"), Shop.service("rr"))
        let (probe, pub) = (Shop.service("probe"), Shop.service("hostpub"))
        var tasks = [
            task(web, slot: 1, node: "hostb", ingress: 8, backend: 6, place: 17),
            task(web, slot: 2, node: "hosta", ingress: 5, backend: 3, place: 7),
            task(web, slot: 3, node: "hostb", ingress: 6, backend: 4, place: 18),
            task(web, slot: 4, node: "hosta", ingress: 7, backend: 5, place: 6),
            task(api, slot: 1, node: "hosta", backend: 10, place: 4),
            task(api, slot: 2, node: "hostb", backend: 11, place: 13),
            task(pub, slot: 1, node: "hostb", backend: 13, place: 14),
            task(glob, slot: 1, node: "hosta", backend: 15, place: 3),
            task(glob, slot: 2, node: "hostb", backend: 16, place: 16),
            task(rr, slot: 1, node: "hosta", backend: 17, place: 5),
            task(rr, slot: 2, node: "hostb", backend: 18, place: 15),
            // Containers of a user there.
            task(probe, slot: 1, node: "hosta", backend: 19, place: 8),
            task(probe, slot: 2, node: "hostb", backend: 20, place: 19),
        ]
        change(&tasks)
        func of(_ name: String) -> [Swarm.Task] { tasks.filter { $0.serviceName == name } }
        var result = Shop.make(
            [
                network("backend", backendID, "10.0.1.0/24", tunnel: 4097),
                network("ingress", ingressID, "10.0.0.0/24", tunnel: 4096, ingress: true),
            ], tasks.filter { $0.nodeID == node }.sorted { $0.id < $1.id },
            [
                endpoint(api, of("api"), [(backendID, "10.0.1.9/24")]),
                endpoint(glob, of("glob"), [(backendID, "10.0.1.14/24")]),
                endpoint(pub, of("hostpub"), [(backendID, "10.0.1.12/24")]),
                endpoint(rr, of("rr"), [], mode: .dnsrr),
                endpoint(web, of("web"), [(ingressID, "10.0.0.4/24"), (backendID, "10.0.1.2/24")]),
            ])
        result.nodeID = node
        result.dataAddress = IPAddress(nodes[node]!)
        result.tunnel = Tunnel(pool: Tunnel.defaultPool!, uniqueLocalPrefix: CIDR("fd12:3456:789a::/48")!)
        result.peers = nodes.filter { $0.key != node }.map {
            Peer(id: $0.key, hostname: $0.key, number: $0.key == "hosta" ? 1 : 2, dataAddress: IPAddress($0.value)!)
        }
        result.nodeNumber = node == "hosta" ? 1 : 2
        result.places = tasks.map {
            PlacedAddresses(
                id: $0.id, nodeID: $0.nodeID!, addresses: $0.networks.flatMap(\.addresses).map(\.address))
        }.sorted { $0.id < $1.id }
        result.balancers = [
            (ingressID, "hosta", "10.0.0.2/24"), (ingressID, "hostb", "10.0.0.3/24"),
            (backendID, "hosta", "10.0.1.8/24"), (backendID, "hostb", "10.0.1.7/24"),
        ].map { BalancerAddress(networkID: $0.0, nodeID: $0.1, address: CIDR($0.2)!) }.sorted { $0.id < $1.id }
        return result
    }

    static func namespace(_ name: String, _ slot: Int) -> String {
        "cw-\(name).\(slot).\(id("\(name)\(slot)").prefix(8))"
    }
}

extension KernelState {
    /// The rules of one chain, as iptables-save writes them.
    func rules(_ table: String, _ chain: String) -> [String] {
        (firewall.first { $0.name == table }?.chains.first { $0.name == chain }?.rules ?? []).map(\.text)
    }
}
