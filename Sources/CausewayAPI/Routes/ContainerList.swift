import CausewayEngine
import CausewayModel
import NIOCore
import NIOHTTP1

/// `GET /containers/json`.
///
/// The engine knows neither networks nor ports of our containers. So it is asked for all that the other filters let
/// through, ours are judged here, and of the others it says itself which it would have shown.
struct ContainerList: Sendable {
    let backends: Backends
    let facts: ContainerFacts
    let files: HostsFiles

    func list(_ request: APIRequest) async throws(APIError) -> APIReply {
        let roster = try await backends.roster()
        guard !roster.isEmpty, let query = ContainerQuery(request.query) else { return .passThrough(body: nil) }
        facts.keep(roster.containerIDs)
        let view = ContainerView(roster: roster, files: files, defaultRuntime: try await facts.defaultRuntime())
        guard query.concernsNetworks else {
            let reply = try await backends.relay(request)
            guard reply.status == 200, let list = JSONText(reply.body)?.list else { return .relayed(reply) }
            return .relayed(reply, body: JSONText(list: try await shown(list, view)).buffer)
        }
        let theirs = try await ask(request, query.pairs(withNetworks: true, size: nil))
        guard theirs.status == 200 else { return .relayed(theirs) }
        let all = try await ask(request, query.pairs(withNetworks: false, size: request.query["size"]))
        guard all.status == 200 else { return .relayed(all) }
        let kept = try await select(JSONText(all.body)?.list ?? [], theirs: theirs.body, query, view)
        return .relayed(all, body: JSONText(list: try await shown(kept, view)).buffer)
    }

    private func ask(_ request: APIRequest, _ query: [(String, String)]) async throws(APIError) -> EngineClient.Reply {
        try await askingEngine { () async throws(EngineError) in
            let version = try await backends.engine.engineVersion()
            let target = request.target.text(for: version, path: "/containers/json", query: query)
            return try await backends.engine.relay(.GET, target: target)
        }
    }

    private func select(
        _ all: [JSONText], theirs: ByteBuffer, _ query: ContainerQuery, _ view: ContainerView
    ) async throws(APIError) -> [JSONText] {
        let passed = Set((JSONText(theirs)?.list ?? []).compactMap { $0.object?["Id"]?.text })
        var kept: [JSONText] = []
        for item in all where query.limit.map({ kept.count < $0 }) ?? true {
            guard let object = item.object, let id = object["Id"]?.text else { continue }
            guard let member = view.roster[id] else {
                if passed.contains(id) { kept.append(item) }
                continue
            }
            let isRunning = ContainerView.isRunning(listed: object)
            let exposed = isRunning ? try await facts.exposedPorts(of: id) : []
            let ports = isRunning ? try view.listedPorts(member, exposed: exposed) : []
            if query.passes(networks: view.roster.places(member).map(\.network), ports: ports) { kept.append(item) }
        }
        return kept
    }

    private func shown(_ list: [JSONText], _ view: ContainerView) async throws(APIError) -> [JSONText] {
        var result: [JSONText] = []
        for item in list {
            guard let object = item.object, let id = object["Id"]?.text, let member = view.roster[id] else {
                result.append(item)
                continue
            }
            let isRunning = ContainerView.isRunning(listed: object)
            let exposed = isRunning ? try await facts.exposedPorts(of: id) : []
            result.append(JSONText(try view.listed(object, member, exposed: exposed)))
        }
        return result
    }
}

/// The parameters of `GET /containers/json`.
struct ContainerQuery: Sendable {
    private let filters: Filters
    private let all: Bool
    /// How many at most; `nil`: as many as there are.
    let limit: Int?
    private let published: Set<String>
    private let exposed: Set<String>

    private static let ours: Set<String> = ["network", "publish", "expose"]

    /// `nil` when something in it cannot be read: the engine says what is wrong with it.
    init?(_ query: Query) {
        guard let filters = try? Filters(query) else { return nil }
        let number = query["limit"].map { $0.isEmpty ? 0 : Int($0) } ?? 0
        guard let number, let published = Self.ports(filters["publish"]), let exposed = Self.ports(filters["expose"])
        else { return nil }
        self.filters = filters
        self.published = published
        self.exposed = exposed
        limit = number > 0 ? number : nil
        // As in Docker, who asks for the last few asks for those that do not run too.
        all = query.flag("all") || number > 0
    }

    var concernsNetworks: Bool { Self.ours.contains { !filters[$0].isEmpty } }

    /// What to ask of the engine instead.
    func pairs(withNetworks: Bool, size: String?) throws(APIError) -> [(String, String)] {
        let kept = withNetworks ? filters.values : filters.values.filter { !Self.ours.contains($0.key) }
        var pairs = [("all", all ? "1" : "0")]
        if let size { pairs.append(("size", size)) }
        if !kept.isEmpty { pairs.append(("filters", String(buffer: try JSON.bytes(kept)))) }
        return pairs
    }

    /// Whether a container of ours with such networks and ports is to be shown.
    func passes(networks: [Swarm.Network], ports: [Engine.ListedPort]) -> Bool {
        filters.allows("network") { wanted in
            networks.contains { $0.spec.name == wanted || $0.id.hasPrefix(wanted) }
        } && passes(ports)
    }

    private func passes(_ ports: [Engine.ListedPort]) -> Bool {
        guard !published.isEmpty || !exposed.isEmpty else { return true }
        return ports.contains { port in
            published.contains("\(port.published ?? 0)/\(port.transport)")
                || exposed.contains("\(port.target)/\(port.transport)")
        }
    }

    /// Reads `80`, `80/udp` and `80-90/tcp`; `nil` when one is something else.
    private static func ports(_ texts: [String]) -> Set<String>? {
        var ports: Set<String> = []
        for text in texts {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            let ends = parts[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { UInt16($0) }
            guard parts.count <= 2, let first = ends[0], let last = ends.count > 1 ? ends[1] : first, first <= last
            else { return nil }
            let transport = parts.count > 1 ? parts[1].lowercased() : "tcp"
            for port in first...last { ports.insert("\(port)/\(transport)") }
        }
        return ports
    }
}
