import CausewayKernel
import CausewayModel

/// A port that a service of Docker Swarm's publishes on every node.
struct MeshPort {
    var transport: String
    var port: UInt16
    var service: String?

    var text: String { "\(port)/\(transport)" + (service.map { " of service \($0)" } ?? "") }
}

extension Patient {
    /// What services publish through the ingress network, by what the engine says; by the balancer's marks if it is silent.
    func meshPorts(_ position: Int) -> [MeshPort] {
        let engine = engine(position)
        let services = (engine?.services ?? []).map { ($0.name, $0.ports) }
        let told = (engine?.networks ?? []).filter(\.isIngress).flatMap(\.services).map { ($0.name, $0.ports) }
        var ports: [MeshPort] = []
        for (name, published) in services.isEmpty ? told : services {
            for one in published where one.mode == "ingress" && one.published > 0 {
                ports.append(MeshPort(transport: one.protocol.rawValue, port: one.published, service: name))
            }
        }
        guard ports.isEmpty else { return ports }
        return marks(position).map { MeshPort(transport: $0.transport, port: $0.port, service: nil) }
    }

    /// The rules that mark packets for the balancer in `ingress_sbox`.
    func marks(_ box: Int) -> [(transport: String, port: UInt16, mark: UInt32, text: String)] {
        let chains = world[box].iptables.filter { $0.name == "mangle" }.flatMap(\.chains)
        return chains.filter { $0.name == "PREROUTING" }.flatMap(\.rules).compactMap { rule in
            guard case .setMark(let mark, _)? = rule.target else { return nil }
            var (transport, port) = ("tcp", UInt16(0))
            for match in rule.matches {
                if case .protocol(let number) = match {
                    transport = number == 17 ? "udp" : number == 6 ? "tcp" : "\(number)"
                }
                if case .destinationPort(let range) = match { port = range.lowerBound }
            }
            return port == 0 ? nil : (transport, port, mark, "iptables mangle PREROUTING: \(rule.text)")
        }
    }
}
