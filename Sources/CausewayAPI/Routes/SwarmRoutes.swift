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
                // Docker's answer of a swarm that does not lock is an empty one: the CLI says "no unlock key is set".
                try .json(["UnlockKey": try await backends.cluster().unlockKey?.text ?? ""])
            },
            Route("POST", "/swarm/unlock") { request throws(APIError) in try await unlock(request) },
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
        var rotating: Set<Swarm.Rotation> = []
        if try request.query.boolean("rotateWorkerToken") { rotating.insert(.workerToken) }
        if try request.query.boolean("rotateManagerToken") { rotating.insert(.managerToken) }
        if try request.query.boolean("rotateManagerUnlockKey") { rotating.insert(.unlockKey) }
        try await asking { [rotating] () async throws(SwarmError) in
            try await backends.control.updateCluster(given, version: version, rotating: rotating)
        }
        return .empty(200)
    }

    private func unlock(_ request: APIRequest) async throws(APIError) -> APIReply {
        let given: UnlockBody = try JSON.model(try await request.body(.swarmUnlock))
        do throws(APIError) {
            try await backends.requireManager()
        } catch  where error == .locked {
            try await asking { () async throws(SwarmError) in
                try await backends.membership.unlock(try Swarm.UnlockKey(given.key ?? ""))
            }
            return .empty(200)
        }
        throw APIError(.notLocked)
    }
}

/// The body of `POST /swarm/unlock`, after its schema.
private struct UnlockBody: Decodable, Sendable {
    var key: String?

    enum CodingKeys: String, CodingKey { case key = "UnlockKey" }
}
