import CausewayEngine
import CausewayModel
import Logging
import NIOCore
import NIOHTTP1

/// `/networks`: ours and Docker Engine's, side by side.
struct NetworkRoutes: Sendable {
    let backends: Backends

    var routes: [Route] {
        [
            Route("GET", "/networks") { request throws(APIError) in try await list(request) },
            Route("POST", "/networks/create") { request throws(APIError) in try await create(request) },
            Route("POST", "/networks/prune") { request throws(APIError) in try await prune(request) },
            Route("GET", "/networks/{id}") { request throws(APIError) in try await inspect(request) },
            Route("DELETE", "/networks/{id}") { request throws(APIError) in try await remove(request) },
        ]
    }

    // MARK: reading

    private func list(_ request: APIRequest) async throws(APIError) -> APIReply {
        let filters = try NetworkFilters(request.query)
        let query = request.query["filters"].map { [("filters", $0)] } ?? []
        let theirs: [JSONValue] = try await askingEngine { () async throws(EngineError) in
            try await backends.engine.get("/networks", query: query)
        }
        guard await backends.control.isActive() else {
            let assigned = await backends.membership.workerAssignment()
            let shown = (assigned?.networks ?? []).filter { network in
                filters.contains(network, isInUse: assigned?.tasks.contains { $0.isOn(network.id) } ?? false)
            }
            return try .json((JSON.parse(JSON.bytes(shown.map { Engine.Network($0) })).items ?? []) + theirs)
        }
        let tasks = try await backends.tasks()
        let services = try await backends.services()
        let attached = try await backends.attached()
        let ours = try await backends.networks().filter { network in
            filters.contains(network, isInUse: Self.isInUse(network, services, tasks, attached))
        }
        let shown = ours.sorted { $0.id < $1.id }.map { Engine.Network($0) }
        let own = try JSON.parse(try JSON.bytes(shown)).items ?? []
        return try .json(own + theirs)
    }

    private func inspect(_ request: APIRequest) async throws(APIError) -> APIReply {
        let scope = request.query["scope"] ?? ""
        if scope != "local", let shown = try await assigned(request.capture("id")) { return try .json(shown) }
        guard let network = try await backends.ownNetwork(request.capture("id"), scope: scope) else {
            guard scope != "swarm" else {
                // The predefined networks are visible to a swarm's services.
                if ["host", "bridge", "none"].contains(request.capture("id")) { return .passThrough(body: nil) }
                throw APIError(404, "network \(request.capture("id")) not found")
            }
            return .passThrough(body: nil)
        }
        let tasks = try await backends.tasks()
        var shown = Engine.Network(network, tasks: tasks)
        shown.add(try await backends.attached())
        if try request.query.boolean("verbose") { shown.addServices(try await backends.services(), tasks: tasks) }
        return try .json(shown)
    }

    /// A network of a worker's assignment, with the tasks that it has there.
    private func assigned(_ reference: String) async throws(APIError) -> Engine.Network? {
        guard let assignment = await backends.membership.workerAssignment() else { return nil }
        let found = try Reference.findIfAny(
            reference, in: assignment.networks, kind: "network", id: \.id, name: \.spec.name)
        return found.map { Engine.Network($0, tasks: assignment.tasks) }
    }

    // MARK: writing

    private func create(_ request: APIRequest) async throws(APIError) -> APIReply {
        let body = try await request.body()
        guard let given = try? BodySchema.networkDriver.canonicalize(JSON.parse(body)),
            given["Driver"] == .string("overlay")
        else {
            try await refuseNameOfOurs(in: body)
            // Docker Engine makes it, or says what is wrong with it.
            return .passThrough(body: body)
        }
        try await backends.requireManager()
        let read = APIRequest(
            method: request.method, target: request.target, version: request.version, headers: request.headers,
            body: { () async throws(APIError) in body })
        let spec = try NetworkBody.specification(try await read.body(.network))
        try await refuseNameOfEngine(spec.name)
        let network = try await asking { () async throws(SwarmError) in
            try await backends.control.createNetwork(spec)
        }
        return try .json(Engine.NetworkCreated(id: network.id), status: 201)
    }

