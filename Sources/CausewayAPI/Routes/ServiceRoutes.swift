import CausewayModel
import NIOCore

/// `/services`.
struct ServiceRoutes: Sendable {
    let backends: Backends
    private let rendered = RenderedObjects()

    init(backends: Backends) { self.backends = backends }

    var routes: [Route] {
        [
            Route("GET", "/services") { request throws(APIError) in try await list(request) },
            Route("POST", "/services/create") { request throws(APIError) in try await create(request) },
            Route("GET", "/services/{id}") { request throws(APIError) in
                let service = try await backends.service(request.capture("id"))
                guard try !request.query.boolean("insertDefaults") else {
                    return try .json(Engine.Service(service, insertsDefaults: true))
                }
                return .answer(APIResponse(body: .bytes(try json(of: service))))
            },
            Route("POST", "/services/{id}/update") { request throws(APIError) in try await update(request) },
            Route("DELETE", "/services/{id}") { request throws(APIError) in
                let service = try await backends.service(request.capture("id"))
                try await asking { () async throws(SwarmError) in
                    try await backends.control.removeService(service.id)
                }
                return .empty(200)
            },
        ]
    }

    private func list(_ request: APIRequest) async throws(APIError) -> APIReply {
        let filters = try Filters(request.query, allowed: ["id", "name", "label", "mode", "runtime"])
        let all = try await backends.services()
        let found = all.positions(byID: \.id) { service in
            filters.allows("id") { service.id.hasPrefix($0) }
                && filters.allows("name") { service.spec.name.hasPrefix($0) }
                && filters.allows(swarmLabels: service.spec.labels)
                && filters.allows("mode") { service.spec.mode.word == $0 }
                && filters.allows("runtime") { $0 == "container" }
        }
        let status = try request.query.boolean("status") ? try await statuses() : nil
        rendered.forgetGone(of: all.count)
        var list = JSONArray()
        for position in found {
            list.append(try json(of: all[position]), with: status?(all[position]).member)
        }
        return .answer(APIResponse(body: .bytes(list.close())))
    }

    private func json(of service: Swarm.Service) throws(APIError) -> ByteBuffer {
        try rendered.json(of: service.id, [service.meta.version]) { Engine.Service(service) }
    }

    /// Counts the tasks of each service, as far as their nodes are up.
    private func statuses() async throws(APIError) -> (Swarm.Service) -> Engine.Service.Status {
        let down = Set(try await backends.nodes().filter { $0.state == .down }.map(\.id))
        let tasks = Dictionary(grouping: try await backends.tasks(), by: \.serviceID)
        return { service in
            Engine.Service.Status(of: service, tasks: tasks[service.id] ?? [], down: down)
        }
    }

    private func create(_ request: APIRequest) async throws(APIError) -> APIReply {
        let spec = try await specification(request)
        try await backends.requireManager()
        let credentials = RegistryAuth.credentials(request.headers) ?? nil
        let service = try await asking { () async throws(SwarmError) in
            try await backends.control.createService(spec, credentials: credentials)
        }
        return try .json(Engine.Created(id: service.id), status: 201)
    }

    private func update(_ request: APIRequest) async throws(APIError) -> APIReply {
        let service = try await backends.service(request.capture("id"))
        let version = try request.query.version(of: "service")
        let rollback = request.query["rollback"] ?? ""
        guard ["", "none", "previous"].contains(rollback) else {
            throw APIError(400, "unrecognized rollback option \(rollback): it must be previous or none")
        }
        let credentials = try RegistryAuth.change(request.headers, from: request.query["registryAuthFrom"] ?? "")
        // The body of a rollback is the current specification; the previous one is put back whatever it says.
        let spec = rollback == "previous" ? service.spec : try await specification(request)
        _ = try await asking { () async throws(SwarmError) in
            try await backends.control.updateService(
                service.id, spec, version: version, rollback: rollback == "previous", credentials: credentials)
        }
        return try .json(Engine.Warnings())
    }

    private func specification(_ request: APIRequest) async throws(APIError) -> Swarm.ServiceSpec {
        let body = try await request.body(.service)
        try Self.checkTemplate(body)
        return ServiceDefaults.filled(try JSON.model(body))
    }

    /// Docker's words for what a decoder would say less well.
    private static func checkTemplate(_ body: JSONValue) throws(APIError) {
        guard let container = body["TaskTemplate"]?["ContainerSpec"] else {
            throw APIError(400, "rpc error: code = InvalidArgument desc = mismatched Runtime and *Spec fields")
        }
        guard let image = container["Image"], image != .string("") else {
            throw APIError(
                400,
                "rpc error: code = InvalidArgument desc = ContainerSpec: image reference must be provided")
        }
    }
}
