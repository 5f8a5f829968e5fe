import CausewayModel

/// `/secrets` and `/configs`.
struct DependencyRoutes: Sendable {
    let backends: Backends

    var routes: [Route] { Swarm.Dependency.Kind.allCases.flatMap { routes(of: $0) } }

    private func routes(of kind: Swarm.Dependency.Kind) -> [Route] {
        [
            Route("GET", "/\(kind)s") { request throws(APIError) in try await list(kind, request) },
            Route("POST", "/\(kind)s/create") { request throws(APIError) in try await create(kind, request) },
            Route("GET", "/\(kind)s/{id}") { request throws(APIError) in
                try .json(Engine.Dependency(try await find(kind, request)))
            },
            Route("DELETE", "/\(kind)s/{id}") { request throws(APIError) in try await remove(kind, request) },
            Route("POST", "/\(kind)s/{id}/update") { request throws(APIError) in try await update(kind, request) },
        ]
    }

    private func list(_ kind: Swarm.Dependency.Kind, _ request: APIRequest) async throws(APIError) -> APIReply {
        let filters = try Filters(request.query, allowed: ["id", "name", "names", "label"])
        let found = try await backends.dependencies(kind).filter { dependency in
            filters.allows("id") { dependency.id.hasPrefix($0) }
                && filters.allows("name") { dependency.name.hasPrefix($0) }
                && filters.allows("names") { dependency.name == $0 }
                && filters.allows(labels: dependency.spec.labels ?? [:])
        }
        return try .json(found.sorted { $0.id < $1.id }.map { Engine.Dependency($0) })
    }

    private func create(_ kind: Swarm.Dependency.Kind, _ request: APIRequest) async throws(APIError) -> APIReply {
        let spec: Swarm.DependencySpec = try JSON.model(try await request.body(.dependency))
        try await backends.requireManager()
        let made = try await asking { () async throws(SwarmError) in
            try await backends.control.createDependency(kind, spec)
        }
        return try .json(Engine.Created(id: made.id), status: 201)
    }

    private func update(_ kind: Swarm.Dependency.Kind, _ request: APIRequest) async throws(APIError) -> APIReply {
        let found = try await find(kind, request)
        let version = try request.query.version(of: "\(kind)")
        let spec: Swarm.DependencySpec = try JSON.model(try await request.body(.dependency))
        try await asking { () async throws(SwarmError) in
            try await backends.control.updateDependency(found.id, spec, version: version)
        }
        return .empty(200)
    }

    private func remove(_ kind: Swarm.Dependency.Kind, _ request: APIRequest) async throws(APIError) -> APIReply {
        let found = try await find(kind, request)
        try await asking { () async throws(SwarmError) in try await backends.control.removeDependency(found.id) }
        return .empty(204)
    }

    private func find(
        _ kind: Swarm.Dependency.Kind, _ request: APIRequest
    ) async throws(APIError) -> Swarm.Dependency {
        let all = try await backends.dependencies(kind)
        return try Reference.find(request.capture("id"), in: all, kind: "\(kind)", id: \.id, name: \.name)
    }
}
