import CausewayModel

/// An assignment with many services, each published and with three tasks elsewhere.
struct BenchAssignment {
    let services: Int

    private static let moment = Timestamp("2026-11-23T04:00:00Z") ?? Timestamp(seconds: 0)

    var assignment: NodeAssignment {
        NodeAssignment(
            revision: 1, nodeID: "node1", nodeNumber: 1, hostname: "bench",
            uniqueLocalPrefix: CIDR(.v6(IPv6Address(high: 0xfd12_3456_789a_0000, low: 0)), 48) ?? Self.host(0),
            networks: [ingress], services: (0..<services).map(Self.service))
    }

    private var ingress: Swarm.Network {
        var spec = Swarm.NetworkSpec(name: "ingress")
        spec.isIngress = true
        let subnet = CIDR(Self.address(0), 8) ?? Self.host(0)
        return Swarm.Network(
            id: "ingress", meta: .init(createdAt: Self.moment, updatedAt: Self.moment), spec: spec,
            subnets: [Swarm.Subnet(subnet: subnet, gateway: Self.address(1))])
    }

    private static func service(_ number: Int) -> ServiceEndpoint {
        let id = String(number)
        return ServiceEndpoint(
            id: "service" + String(repeating: "0", count: 8 - id.count) + id + "0123456789", name: "service\(number)",
            mode: .vip, ports: [Swarm.PortConfig(targetPort: 80, publishedPort: UInt16(10_000 + number))],
            backends: (0..<3).map { backend(number, $0, generation: 0) })
    }

    private static func backend(_ service: Int, _ slot: Int, generation: Int) -> ServiceEndpoint.Backend {
        ServiceEndpoint.Backend(
            taskID: "task\(service)x\(slot)x\(generation)", taskName: "service\(service).\(slot + 1).\(generation)",
            slot: slot + 1, nodeID: "node2",
            networks: [
                Swarm.NetworkAttachment(
                    networkID: "ingress", addresses: [host(UInt32(1024 + service * 8 + slot + generation * 4))])
            ], isActive: true)
    }

    private static func address(_ offset: UInt32) -> IPAddress { .v4(IPv4Address(rawValue: 10 << 24 + offset)) }

    private static func host(_ offset: UInt32) -> CIDR { CIDR(host: address(offset)) }

    /// Another task takes the second place.
    static func replaceBackend(of service: Int, in assignment: inout NodeAssignment) {
        let old = assignment.services[service].backends[1]
        assignment.services[service].backends[1] = backend(
            service, 1, generation: old.taskID.hasSuffix("x0") ? 1 : 0)
        assignment.revision += 1
    }
}
