import CausewayModel
import NIOCore

/// `/tasks`.
struct TaskRoutes: Sendable {
    let backends: Backends
    private let rendered = RenderedObjects()

    init(backends: Backends) { self.backends = backends }

    var routes: [Route] {
        [
            Route("GET", "/tasks") { request throws(APIError) in try await list(request) },
            Route("GET", "/tasks/{id}") { request throws(APIError) in
                let task = try await backends.task(request.capture("id"))
                return .answer(APIResponse(body: .bytes(try json(of: task, try await networksByID()))))
            },
        ]
    }

    private func list(_ request: APIRequest) async throws(APIError) -> APIReply {
        let filters = try Filters(
            request.query,
            allowed: ["id", "name", "label", "service", "node", "desired-state", "runtime", "_up-to-date"])
        let selection = try await TaskSelection(filters, backends)
        let networks = try await networksByID()
        let all = try await backends.tasks()
        rendered.forgetGone(of: all.count)
        var list = JSONArray()
        for position in all.positions(byID: \.id, where: selection.contains) {
            list.append(try json(of: all[position], networks))
        }
        return .answer(APIResponse(body: .bytes(list.close())))
    }

    private func json(
        of task: Swarm.Task, _ networks: [Swarm.ID: Swarm.Network]
    ) throws(APIError) -> ByteBuffer {
        let versions = task.networks.compactMap { networks[$0.networkID]?.meta.version }
        return try rendered.json(of: task.id, [task.meta.version] + versions) {
            Engine.Task(task, networks: networks)
        }
    }

    private func networksByID() async throws(APIError) -> [Swarm.ID: Swarm.Network] {
        Dictionary(try await backends.networks().map { ($0.id, $0) }) { first, _ in first }
    }
}

/// Which tasks a list is to hold.
struct TaskSelection: Sendable {
    private let filters: Filters
    private let states: [Swarm.Task.State]
    /// Whether only those count that are what their service wants now: asked for by any value, as in Docker.
    private let wantsUpToDate: Bool
    private let services: [Swarm.ID: Swarm.Service]

    /// Resolves names of services and nodes; an unknown one is refused.
    init(_ filters: Filters, _ backends: Backends) async throws(APIError) {
        var filters = filters
        var ids: [Swarm.ID] = []
        for reference in filters["service"] { ids.append(try await backends.service(reference).id) }
        filters.replace("service", with: ids)
        ids = []
        for reference in filters["node"] { ids.append(try await backends.node(reference).id) }
        filters.replace("node", with: ids)
        let services = filters["_up-to-date"].isEmpty ? [] : try await backends.services()
        try self.init(resolved: filters, services: services)
    }

    init(resolved filters: Filters, services: [Swarm.Service]) throws(APIError) {
        self.filters = filters
        self.services = Dictionary(services.map { ($0.id, $0) }) { first, _ in first }
        wantsUpToDate = !filters["_up-to-date"].isEmpty
        var states: [Swarm.Task.State] = []
        for word in filters["desired-state"] where !word.isEmpty {
            guard let state = Swarm.Task.State(word.lowercased()) else {
                throw APIError(400, "Invalid desired-state filter: '\(word)'")
            }
            states.append(state)
        }
        self.states = states
    }

    func contains(_ task: Swarm.Task) -> Bool {
        filters.allows("id") { task.id.hasPrefix($0) }
            && filters.allows("name") { task.name.hasPrefix($0) }
            && filters.allows(swarmLabels: task.serviceLabels)
            && filters.allows("service") { task.serviceID == $0 }
            && filters.allows("node") { task.nodeID == $0 }
            && filters.allows("runtime") { $0 == "container" || $0.isEmpty }
            && (states.isEmpty || states.contains(task.shownDesiredState))
            && (!wantsUpToDate || isUpToDate(task))
    }

    /// Whether the task is what its service's specification says now.
    ///
    /// Where it runs does not matter: a change of constraints that its node still meets replaces nothing.
    private func isUpToDate(_ task: Swarm.Task) -> Bool {
        guard let service = services[task.serviceID] else { return false }
        if task.specVersion == service.specVersion { return true }
        var old = task.spec
        var new = service.spec.taskTemplate
        old.placement = nil
        new.placement = nil
        return old == new && task.ports == service.endpoint.ports
    }
}
