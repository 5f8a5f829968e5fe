import CausewayModel

/// What a container of a user is to the data path and the resolver: a service with one backend.
enum ContainerEndpoint {
    /// `nil` while the container does not run: then nothing leads to it, as with Docker.
    static func make(_ container: AttachedContainer, ingress: Swarm.ID?) -> ServiceEndpoint? {
        guard container.isRunning else { return nil }
        let own = container.containerID.map { [String($0.prefix(12))] } ?? []
        var networks = container.networks.map {
            Swarm.NetworkAttachment(networkID: $0.networkID, addresses: $0.addresses)
        }
        if let ingress, !container.ingress.isEmpty {
            networks.append(Swarm.NetworkAttachment(networkID: ingress, addresses: container.ingress))
        }
        return ServiceEndpoint(
            id: container.id, name: container.name, mode: .dnsrr,
            ports: ports(container.ports),
            aliases: Dictionary(container.networks.map { ($0.networkID, $0.aliases + own) }) { first, _ in first },
            scopes: scopes(container.ports),
            backends: [
                ServiceEndpoint.Backend(
                    taskID: container.id, taskName: container.name, slot: 0, nodeID: container.nodeID,
                    networks: networks, isActive: true)
            ])
    }

    /// Each once: one that was asked for at several addresses is bound to all of them.
    private static func ports(_ ports: [AttachedContainer.Port]) -> [Swarm.PortConfig] {
        ports.reduce(into: []) { result, port in
            let config = Swarm.PortConfig(
                protocol: port.protocol, targetPort: port.targetPort, publishedPort: port.publishedPort,
                publishMode: .host)
            if !result.contains(config) { result.append(config) }
        }
    }

    private static func scopes(_ ports: [AttachedContainer.Port]) -> [TransportPort: PortScope] {
        let everywhere = Set(ports.filter { $0.address == nil }.map { TransportPort($0.protocol, $0.publishedPort) })
        var scopes: [TransportPort: PortScope] = [:]
        for port in ports {
            let key = TransportPort(port.protocol, port.publishedPort)
            guard let address = port.address, !everywhere.contains(key) else { continue }
            scopes[key, default: PortScope()].addresses.append(address)
        }
        return scopes
    }
}
