import CausewayManager
import CausewayModel
import CausewayStore
import Testing

/// A node that speaks with the manager as a session would, and does what it hears.
///
/// `isCut`: the manager cannot be reached; what runs goes on, and what there is to say is kept.
final class FakeNode {
    let id: Swarm.ID
    let hostname: String
    var agent = FakeAgent()
    var session: NodeSessionID?
    var isCut = false
    /// How many seconds pass before it applies what it hears.
    var slowness: Int64 = 0
    private(set) var applied: NodeAssignment?
    private(set) var runs: Set<Swarm.ID> = []
    private var heard: [(at: Timestamp, assignment: NodeAssignment)] = []
    private var outbox: [TaskReport] = []
    /// The assignments' streams, as long as they are held, are open.
    private var stream: AsyncStream<NodeAssignment>?

    /// What is different about it.
    var edit: (inout Swarm.Node.Description) -> Void = { _ in }

    init(_ number: Int) {
        hostname = "n\(number)"
        id = "node" + String(repeating: "0", count: 21 - "\(number)".count) + "\(number)"
    }

    var hello: NodeHello {
        var description = Swarm.Node.Description(
            hostname: hostname, architecture: "x86_64", nanoCPUs: 2_000_000_000, memoryBytes: 1 << 30,
            engineVersion: "20.10")
        edit(&description)
        return NodeHello(
            description: description,
            address: IPAddress("192.0.2.\(hostname.dropFirst())") ?? .v4(IPv4Address(rawValue: 0)))
    }

    func join(_ world: World, token: String = "w") async throws {
        _ = try await world.manager.admit(JoinRequest(token: token, nodeID: id, hello: hello))
        try await connect(world)
    }

    func connect(_ world: World) async throws {
        var hello = hello
        hello.applied = applied?.revision ?? 0
        let grant = try await world.manager.open(hello, from: id)
        session = grant.session
        stream = grant.assignments
        isCut = false
    }

    /// The agent ends and comes back: what it had heard and not yet done is gone, what ran goes on.
    func restart(_ world: World) async throws {
        heard = []
        if !isCut { try await connect(world) }
    }

    /// The manager sees nothing: not even that the connection is gone.
    func cut() { isCut = true }

    /// Hears, applies, obeys and reports.
    ///
    /// What `loses` says is lost on the way is said again the next time, after what
    /// was said later.
    func live(_ world: World, loses: () -> Bool = { false }) async throws {
        let now = world.script.now
        if !isCut, let session {
            if !loses() { try await world.manager.heartbeat(session) }
            if let newest = await world.manager.assigned(to: id), newest.revision != heard.last?.assignment.revision {
                heard.append((now.advanced(by: .seconds(slowness)), newest))
            }
        }
        // Applied and obeyed in this order, and always the newest that is due.
        if let due = heard.lastIndex(where: { $0.at <= now }) {
            applied = heard[due].assignment
            heard.removeFirst(due)
        }
        let reports = agent.obey(applied, at: now)
        for report in reports {
            if report.status.state == .running { runs.insert(report.taskID) }
            if report.status.state.isTerminal { runs.remove(report.taskID) }
        }
        outbox += reports
        guard !isCut, let session else { return }
        if let applied { try await world.manager.applied(applied.revision, in: session) }
        guard !outbox.isEmpty else { return }
        if loses() {
            outbox.reverse()
            return
        }
        try await world.manager.report(outbox, in: session)
        outbox = []
    }
}

/// A manager with its own agent, and nodes elsewhere, wired in one process.
final class ClusterWorld {
    private(set) var world: World
    var nodes: [FakeNode] = []
    private var own: AsyncStream<NodeAssignment>
    private var nextNumber = 2
    private(set) var ownApplied: NodeAssignment?
    private(set) var ownRuns: Set<Swarm.ID> = []

    private init(_ world: World) async {
        self.world = world
        own = await world.manager.assignments()
    }

    static func started(nodes count: Int) async throws -> ClusterWorld {
        let cluster = ClusterWorld.self
        let world = await cluster.init(try await World.started())
        for _ in 1..<max(count, 1) { try await world.add() }
        return world
    }

    @discardableResult
    func add(_ edit: @escaping (inout Swarm.Node.Description) -> Void = { _ in }) async throws -> FakeNode {
        let node = FakeNode(nextNumber)
        node.edit = edit
        nextNumber += 1
        try await node.join(world)
        nodes.append(node)
        return node
    }

    /// The manager ends and comes back, with what its store holds; the nodes that can reach it find it again.
    func restartManager() async throws {
        let again = World(store: world.store, script: world.script)
        again.agent = world.agent
        world = again
        own = await again.manager.assignments()
        for node in nodes where !node.isCut { try await node.connect(again) }
    }

    var manager: SwarmManager { world.manager }
    var view: StoreSnapshot { world.view }
    var local: Swarm.ID { get throws { try #require(view.nodes.all.first { $0.isLeader }?.id) } }

    func node(_ id: Swarm.ID) throws -> Swarm.Node { try #require(view.nodes[id]) }

    /// One look of everybody.
    func turn(loses: () -> Bool = { false }) async throws {
        await manager.step()
        if let newest = await manager.assigned(to: try local) { ownApplied = newest }
        let reports = world.agent.obey(ownApplied, at: world.script.now)
        for report in reports {
            if report.status.state == .running { ownRuns.insert(report.taskID) }
            if report.status.state.isTerminal { ownRuns.remove(report.taskID) }
        }
        if let ownApplied { try await manager.applied(revision: ownApplied.revision) }
        try await manager.report(reports)
        for node in nodes { try await node.live(world, loses: loses) }
    }

    /// Lets all talk until nobody has anything to say; time stands still.
    func settle() async throws {
        var quiet = 0
        for _ in 0..<200 {
            let before = view.revision
            // One that is slow may repeat itself: what counts is whether that was news.
            try await turn()
            quiet = view.revision != before ? 0 : quiet + 1
            if quiet == 3 { return }
        }
        Issue.record("manager and nodes never come to rest")
    }

    /// Lets time pass, a second at a time.
    func run(_ seconds: Int, loses: () -> Bool = { false }, each: () throws -> Void = {}) async throws {
        for _ in 0..<seconds {
            for _ in 0..<3 { try await turn(loses: loses) }
            try each()
            world.script.advance(.seconds(1))
        }
        try await settle()
    }

    /// How many tasks of a service each node runs, by its own knowledge.
    func spread(_ service: Swarm.Service) throws -> [String: Int] {
        let tasks = Set(world.tasks(service).map(\.id))
        var counts = ["n1": ownRuns.intersection(tasks).count]
        for node in nodes { counts[node.hostname] = node.runs.intersection(tasks).count }
        return counts
    }

    func set(_ availability: Swarm.Node.Availability, of id: Swarm.ID) async throws {
        try await edit(id) { $0.availability = availability }
    }

    func edit(_ id: Swarm.ID, _ edit: (inout Swarm.Node.Spec) -> Void) async throws {
        let node = try node(id)
        var spec = node.spec
        edit(&spec)
        try await manager.updateNode(id, spec, version: node.meta.version)
    }
}