    private func remove(_ request: APIRequest) async throws(APIError) -> APIReply {
        guard let network = try await backends.ownNetwork(request.capture("id")) else {
            if try await assigned(request.capture("id")) != nil { throw APIError.worker }
            return .passThrough(body: nil)
        }
        try await asking { () async throws(SwarmError) in
            try await backends.control.removeNetwork(network.id)
        }
        return .empty(204)
    }

    private func prune(_ request: APIRequest) async throws(APIError) -> APIReply {
        let query = request.query["filters"].map { [("filters", $0)] } ?? []
        let reply = try await askingEngine { () async throws(EngineError) in
            try await backends.engine.raw(.POST, "/networks/prune", query: query)
        }
        guard reply.status == 200 else {
            throw APIError(EngineError(status: reply.status, message: Self.message(reply.body)))
        }
        var names = try JSON.parse(reply.body)["NetworksDeleted"]?.items ?? []
        if await backends.control.isActive() { names += try await pruneOwn(request.query).map { .string($0) } }
        return try .json(JSONValue.object(["NetworksDeleted": names.isEmpty ? .null : .array(names)]))
    }

    private func pruneOwn(_ query: Query) async throws(APIError) -> [String] {
        let filters = try Filters(query, allowed: ["label", "label!", "until"])
        // An age is asked of the engine's own networks; ours are kept rather than guessed at.
        guard filters["until"].isEmpty else { return [] }
        let tasks = try await backends.tasks()
        let services = try await backends.services()
        let attached = try await backends.attached()
        var names: [String] = []
        for network in try await backends.networks()
        where !network.spec.isIngress && !Self.isInUse(network, services, tasks, attached)
            && filters.allows(labels: network.spec.labels)
            && filters["label!"].allSatisfy({ !Self.carries($0, network.spec.labels) })
        {
            // As in Docker, one that has come into use meanwhile does not keep the others.
            do throws(SwarmError) {
                try await backends.control.removeNetwork(network.id)
                names.append(network.spec.name)
            } catch {
                backends.logger.warning(
                    "a network was not pruned", metadata: ["network": "\(network.spec.name)", "cause": "\(error)"])
            }
        }
        return names
    }

    // MARK: whose is it

    private func refuseNameOfOurs(in body: ByteBuffer) async throws(APIError) {
        guard await backends.control.isActive(),
            let name = try? BodySchema.networkDriver.canonicalize(JSON.parse(body))["Name"]?.text,
            try await backends.networks().contains(where: { $0.spec.name == name })
        else { return }
        throw APIError(409, "network with name \(name) already exists")
    }

    private func refuseNameOfEngine(_ name: String) async throws(APIError) {
        if ["none", "default"].contains(name) {
            throw APIError(403, "operation is not permitted on predefined \(name) network")
        }
        let theirs: [JSONValue] = try await askingEngine { () async throws(EngineError) in
            try await backends.engine.get("/networks")
        }
        if theirs.contains(where: { $0["Name"] == .string(name) }) {
            throw APIError(409, "network with name \(name) already exists")
        }
    }

    private static func isInUse(
        _ network: Swarm.Network, _ services: [Swarm.Service], _ tasks: [Swarm.Task], _ attached: [AttachedContainer]
    ) -> Bool {
        services.contains { service in
            service.spec.attachments.contains { $0.target == network.id || $0.target == network.spec.name }
        }
            || tasks.contains { $0.isOn(network.id) }
            || attached.contains { $0.networks.contains { $0.networkID == network.id } }
    }

    private static func carries(_ wanted: String, _ labels: [String: String]) -> Bool {
        let parts = wanted.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let value = labels[String(parts[0])] else { return false }
        return parts.count == 1 || value == parts[1]
    }

    private static func message(_ body: ByteBuffer) -> String {
        (try? JSON.parse(body))?["message"]?.text ?? String(buffer: body)
    }
}

extension Swarm.Task {
    /// Whether it is to run and stands on a network.
    fileprivate func isOn(_ network: Swarm.ID) -> Bool {
        desiredState <= .running && status.state <= .running && networks.contains { $0.networkID == network }
    }
}
