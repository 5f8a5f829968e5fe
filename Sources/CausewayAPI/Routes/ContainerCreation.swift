import CausewayEngine
import CausewayModel
import Logging
import NIOCore

/// `POST /containers/create`.
///
/// First the networks give addresses and ports, then Docker Engine makes the container without a network, then the
/// two are told of each other. Whatever fails, what was done before it is undone.
struct ContainerCreation: Sendable {
    let backends: Backends
    let facts: ContainerFacts
    let files: HostsFiles
    let now: @Sendable () -> Timestamp

    func create(_ request: APIRequest) async throws(APIError) -> APIReply {
        let bytes = try await request.body()
        try await refuseOnWorker(bytes)
        guard await backends.control.isActive(), let body = CreationBody(bytes),
            let networks = try await attachments(body)
        else { return .passThrough(body: bytes) }
        try body.refuseUnsupported(defaultRuntime: try await facts.defaultRuntime())
        let given = (request.query["name"] ?? "").drop { $0 == "/" }
        if !given.isEmpty { try await refuseTaken(String(given)) }
        var generator = SystemRandomNumberGenerator()
        var attempt = 0
        while true {
            let name = given.isEmpty ? ContainerName.draw(attempt: attempt, using: &generator) : String(given)
            let reply = try await create(name, body, networks, request)
            attempt += 1
            // A name that we drew may be one of a container that is not ours.
            guard given.isEmpty, reply.status == 409, attempt < 20 else { return .relayed(reply) }
        }
    }

    /// A worker's containers would need addresses that only a manager can give.
    private func refuseOnWorker(_ bytes: ByteBuffer) async throws(APIError) {
        guard let assignment = await backends.membership.workerAssignment(), let body = CreationBody(bytes) else {
            return
        }
        let named = Set(body.networks.map(\.reference))
        guard let network = assignment.networks.first(where: { named.contains($0.spec.name) || named.contains($0.id) })
        else { return }
        throw APIError(
            501,
            "a container on network \(network.spec.name) is not supported on a worker yet: run it on the manager, or "
                + "as a service")
    }

    private func create(
        _ name: String, _ body: CreationBody, _ networks: [AttachedContainer.Attachment], _ request: APIRequest
    ) async throws(APIError) -> EngineClient.Reply {
        let user = try await attach(
            AttachedContainer(
                id: "", createdAt: now(), nodeID: "", name: name, networks: networks,
                nameServers: try body.nameServers()),
            try await ports(body))
        do {
            return try await make(user, body, request)
        } catch {
            await detach(user.id)
            throw error
        }
    }

    /// Asks the engine for the container; a refusal takes the addresses back.
    private func make(
        _ user: AttachedContainer, _ body: CreationBody, _ request: APIRequest
    ) async throws(APIError) -> EngineClient.Reply {
        let entries = try await entries(body)
        try files.write(HostsFiles.text(entries: entries, own: [], names: ""), of: user.id)
        let reply = try await backends.relay(
            request, target: request.target.adding("name", user.name),
            body: try body.rewritten(for: user.id, hostsFile: files.path(of: user.id)))
        guard reply.status == 201, let containerID = JSONText(reply.body)?.object?["Id"]?.text else {
            await detach(user.id)
            return reply
        }
        do throws(APIError) {
            let own = user.networks.flatMap { $0.addresses.map(\.address) }
            let names = Self.names(hostname: body.hostname, domainname: body.domainname, containerID: containerID)
            try files.write(HostsFiles.text(entries: entries, own: own, names: names), of: user.id)
            try await asking { () async throws(SwarmError) in
                try await backends.containers.bind(user.id, containerID: containerID)
            }
        } catch {
            await remove(containerID)
            throw error
        }
        return reply
    }

    // MARK: what is asked for

