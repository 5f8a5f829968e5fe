import CausewayEngine
import CausewayModel
import NIOCore

/// `/networks/{id}/connect` and `/disconnect`.
struct ConnectionRoutes: Sendable {
    let backends: Backends
    let files: HostsFiles
    let events: NetworkEvents
    let now: @Sendable () -> Timestamp

    private struct Body {
        var container: String
        var endpoint: JSONText?
        var isForced: Bool

        init?(_ bytes: ByteBuffer) {
            guard let object = JSONText(bytes)?.object, let name = object["Container"]?.text, !name.isEmpty else {
                return nil
            }
            container = name
            endpoint = object["EndpointConfig"]
            isForced = object["Force"]?.value() ?? false
        }
    }

    var routes: [Route] {
        [
            Route("POST", "/networks/{id}/connect") { request throws(APIError) in
                try await route(request) { network, body throws(APIError) in try await connect(network, body) }
            },
            Route("POST", "/networks/{id}/disconnect") { request throws(APIError) in
                try await route(request) { network, body throws(APIError) in try await disconnect(network, body) }
            },
        ]
    }

    /// Finds out whose network and container are meant; what is the engine's alone goes to the engine.
    private func route(
        _ request: APIRequest, _ own: (Swarm.Network, Body) async throws(APIError) -> APIReply
    ) async throws(APIError) -> APIReply {
        guard await backends.control.isActive() else { return .passThrough(body: nil) }
        let bytes = try await request.body()
        let reference = request.capture("id")
        guard let body = Body(bytes) else { return .passThrough(body: bytes) }
        if let network = try await backends.ownNetwork(reference) { return try await own(network, body) }
        let roster = try await backends.roster()
        guard !roster.isEmpty, let shown = try? await backends.inspect(body.container),
            roster[shown["Id"]?.text ?? ""] != nil
        else { return .passThrough(body: bytes) }
        throw APIError(
            400,
            "container \(body.container) is on Causeway's networks and cannot be on Docker's network \(reference) too: "
                + "make another container for that one")
    }

    // MARK: ours

    private func connect(_ network: Swarm.Network, _ body: Body) async throws(APIError) -> APIReply {
        let endpoint = try EndpointBody(body.endpoint, at: "EndpointConfig")
        let (user, shown) = try await user(body.container, for: network)
        try network.requireAttachable()
        guard !user.networks.contains(where: { $0.networkID == network.id }) else {
            throw APIError(403, "endpoint with name \(user.name) already exists in network \(network.spec.name)")
        }
        let connected = try await asking { () async throws(SwarmError) in
            try await backends.containers.connect(user.id, to: endpoint.attachment(to: network))
        }
        let own = connected.networks.first { $0.networkID == network.id }?.addresses.map(\.address) ?? []
        try files.change(user.id, adding: own, removing: [], names: Self.names(shown))
        tell("connect", network, shown)
        return .empty(200)
    }

    private func disconnect(_ network: Swarm.Network, _ body: Body) async throws(APIError) -> APIReply {
        let (user, shown): (AttachedContainer, JSONMembers)
        do throws(APIError) {
            (user, shown) = try await self.user(body.container, for: network)
        } catch {
            throw error.status == 400 ? Self.notConnected(body.container, network) : error
        }
        guard let own = user.networks.first(where: { $0.networkID == network.id }) else {
            throw Self.notConnected(user.containerID ?? body.container, network)
        }
        try await asking { () async throws(SwarmError) in
            try await backends.containers.disconnect(user.id, from: network.id)
        }
        try files.change(user.id, adding: [], removing: own.addresses.map(\.address), names: Self.names(shown))
        tell("disconnect", network, shown)
        return .empty(200)
    }

    /// The container of a user that is meant, and what the engine says of it.
    private func user(
        _ reference: String, for network: Swarm.Network
    ) async throws(APIError) -> (AttachedContainer, JSONMembers) {
        let shown = try await backends.inspect(reference)
        let roster = try await backends.roster()
        switch roster[shown["Id"]?.text ?? ""] {
        case .user(let container): return (container, shown)
        case .task(let task):
            throw APIError(
                400,
                "container \(reference) is a task of service \(task.serviceName): use docker service update "
                    + "--network-add \(network.spec.name)")
        case nil:
            let names = shown.object("NetworkSettings").object("Networks").named.map(\.name).sorted()
            let mode = shown.object("HostConfig")["NetworkMode"]?.text ?? ""
            let place = names.isEmpty ? "network mode \(mode)" : "network \(names.joined(separator: ", "))"
            throw APIError(
                400,
                "container \(reference) was made on Docker's \(place), and cannot be on Causeway's network "
                    + "\(network.spec.name) too: make it anew with --network \(network.spec.name)")
        }
    }

    private func tell(_ action: String, _ network: Swarm.Network, _ shown: JSONMembers) {
        // As in Docker: a container that does not run is on its networks when it starts.
        guard shown.object("State")["Running"]?.value() == true, let id = shown["Id"]?.text else { return }
        events.record(NetworkEvent(action: action, network: network, container: id, time: now()))
    }

    private static func names(_ shown: JSONMembers) -> String {
        let config = shown.object("Config")
        let domain = config["Domainname"]?.text ?? ""
        return ContainerCreation.names(
            hostname: config["Hostname"]?.text, domainname: domain.isEmpty ? nil : domain,
            containerID: shown["Id"]?.text ?? "")
    }

    private static func notConnected(_ container: String, _ network: Swarm.Network) -> APIError {
        APIError(403, "container \(container) is not connected to network \(network.spec.name)")
    }
}
