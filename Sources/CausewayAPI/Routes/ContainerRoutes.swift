import CausewayEngine
import CausewayModel
import Logging
import NIOCore
import NIOHTTP1

/// `/containers`, as far as networks of ours are concerned; everything else is Docker Engine's.
struct ContainerRoutes: Sendable {
    let backends: Backends
    let facts: ContainerFacts
    let files: HostsFiles
    let events: NetworkEvents
    let now: @Sendable () -> Timestamp

    var routes: [Route] {
        let creation = ContainerCreation(backends: backends, facts: facts, files: files, now: now)
        let list = ContainerList(backends: backends, facts: facts, files: files)
        return [
            Route("POST", "/containers/create") { request throws(APIError) in
                try await sweep()
                let reply = try await creation.create(request)
                events.remember(try await backends.roster())
                return reply
            },
            Route("GET", "/containers/json") { request throws(APIError) in try await list.list(request) },
            Route("GET", "/containers/{id}/json") { request throws(APIError) in try await inspect(request) },
            Route("POST", "/containers/{id}/rename") { request throws(APIError) in try await rename(request) },
            Route("POST", "/containers/prune") { request throws(APIError) in try await prune(request) },
            Route("DELETE", "/containers/{id}") { request throws(APIError) in try await remove(request) },
        ]
    }

    private func inspect(_ request: APIRequest) async throws(APIError) -> APIReply {
        let roster = try await backends.roster()
        guard !roster.isEmpty else { return .passThrough(body: nil) }
        let reply = try await backends.relay(request)
        guard reply.status == 200, let given = JSONText(reply.body)?.object,
            let member = roster[given["Id"]?.text ?? ""]
        else { return .relayed(reply) }
        let view = ContainerView(roster: roster, files: files, defaultRuntime: try await facts.defaultRuntime())
        return .relayed(reply, body: JSONText(try view.inspected(given, member)).buffer)
    }

    private func rename(_ request: APIRequest) async throws(APIError) -> APIReply {
        guard let user = try await attached(request.capture("id")) else { return .passThrough(body: nil) }
        let name = String((request.query["name"] ?? "").drop { $0 == "/" })
        let reply = try await backends.relay(request)
        guard reply.status == 204 else { return .relayed(reply) }
        do throws(SwarmError) {
            try await backends.containers.rename(user.id, name: name)
        } catch {
            try await askingEngine { () async throws(EngineError) in
                try await backends.engine.post(
                    "/containers/\(user.containerID ?? "")/rename", query: [("name", user.name)])
            }
            throw APIError(error)
        }
        return .relayed(reply)
    }

    private func remove(_ request: APIRequest) async throws(APIError) -> APIReply {
        guard let user = try await attached(request.capture("id")) else { return .passThrough(body: nil) }
        let reply = try await backends.relay(request)
        // 404: it has gone between our two questions.
        if reply.status == 204 || reply.status == 404 { try await detach([user]) }
        return .relayed(reply)
    }

    private func prune(_ request: APIRequest) async throws(APIError) -> APIReply {
        let attached = try await backends.attached()
        guard !attached.isEmpty else { return .passThrough(body: nil) }
        let reply = try await backends.relay(request)
        let deleted = Set(JSONText(reply.body)?.object?["ContainersDeleted"]?.list?.compactMap(\.text) ?? [])
        try await detach(attached.filter { deleted.contains($0.containerID ?? "") })
        return .relayed(reply)
    }

    // MARK: shared

    /// The user's container on a network of ours that is meant; `nil` when it is another, or none.
    private func attached(_ reference: String) async throws(APIError) -> AttachedContainer? {
        let attached = try await backends.attached()
        guard !attached.isEmpty else { return nil }
        let reply = try await askingEngine { () async throws(EngineError) in
            try await backends.engine.raw(.GET, "/containers/\(reference)/json")
        }
        guard reply.status == 200, let id = JSONText(reply.body)?.object?["Id"]?.text else { return nil }
        return attached.first { $0.containerID == id }
    }

    private func detach(_ users: [AttachedContainer]) async throws(APIError) {
        for user in users {
            try await asking { () async throws(SwarmError) in try await backends.containers.detach(user.id) }
        }
        try await sweep()
    }

    /// Removes what is left of containers that the engine removed by itself (`--rm`).
    private func sweep() async throws(APIError) {
        guard await backends.control.isActive() else { return }
        // In this order: a file that is there now is one of a container that is attached already.
        let found = try files.attachments()
        let attached = Set(try await backends.attached().map(\.id))
        try files.remove(found.filter { !attached.contains($0) })
    }
}
