import CausewayAPI
import CausewayAgent
import CausewayEngine
import CausewayKeeper
import CausewayKernel
import CausewayLinux
import CausewayManager
import CausewayModel
import CausewayRuntime
import CausewaySession
import CausewayStore
import Foundation
import Logging
import ServiceLifecycle
import UnixSignals

/// The parts of a node, connected.
///
/// What each does is its own business.
struct House: Sendable {
    let settings: Settings
    let logger: Logger

    /// Runs until SIGTERM or SIGINT.
    ///
    /// Tasks, namespaces and tables stay as they are.
    func run() async throws {
        try makeDirectories()
        let lock = try StateLock(directory: settings.stateDirectory)
        defer { lock.release() }

        let nodeID = try NodeIdentity.read(stateDirectory: settings.stateDirectory)
        let engine = EngineClient(socketPath: settings.engineSocket)
        let places = PlaceFiles(
            folder: settings.placesDirectory, runDirectory: settings.runDirectory, agentSocket: settings.controlSocket)
        let node = LinuxNode(
            stateDirectory: settings.stateDirectory, namespaceDirectory: settings.namespaceDirectory, places: places,
            logger: labelled("node"))
        let runtime = DockerRuntime(
            engine: engine, nodeHostname: settings.nodeName,
            directory: settings.runDirectory, places: places, logger: labelled("containers"))
        let keeper = KeeperClient(settings.keeper, log: labelled("keeper"))
        await keeper.find()
        let store = try SQLiteStore(path: settings.storePath)
        let outside = Outside.environment(settings, nodeID: nodeID, engine: engine, runtime: runtime, keeper: keeper)
        let manager = SwarmManager(store: store, environment: outside, logger: labelled("manager"))
        let session = SessionEnvironment(now: { .now }, logger: labelled("session"))
        let door = ManagerDoor(store: store, manager: manager, nodeID: nodeID, environment: session)
        let inventories = Inventories(
            manager: manager, door: door, nodeID: nodeID,
            reader: InventoryReader(settings, hostname: settings.nodeName))
        let role = NodeRole(
            manager: manager, host: .init(nodeID: nodeID, outside, answer: { try await inventories.answer($0) }),
            folder: settings.stateDirectory, environment: session)
        let memory = PeerMemoryFile(stateDirectory: settings.stateDirectory)
        let peers = PeerWatch(
            prober: try await PeerProber.open(device: Tunnel.linkName), logger: labelled("peers"),
            remembered: memory.read(logger: labelled("peers")), remember: { try memory.write($0) })
        let agent = Agent(
            source: role, node: node, keeper: NodeSockets(keeper: keeper), peers: peers,
            logger: labelled("agent"))
        let supervisor = TaskSupervisor(
            runtime: runtime, network: agent, nodeID: nodeID, now: { .now },
            report: { try await role.report($0) }, logger: labelled("tasks"))
        await agent.setSupervisor { await supervisor.update($0) }
        let attached = AttachedSupervisor(
            engine: runtime, places: NamespacePlaces(files: places, node: node), reporting: manager,
            logger: labelled("attached"))
        await agent.setContainerSupervisor { await attached.update($0, ready: $1) }

        var surface = EngineServer.Configuration(socketPath: settings.socket)
        surface.version = Release.version
        surface.hostname = settings.hostname
        surface.hostsFolder = "\(settings.stateDirectory)/hosts"
        let api = EngineServer(
            surface, control: manager, membership: role, containers: manager, engine: engine,
            logger: labelled("api"), now: { .now })
        let metrics = NodeMetrics(
            .init(
                store: store, storePath: settings.storePath, api: surface.stopwatch, engine: engine,
                recordSysctls: { try await node.recordSysctls($0) },
                others: {
                    await agent.count(into: &$0)
                    await keeper.count(into: &$0, logger: logger)
                }),
            logger: labelled("metrics"))
        let control = ControlServer(
            socketPath: settings.controlSocket, logger: labelled("control"),
            plan: {
                try await agent.plan().map { .init(namespace: $0.namespace, steps: $0.plan.steps.map(\.description)) }
            },
            status: { await agent.report(await role.membership()) },
            starting: { (id) async throws(SwarmError) in try await attached.starting(id) },
            inventories: { try await inventories.all() }, metrics: { await metrics.page() })

        try await role.resume()
        if await !role.isInSwarm() { try await agent.cleanUp() }
        // Not waited for: the engine may be waiting for us, to make the namespaces of what it starts at boot.
        let preflight = Task {
            let found = await Outside.preflight(runtime)
            for missing in found.obstacles { logger.error("missing and essential: \(missing)") }
            for missing in found.shortcomings { logger.warning("missing: \(missing)") }
        }
        defer { preflight.cancel() }
        let scraped = settings.metricsAddress.map { address in
            MetricsServer(host: address.host, port: Int(address.port), logger: labelled("metrics")) {
                await metrics.page()
            }
        }
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: Part { await manager.run() }),
                    .init(service: Part { await door.run() }),
                    .init(service: Part { await role.run() }),
                    .init(service: Part { try await agent.run() }),
                    .init(service: Part { await supervisor.run() }),
                    .init(service: Part { await attached.run() }),
                    .init(service: Part { try await api.run { ServiceNotice.send("READY=1") } }),
                    .init(service: Part { try await control.run() }),
                ] + (scraped.map { server in [.init(service: Part { try await server.run() })] } ?? []),
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        logger.info("ready", metadata: ["socket": "\(settings.socket)"])
        try await group.run()
        await keeper.close()
        await engine.shutdown()
    }

    private func labelled(_ part: String) -> Logger { Logger(label: "causewayd.\(part)") }

    private func makeDirectories() throws {
        let files = FileManager.default
        try files.createDirectory(
            atPath: settings.stateDirectory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // One that was there already is closed as well.
        try files.setAttributes([.posixPermissions: 0o700], ofItemAtPath: settings.stateDirectory)
        // Group docker has to reach the socket in it.
        try files.createDirectory(
            atPath: settings.runDirectory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    }
}

/// One part of the house as a service: it runs until the house is asked to close, then it is cancelled.
struct Part: Service {
    let body: @Sendable () async throws -> Void

    init(_ body: @escaping @Sendable () async throws -> Void) { self.body = body }

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            // Closing the house is a cancellation, and no failure.
            do { try await body() } catch is CancellationError {}
        }
    }
}

extension Agent {
    /// How this node stands, for the `causeway` command.
    fileprivate func report(_ membership: Membership) -> ControlServer.Status {
        let (revision, failures) = status()
        let role = membership.isManager ? "manager" : membership.state == .inactive ? "none" : "worker"
        return ControlServer.Status(
            revision: revision, failures: failures, repairs: repairs.total, role: role,
            applied: appliedRevision, peers: peerStatus().map { .init(hostname: $0.hostname, $0.observation) })
    }
}
