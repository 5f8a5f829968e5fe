import CausewayModel
import Logging

/// Looks after the containers that users made on networks of ours: says where they are to be started, and tells the
/// manager which of them run and which are gone.
///
/// Docker Engine starts and ends them. While it does not answer, nothing is said about any of them.
package actor AttachedSupervisor {
    private let engine: any ContainerLister
    private let places: any ContainerPlaces
    private let reporting: any ContainerReporting
    private let logger: Logger
    private let interval: Duration
    private let wakeups: AsyncStream<Void>
    private let wakeup: AsyncStream<Void>.Continuation

    private var containers: [AttachedContainer] = []
    /// The namespace that was written down for each container, by the engine's identifier.
    private var written: [String: String] = [:]
    private var isInformed = false
    private var isEngineSilent = false

    package init(
        engine: any ContainerLister, places: any ContainerPlaces, reporting: any ContainerReporting,
        logger: Logger = Logger(label: "causeway.attached"), interval: Duration = .seconds(5)
    ) {
        self.engine = engine
        self.places = places
        self.reporting = reporting
        self.logger = logger
        self.interval = interval
        (wakeups, wakeup) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Takes the whole list of this node's containers; `ready` are the namespaces that are complete.
    package func update(_ new: [AttachedContainer], ready: Set<String>) {
        let kept = Set(new.compactMap(\.containerID))
        for container in containers where !new.contains(where: { $0.id == container.id }) {
            attempt("forget \(container.name)") { try places.unmarkReady(TaskPlace.namespaceName(of: container)) }
        }
        for id in written.keys.sorted() where !kept.contains(id) {
            if attempt("forget the place of \(id)", { try places.remove(container: id) }) { written[id] = nil }
        }
        for container in new {
            let namespace = TaskPlace.namespaceName(of: container)
            if ready.contains(namespace) {
                attempt("mark \(namespace) as complete") { try places.markReady(namespace) }
            }
            guard let id = container.containerID, written[id] != namespace else { continue }
            if attempt("write the place of \(container.name)", { try places.write(namespace: namespace, of: id) }) {
                written[id] = namespace
            }
        }
        containers = new
        isInformed = true
        wakeup.yield()
    }

    /// Works until it is cancelled: on changes, on the engine's events, and on a slow timer.
    ///
    /// To be called once.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.engine.watchAll { self.wakeup.yield() } }
            group.addTask {
                while await Task.pause(for: self.interval) { self.wakeup.yield() }
            }
            for await _ in wakeups {
                if Task.isCancelled { break }
                await look()
            }
            group.cancelAll()
        }
    }

    /// Docker Engine is about to run a container; false for one that is none of ours.
    package func starting(_ containerID: String) async throws(SwarmError) -> Bool {
        try await reporting.starting(containerID: containerID)
    }

    /// Looks at everything once.
    func look() async {
        guard isInformed else { return }
        do {
            // In this order: what is made after the engine was asked is in neither.
            let placed = try places.containers()
            let known = Set(containers.map(\.id))
            guard !known.isEmpty || !placed.isEmpty else { return }
            let seen = try await engine.seen()
            if isEngineSilent { logger.notice("the engine answers again") }
            isEngineSilent = false
            for id in placed where seen[id] == nil {
                logger.info("forgetting the place of container \(id.prefix(12)), which is gone")
                try places.remove(container: id)
                written[id] = nil
            }
            try await reporting.report(seen, of: known)
        } catch let error as ContainerError where error.reason == .unavailable {
            if !isEngineSilent && !Task.isCancelled {
                logger.error("cannot look at users' containers: \(error); they stay as they were last seen")
            }
            isEngineSilent = true
        } catch {
            logger.error("cannot look after users' containers, will try again: \(error)")
        }
    }

    /// Whether it was done.
    @discardableResult private func attempt(_ what: String, _ body: () throws -> Void) -> Bool {
        do {
            try body()
            return true
        } catch {
            logger.error("cannot \(what), will try again: \(error)")
            return false
        }
    }
}
