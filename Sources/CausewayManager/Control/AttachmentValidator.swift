import CausewayModel
import CausewayStore

/// Says no to containers that cannot be put on our networks, in Docker's words where a client may know them.
struct AttachmentValidator: Sendable {
    let view: StoreSnapshot

    /// The first port that is given for `-p` without one, and the last: Linux's own ephemeral ports, as Docker does.
    static let freePorts: ClosedRange<UInt16> = 32768...60999

    /// Checks all but addresses.
    func check(_ request: AttachedContainer) throws(SwarmError) {
        try check(name: request.name, of: nil)
        guard !request.networks.isEmpty else {
            throw SwarmError(.invalid, "container \(request.name) is to be put on no network")
        }
        var seen: Set<Swarm.ID> = []
        for attachment in request.networks {
            let network = try attachable(attachment)
            guard seen.insert(network.id).inserted else {
                throw SwarmError(.invalid, "network \(network.spec.name) is given twice")
            }
        }
        try check(request.ports)
    }

    func check(name: String, of own: Swarm.ID?) throws(SwarmError) {
        guard name.utf8.count >= 2, let first = name.utf8.first, Names.isAlphanumeric(first),
            name.utf8.allSatisfy({ Names.isAlphanumeric($0) || "_.-".utf8.contains($0) })
        else {
            throw SwarmError(
                .invalid,
                "Invalid container name (\(name)), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
        }
        // One that is not a container yet may never become one: Docker Engine decides about its name.
        let rival = view.containers.sorted.map(\.container).first {
            $0.name == name && $0.id != own && $0.containerID != nil
        }
        guard let rival, let id = rival.containerID else { return }
        throw SwarmError(
            .conflict,
            "Conflict. The container name \"/\(name)\" is already in use by container \"\(id)\". You have to remove "
                + "(or rename) that container to be able to reuse that name.")
    }

    func attachable(_ attachment: AttachedContainer.Attachment) throws(SwarmError) -> Swarm.Network {
        guard let network = view.networks[attachment.networkID] else {
            throw Refusal.notFound("network", attachment.networkID)
        }
        guard network.spec.isAttachable, !network.spec.isIngress else {
            throw SwarmError(
                .forbidden,
                "Could not attach to network \(network.spec.name): rpc error: code = PermissionDenied desc = network "
                    + "\(network.spec.name) not manually attachable")
        }
        guard !network.spec.isClassic else {
            throw Refusal.unsupported(
                "a container on network \(network.spec.name), whose data path is classic,",
                "use a network of data path direct")
        }
        return network
    }

    private func check(_ ports: [AttachedContainer.Port]) throws(SwarmError) {
        if !ports.isEmpty, view.ingress?.spec.isClassic == true {
            throw Refusal.unsupported(
                "publishing a container's port by an ingress network whose data path is classic",
                "make the ingress network one of data path direct")
        }
        var targets: [TransportPort: UInt16] = [:]
        for port in ports {
            guard port.protocol != .sctp else {
                throw Refusal.unsupported("publishing sctp port \(port.targetPort)", "publish tcp or udp ports")
            }
            guard port.targetPort != 0 else {
                throw SwarmError(.invalid, "invalid port 0 of the container: ports are 1 to 65535")
            }
            guard port.publishedPort != 0 else { continue }
            let key = TransportPort(port.protocol, port.publishedPort)
            guard targets.updateValue(port.targetPort, forKey: key) ?? port.targetPort == port.targetPort else {
                throw Refusal.unsupported(
                    "publishing \(port.protocol.rawValue) port \(port.publishedPort) for two ports of one container",
                    "choose two published ports")
            }
            if let holder = service(holding: key) { throw Self.taken(port, by: holder) }
        }
    }

    /// `service 'web'`.
    private func service(holding port: TransportPort) -> String? {
        view.services.first { service in
            let ports = service.endpoint.ports + (service.spec.endpointSpec?.ports ?? [])
            return !service.isPendingDelete
                && ports.contains { $0.protocol == port.protocol && $0.publishedPort == port.port }
        }.map { "service '\($0.spec.name)'" }
    }

    /// Why a container cannot run now: a port of its is another running one's, or by now a service's.
    func obstacle(to container: AttachedContainer) -> SwarmError? {
        for port in container.ports {
            let key = TransportPort(port.protocol, port.publishedPort)
            if let holder = service(holding: key) { return Self.taken(port, by: holder) }
            let rival = view.containers.sorted.map(\.container).first { other in
                other.id != container.id && other.isRunning
                    && other.ports.contains { TransportPort($0.protocol, $0.publishedPort) == key }
            }
            if let rival { return Self.taken(port, by: "container '\(rival.name)'") }
        }
        return nil
    }

    static func taken(_ port: AttachedContainer.Port, by holder: String) -> SwarmError {
        let address = port.address.map { "\($0)" } ?? "0.0.0.0"
        return SwarmError(
            .conflict,
            "Bind for \(address):\(port.publishedPort) failed: port is already allocated: \(holder) holds "
                + "\(port.protocol.rawValue) port \(port.publishedPort)")
    }
}
