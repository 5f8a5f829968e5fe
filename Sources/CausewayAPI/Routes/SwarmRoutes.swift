import CausewayModel
import NIOCore

/// `/swarm`.
struct SwarmRoutes: Sendable {
    let backends: Backends

    var routes: [Route] {
        [
            Route("GET", "/swarm") { _ throws(APIError) in
                try .json(Engine.Cluster(try await backends.cluster(), showsTokens: true))
            },
            Route("POST", "/swarm/init") { request throws(APIError) in try await initialize(request) },
            Route("POST", "/swarm/leave") { request throws(APIError) in
                try await asking { () async throws(SwarmError) in
                    try await backends.membership.leave(force: request.query.flag("force"))
                }
                return .empty(200)
            },
            Route("POST", "/swarm/update") { request throws(APIError) in try await update(request) },
            Route("POST", "/swarm/join") { request throws(APIError) in try await join(request) },
            Route("GET", "/swarm/unlockkey") { _ throws(APIError) in
                try await backends.requireManager()
                // Docker's answer of a swarm that does not lock: the CLI says "no unlock key is set".
                return try .json(["UnlockKey": ""])
            },
            Route("POST", "/swarm/unlock") { _ throws(APIError) in
                try await backends.requireManager()
                throw APIError(409, "swarm is not locked")
            },
        ]
    }

    private func initialize(_ request: APIRequest) async throws(APIError) -> APIReply {
        let given: InitBody = try JSON.model(try await request.body(.swarmInit))
        guard await !backends.isInSwarm() || given.forceNewCluster == true else {
            throw APIError.alreadyInSwarm
        }
        let wanted = try given.resolved(by: HostAddresses())
        let node = try await asking { () async throws(SwarmError) in try await backends.control.initialize(wanted) }
        return try .json(node)
    }

    private func join(_ request: APIRequest) async throws(APIError) -> APIReply {
        let given: JoinBody = try JSON.model(try await request.body(.swarmJoin))
        guard await !backends.isInSwarm() else { throw APIError.alreadyInSwarm }
        let wanted = try given.resolved(by: HostAddresses())
        try await asking { () async throws(SwarmError) in try await backends.membership.join(wanted) }
        return .empty(200)
    }

    private func update(_ request: APIRequest) async throws(APIError) -> APIReply {
        _ = try await backends.cluster()
        let version = try request.query.version(of: "swarm")
        let given: Swarm.ClusterSpec = try JSON.model(try await request.body(.cluster))
        let rotatesWorkerToken = try request.query.boolean("rotateWorkerToken")
        let rotatesManagerToken = try request.query.boolean("rotateManagerToken")
        if try request.query.boolean("rotateManagerUnlockKey") {
            throw APIError(501, "rotateManagerUnlockKey (--autolock) is not supported by Causeway yet")
        }
        try await asking { () async throws(SwarmError) in
            try await backends.control.updateCluster(
                given, version: version, rotateWorkerToken: rotatesWorkerToken,
                rotateManagerToken: rotatesManagerToken)
        }
        return .empty(200)
    }
}
