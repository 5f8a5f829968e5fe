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
import Logging

/// What this node stands on: Docker Engine, the keeper, the kernel, the store.
struct Ground: Sendable {
    let nodeID: Swarm.ID
    let engine: EngineClient
    let places: PlaceFiles
    let node: LinuxNode
    let runtime: DockerRuntime
    let keeper: KeeperClient
    let store: SQLiteStore

    init(_ settings: Settings) async throws {
        nodeID = try NodeIdentity.read(stateDirectory: settings.stateDirectory)
        engine = EngineClient(socketPath: settings.engineSocket)
        places = PlaceFiles(
            folder: settings.placesDirectory, runDirectory: settings.runDirectory, agentSocket: settings.controlSocket)
        node = LinuxNode(
            stateDirectory: settings.stateDirectory, namespaceDirectory: settings.namespaceDirectory, places: places,
            logger: .part("node"))
        runtime = DockerRuntime(
            engine: engine, nodeHostname: settings.nodeName, nodeID: nodeID, directory: settings.runDirectory,
            memory: settings.memoryDirectory, places: places, logger: .part("containers"))
        keeper = KeeperClient(settings.keeper, log: .part("keeper"))
        await keeper.find()
        store = try SQLiteStore(path: settings.storePath)
    }
}

/// What decides: the manager, and what this node is to a swarm.
struct SwarmParts: Sendable {
    let manager: SwarmManager
    let door: ManagerDoor
    let inventories: Inventories
    let role: NodeRole
    let logs: NodeLogs

    init(_ ground: Ground, _ settings: Settings) {
        let outside = Outside.environment(
            settings, nodeID: ground.nodeID, engine: ground.engine, runtime: ground.runtime, keeper: ground.keeper)
        let session = SessionEnvironment(now: { .now }, logger: .part("session"))
        let manager = SwarmManager(store: ground.store, environment: outside, logger: .part("manager"))
        let door = ManagerDoor(store: ground.store, manager: manager, nodeID: ground.nodeID, environment: session)
        let inventories = Inventories(
            manager: manager, door: door, nodeID: ground.nodeID,
            reader: InventoryReader(settings, hostname: settings.nodeName))
        let ownLogs = EngineLogs(engine: ground.engine)
        logs = NodeLogs(
            nodeID: ground.nodeID, own: ownLogs,
            stream: { try await door.stream(from: $0, kind: NodeLogs.kind, body: $1, $2) })
        role = NodeRole(
            manager: manager, store: ground.store,
            host: .init(
                nodeID: ground.nodeID, outside, answer: { try await inventories.answer($0) },
                stream: { try await ownLogs.answer($0, $1, to: $2) }),
            folder: settings.stateDirectory, memory: settings.memoryDirectory, environment: session)
        (self.manager, self.door, self.inventories) = (manager, door, inventories)
    }

    var services: [Part] {
        [Part { await manager.run() }, Part { await door.run() }, Part { await role.run() }]
    }
}

/// What carries out: the agent, and those who look after containers.
struct Hands: Sendable {
    let agent: Agent
    let supervisor: TaskSupervisor
    let attached: AttachedSupervisor

    init(_ ground: Ground, _ swarm: SwarmParts, _ settings: Settings) async throws {
        let memory = PeerMemoryFile(stateDirectory: settings.stateDirectory)
        let peers = PeerWatch(
            prober: try await PeerProber.open(device: Tunnel.linkName), logger: .part("peers"),
            remembered: memory.read(logger: .part("peers")), remember: { try memory.write($0) })
        let agent = Agent(
            source: swarm.role, node: ground.node, keeper: NodeSockets(keeper: ground.keeper), peers: peers,
            logger: .part("agent"))
        let supervisor = TaskSupervisor(
            runtime: ground.runtime, network: agent, nodeID: ground.nodeID, now: { .now },
            report: { reports in
                await agent.letGo(of: Set(reports.lazy.filter(\.status.state.isTerminal).map(\.taskID)))
                try await swarm.role.report(reports)
            }, logger: .part("tasks"))
        await agent.setSupervisor { await supervisor.update($0.tasks, $0.dependencies ?? []) }
        let attached = AttachedSupervisor(
            engine: ground.runtime, places: NamespacePlaces(files: ground.places, node: ground.node),
            reporting: swarm.manager, logger: .part("attached"))
        await agent.setContainerSupervisor { await attached.update($0, ready: $1) }
        (self.agent, self.supervisor, self.attached) = (agent, supervisor, attached)
    }

    var services: [Part] {
        [Part { try await agent.run() }, Part { await supervisor.run() }, Part { await attached.run() }]
    }
}

/// Where others ask: Docker's API, the `causeway` command, Prometheus.
struct Doors: Sendable {
    let api: EngineServer
    let control: ControlServer
    let metrics: MetricsServer?

    init(_ ground: Ground, _ swarm: SwarmParts, _ hands: Hands, _ settings: Settings) {
        var surface = EngineServer.Configuration(socketPath: settings.socket)
        surface.version = Release.version
        surface.hostname = settings.hostname
        surface.hostsFolder = "\(settings.stateDirectory)/hosts"
        api = EngineServer(
            surface, control: swarm.manager, membership: swarm.role, containers: swarm.manager, logs: swarm.logs,
            engine: ground.engine, logger: .part("api"), now: { .now })
        let counted = NodeMetrics(
            .init(
                store: ground.store, storePath: settings.storePath, api: surface.stopwatch, engine: ground.engine,
                recordSysctls: { try await ground.node.recordSysctls($0) },
                others: {
                    await hands.agent.count(into: &$0)
                    await ground.keeper.count(into: &$0, logger: .part("metrics"))
                }),
            logger: .part("metrics"))
        control = ControlServer(
            socketPath: settings.controlSocket, logger: .part("control"),
            plan: {
                try await hands.agent.plan().map {
                    .init(namespace: $0.namespace, steps: $0.plan.steps.map(\.description))
                }
            },
            status: { await hands.agent.report(await swarm.role.membership()) },
            starting: { (id) async throws(SwarmError) in try await hands.attached.starting(id) },
            inventories: { try await swarm.inventories.all() }, metrics: { await counted.page() })
        metrics = settings.metricsAddress.map { address in
            MetricsServer(host: address.host, port: Int(address.port), logger: .part("metrics")) {
                await counted.page()
            }
        }
    }

    var services: [Part] {
        [Part { try await api.run { ServiceNotice.send("READY=1") } }, Part { try await control.run() }]
            + (metrics.map { server in [Part { try await server.run() }] } ?? [])
    }
}

extension Logger {
    /// The logger of one part of the house.
    static func part(_ name: String) -> Logger { Logger(label: "causewayd.\(name)") }
}

extension Agent {
    /// How this node stands, for the `causeway` command.
    fileprivate func report(_ membership: Membership) -> ControlServer.Status {
        let (revision, failures) = status()
        let isManager = membership.isManager || membership.state == .locked
        let role = isManager ? "manager" : membership.state == .inactive ? "none" : "worker"
        return ControlServer.Status(
            revision: revision, failures: failures, repairs: repairs.total, role: role,
            applied: appliedRevision, peers: peerStatus().map { .init(hostname: $0.hostname, $0.observation) })
    }
}
