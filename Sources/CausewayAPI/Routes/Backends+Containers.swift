import CausewayEngine
import CausewayModel
import NIOCore
import NIOHTTP1

/// What several routes ask about containers and whose a network is.
extension Backends {
    /// Our network of that name or identifier; `nil` when it is, or may be, the engine's.
    func ownNetwork(_ reference: String, scope: String = "") async throws(APIError) -> Swarm.Network? {
        guard scope != "local", await control.isActive() else { return nil }
        let ours = try await networks()
        if let exact = ours.first(where: { $0.id == reference || $0.spec.name == reference }) { return exact }
        let candidate = try Reference.findIfAny(reference, in: ours, kind: "network", id: \.id, name: \.spec.name)
        guard let candidate, scope != "swarm" else { return candidate }
        // The beginning of an identifier of ours may be a whole name of the engine's.
        let theirs = try await askingEngine { () async throws(EngineError) in
            try await engine.raw(.GET, "/networks/\(reference)")
        }
        return theirs.status == 404 ? candidate : nil
    }

    /// Containers of users on networks of ours; none while there is no swarm.
    func attached() async throws(APIError) -> [AttachedContainer] {
        guard await control.isActive() else { return [] }
        return try await asking { () async throws(SwarmError) in try await containers.attachedContainers() }
    }

    /// What the engine says of a container, by any of its names; its refusal when there is none.
    func inspect(_ reference: String) async throws(APIError) -> JSONMembers {
        let reply = try await askingEngine { () async throws(EngineError) in
            try await engine.raw(.GET, "/containers/\(reference)/json")
        }
        guard reply.status == 200 else {
            let said = JSONText(reply.body)?.object?["message"]?.text
            throw APIError(reply.status, said ?? String(buffer: reply.body))
        }
        guard let object = JSONText(reply.body)?.object else {
            throw APIError(502, "cannot read what Docker Engine says of container \(reference): it is no JSON object")
        }
        return object
    }

    /// Asks the engine what the client asked, in the client's words.
    func relay(
        _ request: APIRequest, target: RequestTarget? = nil, body: ByteBuffer? = nil
    ) async throws(APIError) -> EngineClient.Reply {
        try await askingEngine { () async throws(EngineError) in
            let version = try await engine.engineVersion()
            return try await engine.relay(
                HTTPMethod(rawValue: request.method), target: (target ?? request.target).text(for: version), body: body)
        }
    }
}

extension APIReply {
    /// What the engine answered, for the client.
    static func relayed(_ reply: EngineClient.Reply, body: ByteBuffer? = nil) -> APIReply {
        .answer(
            APIResponse(
                status: reply.status, contentType: reply.headers.first(name: "content-type") ?? "application/json",
                body: .bytes(body ?? reply.body)))
    }
}
