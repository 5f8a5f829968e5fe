import CausewayKernel
import CausewayModel

/// What lies behind a packet's end where the walk itself only sees that something is missing.
struct Remarks: Sendable {
    private let world: World

    init(_ world: World) { self.world = world }

    func about(_ packet: Packet, _ verdict: Verdict) -> [String] {
        guard verdict.outcome == .refused || verdict.outcome == .dropped, !world.engines.services.isEmpty else {
            return []
        }
        return [withoutBalancer(packet)].compactMap { $0 }
    }

    /// A Docker Swarm's balancer that the kernel does not have: the engine then makes neither its rules nor its
    /// address, and says so in its log alone.
    private func withoutBalancer(_ packet: Packet) -> String? {
        guard let (service, host, what) = balanced(packet), world[host].hasIPVS == false else { return nil }
        return "the service \(service) \(what), which Docker Swarm balances with IPVS, and this kernel has none "
            + "(/proc/net/ip_vs is missing); load it with 'modprobe ip_vs' or boot a kernel that has it, then start "
            + "the service's tasks again"
    }

    /// The service that the packet was for, and the host that should have balanced it.
    private func balanced(_ packet: Packet) -> (service: String, host: Int, what: String)? {
        let engines = world.engines
        if let host = world.hosts.first(where: { world.holds($0.position, packet.destination) }) {
            let service = engines.services.first { service in
                service.ports.contains {
                    $0.published == packet.destinationPort && $0.mode == "ingress"
                        && $0.protocol.number == packet.transport.number
                }
            }
            return service.map {
                ($0.name, host.position, "publishes port \(packet.destinationPort) on every node")
            }
        }
        let service = engines.services.first { service in
            service.virtualIPs.contains { $0.address.address == packet.destination }
        }
        return service.map { ($0.name, world.home, "has the virtual address \(packet.destination)") }
    }
}
