import CausewayModel

/// Checks published ports, alone and against other services.
enum PortValidator {
    private struct Published: Hashable {
        var transport: Swarm.TransportProtocol
        var port: UInt16
    }

    static func check(_ ports: [Swarm.PortConfig], mode: Swarm.EndpointSpec.Mode) throws(SwarmError) {
        var published: Set<Published> = []
        var unpublished: Set<Swarm.PortConfig> = []
        for port in ports {
            guard port.targetPort != 0 else {
                throw Refusal.invalid("EndpointSpec: invalid target port 0: ports are 1 to 65535")
            }
            guard port.protocol != .sctp else {
                throw Refusal.unsupported("publishing sctp port \(port.targetPort)", "publish tcp or udp ports")
            }
            if mode == .dnsrr, port.publishMode == .ingress {
                throw Refusal.invalid(
                    "EndpointSpec: port published with ingress mode can't be used with dnsrr mode")
            }
            let number = port.publishedPort ?? 0
            if number == 0 {
                guard port.publishMode == .ingress else {
                    throw Refusal.unsupported(
                        "publishing target port \(port.targetPort) in mode host without a published port",
                        "name one, as in published=8080")
                }
                guard unpublished.insert(port).inserted else {
                    throw Refusal.invalid("EndpointSpec: duplicate published ports provided")
                }
            } else if !published.insert(Published(transport: port.protocol, port: number)).inserted {
                throw Refusal.invalid("EndpointSpec: duplicate published ports provided")
            }
        }
    }

    /// An ingress port is taken by any other service's; a host port only by an ingress port, since two tasks with
    /// the same host port may live on different nodes.
    static func checkConflicts(_ ports: [Swarm.PortConfig], with others: [Swarm.Service]) throws(SwarmError) {
        for port in ports {
            guard let number = port.publishedPort, number != 0 else { continue }
            for other in others {
                let taken = (other.spec.endpointSpec?.ports ?? []) + other.endpoint.ports
                for rival in taken where rival.publishedPort == number && rival.protocol == port.protocol {
                    guard port.publishMode == .ingress || rival.publishMode == .ingress else { continue }
                    let kind = rival.publishMode == .ingress ? "an ingress port" : "a host-published port"
                    throw Refusal.invalid(
                        "port '\(number)' is already in use by service '\(other.spec.name)' (\(other.id)) as \(kind)")
                }
            }
        }
    }

    /// A port of a container that a user runs is taken, whatever the mode; one that does not run holds nothing.
    static func checkConflicts(
        _ ports: [Swarm.PortConfig], with containers: [AttachedContainer]
    ) throws(SwarmError) {
        for port in ports {
            guard let number = port.publishedPort, number != 0 else { continue }
            let holder = containers.first { container in
                container.isRunning
                    && container.ports.contains { $0.publishedPort == number && $0.protocol == port.protocol }
            }
            guard let holder else { continue }
            throw Refusal.invalid("port '\(number)' is already in use on this node by container '\(holder.name)'")
        }
    }
}
