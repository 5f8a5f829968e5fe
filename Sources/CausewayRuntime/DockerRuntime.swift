import CausewayEngine
import CausewayModel
import Logging
import Synchronization

/// The node's Docker Engine as the runtime of tasks' containers.
///
/// Containers have no network of the engine's: the OCI runtime `causeway` puts them into the namespace that
/// ``start(_:namespacePath:)`` names. The engine never restarts them.
package final class DockerRuntime: ContainerRuntime {
    let engine: EngineClient
    let runtimeName: String
    let logger: Logger
    private let nodeHostname: String
    /// As the engine's filters take it: containers of tasks, of this node's alone where it is known.
    let labels: String
    private let images: ImageStore
    private let files: TaskFiles
    private let dependencyFiles: DependencyFiles
    /// The last look at each container, by identifier: spares asking again for one whose state is as it was.
    private let seen = Mutex<[String: ObservedContainer]>([:])
    /// For those who look at tasks' containers, and for those who look at all.
    let ends = AnnouncedEnds()
    let allEnds = AnnouncedEnds()

    /// `runtimeName` is the OCI runtime as registered with the engine; `directory` is the daemon's run directory;
    /// `memory` a folder in memory for secrets and configs, by default one there; without `places`, containers' places are kept in it too.
    ///
    /// With `nodeID` only that node's containers are looked at: several nodes may share an engine, and what happens to one
    /// of them is no news to the others.
    package init(
        engine: EngineClient, nodeHostname: String, nodeID: Swarm.ID? = nil, runtimeName: String = "causeway",
        directory: String = "/run/causeway", memory: String? = nil, places: PlaceFiles? = nil,
        logger: Logger = Logger(label: "causeway.runtime")
    ) {
        self.engine = engine
        self.nodeHostname = nodeHostname
        self.runtimeName = runtimeName
        self.logger = logger
        let ofNode = nodeID.map { ",\"\(ContainerCreation.Label.nodeID)=\($0)\"" } ?? ""
        labels = "[\"\(ContainerCreation.Label.taskID)\"\(ofNode)]"
        images = ImageStore(engine: engine, logger: logger)
        dependencyFiles = DependencyFiles(folder: "\(memory ?? "\(directory)/memory")/tasks")
        files = TaskFiles(
            directory: directory,
            places: places ?? PlaceFiles(folder: "\(directory)/containers", runDirectory: directory, agentSocket: ""))
    }

    // MARK: one container

    package func prepare(
        _ task: Swarm.Task, with dependencies: [Swarm.AssignedDependency]
    ) async throws(ContainerError) -> String {
        guard let spec = task.spec.containerSpec else {
            throw ContainerError(.refused, "task \(task.name) has no container specification")
        }
        let image = try await images.locate(spec.image, credentials: task.pullCredentials)
        var body = try creation(of: task, spec, image: image)
        let given = try TaskDependencies.resolved(task, dependencies, nodeHostname: nodeHostname)
        body.host.mounts += dependencyFiles.mounts(of: given, task: task.id)
        try dependencyFiles.write(given, of: task.id)
        // The engine wants the file to be there before the container, and the container's identifier is its host name.
        let addresses = task.networks.flatMap { $0.addresses.map(\.address) }
        func writeHosts(for hostname: String) throws(ContainerError) {
            let text = HostsFile.text(hostname: hostname, addresses: addresses, entries: spec.hosts ?? [])
            try files.write(hosts: text, of: task.id)
        }
        try writeHosts(for: body.hostname ?? task.name)
        let id = try await create(body, for: task)
        if (body.hostname ?? "").isEmpty { try writeHosts(for: String(id.prefix(12))) }
        return id
    }

    package func keepFiles(of tasks: Set<Swarm.ID>, dependenciesOf living: Set<Swarm.ID>) async {
        do throws(ContainerError) { try dependencyFiles.keep(of: living) } catch {
            logger.error("secrets and configs of ended tasks are still in memory", metadata: ["error": "\(error)"])
        }
        do throws(ContainerError) { try files.keep(of: tasks) } catch {
            logger.error("files of tasks that are gone are still there", metadata: ["error": "\(error)"])
        }
    }

    package func start(_ id: String, namespacePath: String) async throws(ContainerError) {
        try files.write(namespacePath: namespacePath, of: id)
        try await call(orAlready: true) { () throws(EngineError) in
            try await self.engine.post("/containers/\(id)/start", timeout: .seconds(300))
        }
    }

    package func stop(_ id: String, grace: Nanoseconds?) async throws(ContainerError) {
        let query = grace.map { [("t", "\($0.wholeSeconds)")] } ?? []
        // Without a grace given, the container's own is waited for, however long that is.
        let limit = grace.map { Duration.seconds($0.wholeSeconds + 60) }
        try await call(orAlready: true) { () throws(EngineError) in
            try await self.engine.post("/containers/\(id)/stop", query: query, timeout: limit)
        }
    }

    package func remove(_ container: ObservedContainer, force: Bool) async throws(ContainerError) {
        let query = [("v", "1"), ("force", force ? "1" : "0")]
        do throws(EngineError) {
            try await engine.delete("/containers/\(container.id)", query: query)
        } catch {
            // Somebody else removes it, or has: our files go all the same.
            let isUnderWay = error.isConflict && error.message.contains("already in progress")
            guard error.isNotFound || isUnderWay else { throw ContainerError(error) }
        }
        seen.withLock { _ = $0.removeValue(forKey: container.id) }
        try files.remove(container: container.id, task: container.taskID)
    }

    package func inspect(_ id: String) async throws(ContainerError) -> ObservedContainer? {
        guard let container = try await detail(id).map({ ObservedContainer($0) }) else { return nil }
        seen.withLock { $0[id] = container }
        return container
    }

    func detail(_ id: String) async throws(ContainerError) -> ContainerDetail? {
        do throws(EngineError) {
            return try await engine.get("/containers/\(id)/json", as: ContainerDetail.self)
        } catch {
            guard error.isNotFound else { throw ContainerError(error) }
            return nil
        }
    }

    // MARK: all containers

    package func observe() async throws(ContainerError) -> [ObservedContainer] {
        let ended = ends.take()
        do throws(ContainerError) {
            return try await observe(closely: ended)
        } catch {
            ends.note(ended)
            throw error
        }
    }

    /// The list has no exit codes and no process identifiers: whose state or health changed is looked at closely, and
    /// who is said to have ended.
    private func observe(closely ended: Set<String>) async throws(ContainerError) -> [ObservedContainer] {
        let listed = try await list([("filters", #"{"label":\#(labels)}"#)]).map { ObservedContainer($0) }
        let known = seen.withLock { seen in
            let ids = Set(listed.map(\.id))
            seen = seen.filter { ids.contains($0.key) }
            return seen
        }
        var containers: [ObservedContainer] = []
        for container in listed {
            if let last = known[container.id], !ended.contains(container.id), last.state == container.state,
                last.health == container.health || container.state != .running
            {
                containers.append(last)
            } else if container.state == .created {
                containers.append(container)
            } else if let detail = try await inspect(container.id) {
                containers.append(detail)
            }
        }
        return containers
    }

    func list(_ query: EngineClient.Query) async throws(ContainerError) -> [ContainerSummary] {
        do throws(EngineError) {
            return try await engine.get(
                "/containers/json", query: [("all", "1")] + query, as: [ContainerSummary].self)
        } catch {
            throw ContainerError(.unavailable, error.message)
        }
    }

    // MARK: inside

    private func creation(
        of task: Swarm.Task, _ spec: Swarm.ContainerSpec, image: String
    ) throws(ContainerError) -> ContainerCreation {
        do throws(TaskTemplate.Failure) {
            return try ContainerCreation(
                task: task, spec: spec, image: image, runtime: runtimeName, hostsFile: files.hosts(of: task.id),
                nodeHostname: nodeHostname)
        } catch {
            throw ContainerError(.refused, error.description)
        }
    }

    /// A container of that name is the task's own if its label says so: then an earlier answer was lost.
    private func create(_ body: ContainerCreation, for task: Swarm.Task) async throws(ContainerError) -> String {
        struct Created: Decodable {
            var id: String
            enum CodingKeys: String, CodingKey { case id = "Id" }
        }
        do throws(EngineError) {
            return try await engine.post(
                "/containers/create", query: [("name", task.name)], body: body, as: Created.self
            ).id
        } catch {
            if error.isConflict, let own = try await inspect(task.name), own.taskID == task.id { return own.id }
            if error.message.hasPrefix("Unknown runtime specified") {
                throw ContainerError(.refused, EngineProblem.runtimeMissing(runtimeName).description)
            }
            throw ContainerError(error)
        }
    }

    private func call(
        orAlready: Bool, _ body: () async throws(EngineError) -> Void
    ) async throws(ContainerError) {
        do throws(EngineError) {
            try await body()
        } catch {
            guard orAlready && error.isNotModified else { throw ContainerError(error) }
        }
    }
}