    /// `nil` when none of the networks is ours.
    private func attachments(_ body: CreationBody) async throws(APIError) -> [AttachedContainer.Attachment]? {
        var theirs: [String] = []
        var ours: [Swarm.Network] = []
        var attachments: [AttachedContainer.Attachment] = []
        let wanted = body.networks
        for (reference, endpoint) in wanted {
            guard let network = try await backends.ownNetwork(reference) else {
                theirs.append(reference)
                continue
            }
            let given = try EndpointBody(endpoint, at: "NetworkingConfig.EndpointsConfig[\(reference)]")
            guard !ours.contains(where: { $0.id == network.id }) else {
                // Named twice: by the mode, which asks for nothing, and by its identifier or name.
                if endpoint != nil {
                    attachments.removeAll { $0.networkID == network.id }
                    attachments.append(given.attachment(to: network))
                }
                continue
            }
            ours.append(network)
            attachments.append(given.attachment(to: network))
        }
        guard let first = ours.first else { return nil }
        if let other = theirs.first {
            throw APIError(
                400,
                "a container cannot be on Docker's network \(other) and on Causeway's network \(first.spec.name) at "
                    + "once: leave one of them out")
        }
        for network in ours { try network.requireAttachable() }
        return attachments
    }

    private func ports(_ body: CreationBody) async throws(APIError) -> PortBindings {
        var exposed: Set<String> = []
        if body.publishesAll {
            exposed = body.exposed.union(try await facts.exposedPorts(ofImage: body.image))
        }
        return try PortBindings(body.portBindings, exposed: exposed)
    }

    private func entries(_ body: CreationBody) async throws(APIError) -> [(name: String, address: String)] {
        var entries: [(name: String, address: String)] = []
        for text in body.extraHosts {
            guard var entry = HostsFiles.entry(text) else {
                throw APIError(400, "bad format for add-host: \"\(text)\"")
            }
            if entry.address == "host-gateway" { entry.address = try await facts.hostGateway() }
            entries.append(entry)
        }
        return entries
    }

    private func refuseTaken(_ name: String) async throws(APIError) {
        let holder = try await backends.attached().first { $0.name == name }
        guard let containerID = holder?.containerID else { return }
        throw APIError(
            409,
            "Conflict. The container name \"/\(name)\" is already in use by container \"\(containerID)\". You have to "
                + "remove (or rename) that container to be able to reuse that name.")
    }

    // MARK: attach and detach

    /// Where a range of ports is given, tries the next port when one is refused by its number.
    private func attach(
        _ request: AttachedContainer, _ wishes: PortBindings
    ) async throws(APIError) -> AttachedContainer {
        var request = request
        var refused: Set<UInt16> = []
        var cause = APIError(400, "no port of the range is free")
        while let ports = wishes.ports(without: refused) {
            request.ports = ports
            do throws(SwarmError) {
                return try await backends.containers.attach(request)
            } catch {
                cause = APIError(error)
                let numbers = Set(error.message.split { !$0.isNumber }.compactMap { UInt16($0) })
                let named = wishes.ranged(ports).filter { numbers.contains($0) }
                guard !named.isEmpty else { throw cause }
                refused.formUnion(named)
            }
        }
        throw cause
    }

    private func detach(_ id: Swarm.ID) async {
        do throws(SwarmError) {
            try await backends.containers.detach(id)
        } catch {
            backends.logger.error(
                "a container that was not made keeps its addresses",
                metadata: ["attachment": "\(id)", "cause": "\(error)"])
        }
    }

    private func remove(_ containerID: String) async {
        do throws(EngineError) {
            try await backends.engine.delete("/containers/\(containerID)", query: [("force", "1"), ("v", "1")])
        } catch {
            backends.logger.error(
                "a container without its network was not removed",
                metadata: ["container": "\(containerID)", "cause": "\(error)"])
        }
    }

    /// What the container calls itself in `/etc/hosts`, as Docker writes it.
    static func names(hostname: String?, domainname: String?, containerID: String) -> String {
        let hostname = hostname ?? String(containerID.prefix(12))
        if let domainname { return "\(hostname).\(domainname) \(hostname)" }
        let short = hostname.prefix { $0 != "." }
        return short == hostname || short.isEmpty ? hostname : "\(hostname) \(short)"
    }
}

extension Swarm.Network {
    /// Refuses, in Docker's words, what only services may join.
    func requireAttachable() throws(APIError) {
        guard spec.isAttachable else {
            throw APIError(
                403,
                "Could not attach to network \(spec.name): rpc error: code = PermissionDenied desc = network "
                    + "\(spec.name) not manually attachable")
        }
    }
}
