import CausewayModel

/// `/nodes`.
struct NodeRoutes: Sendable {
    let backends: Backends

    var routes: [Route] {
        [
            Route("GET", "/nodes") { request throws(APIError) in try await list(request) },
            Route("GET", "/nodes/{id}") { request throws(APIError) in try await inspect(request) },
            Route("POST", "/nodes/{id}/update") { request throws(APIError) in try await update(request) },
            Route("DELETE", "/nodes/{id}") { request throws(APIError) in try await remove(request) },
        ]
    }

    private func list(_ request: APIRequest) async throws(APIError) -> APIReply {
        let filters = try Filters(
            request.query, allowed: ["id", "name", "label", "node.label", "role", "membership"])
        for role in filters["role"] where Swarm.Node.Role(rawValue: role) == nil {
            throw APIError(400, "Invalid role filter: '\(role)'")
        }
        for membership in filters["membership"] where !["accepted", "pending"].contains(membership) {
            throw APIError(400, "Invalid membership filter: '\(membership)'")
        }
        let cluster = try await backends.cluster()
        let nodes = try await backends.nodes().filter { node in
            filters.allows("id") { node.id.hasPrefix($0) }
                && filters.allows("name") { node.description.hostname.hasPrefix($0) }
                && filters.allows("label", labels: node.description.engineLabels)
                && filters.allows("node.label", labels: node.spec.labels)
                && filters.allows("role") { node.spec.role.rawValue == $0 }
                && filters.allows("membership") { $0 == "accepted" }
        }
        return try .json(nodes.sorted { $0.id < $1.id }.map { Engine.Node($0, cluster: cluster) })
    }

    private func inspect(_ request: APIRequest) async throws(APIError) -> APIReply {
        let node = try await backends.node(request.capture("id"))
        return try .json(Engine.Node(node, cluster: try await backends.cluster()))
    }

    private func update(_ request: APIRequest) async throws(APIError) -> APIReply {
        let node = try await backends.node(request.capture("id"))
        let version = try request.query.version(of: "node")
        let given = try await request.body(.node)
        // What is not said stays as it is, but for labels, which are given whole.
        var spec = node.spec
        let wanted: NodeChange = try JSON.model(given)
        spec.name = wanted.name
        spec.labels = wanted.labels ?? [:]
        spec.role = wanted.role ?? spec.role
        spec.availability = wanted.availability ?? spec.availability
        try await asking { [spec] () async throws(SwarmError) in
            try await backends.control.updateNode(node.id, spec, version: version)
        }
        return .empty(200)
    }

    private func remove(_ request: APIRequest) async throws(APIError) -> APIReply {
        let node = try await backends.node(request.capture("id"))
        try await asking { () async throws(SwarmError) in
            try await backends.control.removeNode(node.id, force: request.query.flag("force"))
        }
        return .empty(200)
    }
}

/// The body of a node's update.
private struct NodeChange: Decodable {
    var name: String?
    var labels: [String: String]?
    var role: Swarm.Node.Role?
    var availability: Swarm.Node.Availability?

    enum CodingKeys: String, CodingKey {
        case name = "Name"
        case labels = "Labels"
        case role = "Role"
        case availability = "Availability"
    }
}
