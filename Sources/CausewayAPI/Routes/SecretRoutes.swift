import CausewayModel

/// `/secrets` and `/configs`: there are none yet, and that is what they say.
struct SecretRoutes: Sendable {
    let backends: Backends

    var routes: [Route] { routes(of: "secret") + routes(of: "config") }

    private func routes(of kind: String) -> [Route] {
        let missing: Route.Handler = { request throws(APIError) in
            try await backends.requireManager()
            throw APIError(404, "\(kind) \(request.capture("id")) not found")
        }
        return [
            Route("GET", "/\(kind)s") { request throws(APIError) in
                _ = try Filters(request.query, allowed: ["id", "name", "names", "label"])
                try await backends.requireManager()
                return try .json([String]())
            },
            Route("POST", "/\(kind)s/create") { _ throws(APIError) in
                try await backends.requireManager()
                throw APIError(501, "\(kind)s (docker \(kind) create) are not supported by Causeway yet")
            },
            Route("GET", "/\(kind)s/{id}", missing),
            Route("DELETE", "/\(kind)s/{id}", missing),
            Route("POST", "/\(kind)s/{id}/update", missing),
        ]
    }
}
