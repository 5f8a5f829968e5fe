import CausewayEngine
import CausewayModel
import Logging
import NIOCore
import NIOHTTP1

/// Whom the routes ask.
struct Backends: Sendable {
    var control: any SwarmControl
    /// How this node stands to a swarm, be it a manager or a worker.
    var membership: any SwarmMembership
    /// For containers of users on networks of ours.
    var containers: any ContainerControl
    var logs: any TaskLogs
    var engine: EngineClient
    var logger: Logger

    /// Refuses, in Docker's words, what only a manager can answer.
    func requireManager() async throws(APIError) {
        guard await !control.isActive() else { return }
        switch await membership.membership().state {
        case .locked: throw .locked
        case .inactive: throw .notInSwarm
        case .pending, .active, .error: throw .worker
        }
    }

    /// Whether this node is of a swarm, or about to be, in whatever role.
    func isInSwarm() async -> Bool {
        if await control.isActive() { return true }
        return await membership.membership().state != .inactive
    }

    func services() async throws(APIError) -> [Swarm.Service] {
        try await requireManager()
        return try await asking { () async throws(SwarmError) in try await control.services() }
    }

    func tasks() async throws(APIError) -> [Swarm.Task] {
        try await requireManager()
        return try await asking { () async throws(SwarmError) in try await control.tasks() }
    }

    func nodes() async throws(APIError) -> [Swarm.Node] {
        try await requireManager()
        return try await asking { () async throws(SwarmError) in try await control.nodes() }
    }

    func networks() async throws(APIError) -> [Swarm.Network] {
        try await requireManager()
        return try await asking { () async throws(SwarmError) in try await control.networks() }
    }

    func cluster() async throws(APIError) -> Swarm.Cluster {
        try await requireManager()
        return try await asking { () async throws(SwarmError) in try await control.cluster() }
    }

    func dependencies(_ kind: Swarm.Dependency.Kind) async throws(APIError) -> [Swarm.Dependency] {
        try await requireManager()
        return try await asking { () async throws(SwarmError) in try await control.dependencies(kind) }
    }

    func service(_ reference: String) async throws(APIError) -> Swarm.Service {
        try await requireManager()
        // Most are named in full: that needs no list.
        if let found = try await asking({ () async throws(SwarmError) in try await control.service(reference) }) {
            return found
        }
        let all = try await services()
        return try Reference.find(reference, in: all, kind: "service", id: \.id, name: \.spec.name)
    }

    func node(_ reference: String) async throws(APIError) -> Swarm.Node {
        let all = try await nodes()
        let own = reference == "self" ? await control.localNodeID() ?? reference : reference
        return try Reference.find(own, in: all, kind: "node", id: \.id, name: \.description.hostname)
    }

    func task(_ reference: String) async throws(APIError) -> Swarm.Task {
        let all = try await tasks()
        return try Reference.find(reference, in: all, kind: "task", id: \.id, name: \.name)
    }
}

extension APIRequest {
    /// The body as a schema lets it through.
    func body(_ schema: BodySchema) async throws(APIError) -> JSONValue {
        let bytes = try await body()
        if let type = headers.first(name: "content-type"), bytes.readableBytes > 0 {
            let media = type.split(separator: ";").first.map(String.init)?.trimmingSpaces().lowercased()
            guard media == "application/json" else {
                throw APIError(400, "unsupported Content-Type header (\(type)): must be 'application/json'")
            }
        }
        guard bytes.readableBytes > 0 else {
            throw APIError(400, "invalid JSON: the body is empty, and it must be an object")
        }
        return try schema.canonicalize(try JSON.parse(bytes))
    }
}
