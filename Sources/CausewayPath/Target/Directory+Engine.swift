import CausewayKernel
import CausewayModel

/// A Docker Swarm's services, by what its engines say.
extension Directory {
    private var engines: EngineDirectory { world.engines }

    /// A manager knows its services; a worker knows what a network's members tell each other.
    mutating func readEngines() {
        let ingress = Set(engines.networks.filter(\.isIngress).map(\.id))
        for service in engines.services {
            for port in service.ports { assign(port, to: service.name) }
            // The ingress network's is nobody's to ask for: no name leads to it.
            for address in service.virtualIPs where !ingress.contains(address.networkID) {
                assign(address.address.address, to: service.name)
            }
        }
        for network in engines.networks {
            for service in network.services where !service.name.isEmpty {
                for port in service.ports { assign(port, to: service.name) }
                if let address = service.virtualIP, !network.isIngress { assign(address, to: service.name) }
            }
        }
    }

    private mutating func assign(_ port: EngineState.Port, to service: String) {
        guard port.published > 0, let transport = Packet.Transport(rawValue: port.protocol.rawValue) else { return }
        assign(transport, port.published, to: service)
    }

    var engineServices: [String] {
        engines.services.map(\.name) + engines.networks.flatMap(\.services).map(\.name).filter { !$0.isEmpty }
    }

    /// The target port behind a service's published one, else its only one.
    func targetPort(of service: String) -> UInt16? {
        let own = engines.services.first { $0.name == service }?.ports.first
        let told = engines.networks.lazy.flatMap(\.services).first { $0.name == service && !$0.ports.isEmpty }
        return (own ?? told?.ports.first)?.target
    }

    /// The address that a swarm's other nodes know a host by.
    func advertised(_ at: Int) -> IPAddress? {
        engines.addresses.first { world.holds(at, $0) }
    }

    /// What a service's name stands for where it has no address of its own (`dnsrr`), and what `tasks.NAME` always
    /// does: the addresses of its tasks on a network of the asker's.
    func taskAddresses(of service: String, from asker: Int, _ family: IPFamily) -> [IPAddress] {
        let told = engines.networks.filter { !$0.isIngress }.flatMap(\.services).filter { $0.name == service }
            .flatMap(\.backends).map(\.address)
        let running = namespaces(of: service).flatMap { world[$0].addresses.map(\.address.address) }
        let all = Set((told.isEmpty ? running : told).filter { $0.family == family && isOnLink($0, at: asker) })
        return all.sorted()
    }
}
