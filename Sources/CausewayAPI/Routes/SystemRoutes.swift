import CausewayEngine
import CausewayModel
import NIOCore
import NIOHTTP1

/// `/_ping`, `/version`, `/info`.
struct SystemRoutes: Sendable {
    let backends: Backends
    /// Causeway's own version, for people.
    let causewayVersion: String
    /// What the node is called; empty: as the engine says.
    let hostname: String

    var routes: [Route] {
        [
            Route("GET", "/_ping") { _ in await ping() },
            Route("HEAD", "/_ping") { _ in await ping() },
            Route("GET", "/version") { _ throws(APIError) in try await version() },
            Route("GET", "/info") { _ throws(APIError) in try await info() },
        ]
    }

    private func ping() async -> APIReply {
        var headers = HTTPHeaders()
        headers.add(name: "Builder-Version", value: "1")
        headers.add(name: "Swarm", value: await swarmWord())
        headers.add(name: "Cache-Control", value: "no-cache, no-store, must-revalidate")
        headers.add(name: "Pragma", value: "no-cache")
        return .answer(
            APIResponse(
                contentType: "text/plain; charset=utf-8", headers: headers, body: .bytes(ByteBuffer(string: "OK"))))
    }

    /// `active/manager`, `active/worker`, `pending`, `inactive`.
    private func swarmWord() async -> String {
        if await backends.control.isActive() { return "active/manager" }
        let state = await backends.membership.membership().state
        return state == .active ? "active/worker" : state.rawValue
    }

    private func version() async throws(APIError) -> APIReply {
        var reply: JSONValue = try await askingEngine { () async throws(EngineError) in
            try await backends.engine.get("/version")
        }
        let newest = JSONValue.string(RequestTarget.newest.description)
        let oldest = JSONValue.string(RequestTarget.oldest.description)
        reply["ApiVersion"] = newest
        reply["MinAPIVersion"] = oldest
        var components = reply["Components"]?.items ?? []
        for index in components.indices where components[index]["Name"] == .string("Engine") {
            components[index]["Details"]?["ApiVersion"] = newest
            components[index]["Details"]?["MinAPIVersion"] = oldest
        }
        components.append(
            .object(["Name": .string("Causeway"), "Version": .string(causewayVersion), "Details": .object([:])]))
        reply["Components"] = .array(components)
        return try .json(reply)
    }

    private func info() async throws(APIError) -> APIReply {
        var reply: JSONValue = try await askingEngine { () async throws(EngineError) in
            try await backends.engine.get("/info")
        }
        if !hostname.isEmpty { reply["Name"] = .string(hostname) }
        reply["Swarm"] = try await swarmState()
        return try .json(reply)
    }

    private func swarmState() async throws(APIError) -> JSONValue {
        guard await backends.control.isActive(), let local = await backends.control.localNodeID() else {
            let membership = await backends.membership.membership()
            return try JSON.parse(try JSON.bytes(Engine.SwarmState(worker: membership)))
        }
        let state = Engine.SwarmState(
            try await backends.cluster(), nodes: try await backends.nodes(), local: local)
        return try JSON.parse(try JSON.bytes(state))
    }
}
