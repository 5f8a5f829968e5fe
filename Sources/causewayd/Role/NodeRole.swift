import CausewayManager
import CausewayModel
import CausewaySession
import CausewayStore
import Foundation
import Logging

/// What this node is to a swarm: nothing, its manager, or a worker; and so where its assignments come from.
///
/// The manager's store says whether it is one, the credentials in the state folder whether it is a worker. Both survive
/// a restart, and never both are there. The agent has one source all the time, this one: what it hears and says goes
/// to the manager in this process, or over the session.
actor NodeRole {
    /// What joining needs to know of this host.
    struct Host: Sendable {
        var nodeID: Swarm.ID
        var describe: @Sendable () async -> Swarm.Node.Description
        var routes: @Sendable () async throws -> [CIDR]
        /// An address from an address or a link's name.
        var address: @Sendable (String) async throws -> IPAddress
        /// The address of ours that a host is called from.
        var source: @Sendable (_ manager: String) async throws -> IPAddress
        var obstacles: @Sendable () async -> [String]
        /// Answers what a manager asks of this node.
        var answer: @Sendable (_ kind: String) async throws -> Data
        /// Gives a manager what it asks for in parts.
        var stream: RemoteManager.Node.Stream
    }

    /// This node as a worker.
    struct Member {
        let remote: RemoteManager
        let place: MemberFile.Content
        /// Rung when there is nothing more to say to managers.
        let ended: Bell
        var state: SessionState
        /// It is taking everything down, at its own will or because it was removed.
        var isLeaving = false
    }

    let manager: SwarmManager
    /// The manager's; locked or not.
    let store: any Store
    let host: Host
    let environment: SessionEnvironment
    /// Where credentials and the last assignment are kept.
    let folder: String
    /// Where the secrets and configs of a worker's assignment are kept, in memory.
    let memory: String
    let file: MemberFile
    /// How long leaving waits for tasks to stop, and again for the kernel to be empty; joining, for an assignment.
    let patience: Duration

    var member: Member?
    var isJoining = false
    /// The swarm is being left although it is locked.
    var isForgetting = false
    var newest: NodeAssignment?
    var applied: UInt64 = 0
    /// The states that this node's tasks were last seen in.
    var taskStates: [Swarm.ID: Swarm.Task.State] = [:]
    private let stream: AsyncStream<NodeAssignment>
    private let outlet: AsyncStream<NodeAssignment>.Continuation
    private let members: AsyncStream<Member>
    private let newMember: AsyncStream<Member>.Continuation

    init(
        manager: SwarmManager, store: any Store, host: Host, folder: String, memory: String,
        environment: SessionEnvironment,
        patience: Duration = .seconds(30)
    ) {
        self.manager = manager
        self.store = store
        self.host = host
        self.environment = environment
        self.folder = folder
        self.memory = memory
        file = MemberFile(stateDirectory: folder)
        self.patience = patience
        (stream, outlet) = AsyncStream.makeStream(of: NodeAssignment.self, bufferingPolicy: .bufferingNewest(1))
        (members, newMember) = AsyncStream.makeStream(of: Member.self)
    }

    /// Takes up the role that this node had; to be called once, before `run`.
    ///
    /// A worker goes on with what it heard last, whether a manager is there or not.
    func resume() async throws(SwarmError) {
        if store.isLocked { return resumeLocked() }
        guard await !manager.isActive(), let place = try file.read() else { return }
        // It was about to leave when it ended.
        guard try NodeCredentials.read(in: folder) != nil else { return try file.remove() }
        try begin(place)
    }

    var log: Logger { environment.logger }

    /// Whether this node is in a swarm, as whatever.
    func isInSwarm() async -> Bool {
        if member != nil || store.isLocked { return true }
        return await manager.isActive()
    }

    /// Follows the manager in this process, and the sessions of this node, one after the other.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                for await assignment in await self.manager.assignments() { await self.hearOwn(assignment) }
            }
            group.addTask { await self.followLock() }
            for await member in members { group.addTask { await self.keep(member) } }
            group.cancelAll()
        }
    }

    /// Starts the session of the member that the state folder speaks of.
    func begin(_ place: MemberFile.Content) throws(SwarmError) {
        let node = RemoteManager.Node(
            folder: folder, memory: memory, hello: { [host] in await host.hello(place) },
            answer: { [host] kind, _ in try await host.answer(kind) }, stream: host.stream)
        let new = Member(
            remote: try RemoteManager(node: node, environment: environment), place: place, ended: Bell(),
            state: .lost(reason: "not started"))
        member = new
        newMember.yield(new)
    }

    private func keep(_ member: Member) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await new in await member.remote.assignments() { await self.hear(new) } }
            group.addTask { for await state in await member.remote.states() { await self.note(state) } }
            group.addTask {
                // How it ended is the last of its states.
                do throws(SessionEnd) { try await member.remote.run() } catch {}
            }
            await member.ended.wait()
            group.cancelAll()
        }
    }

    private func note(_ state: SessionState) async {
        guard let member, !member.isLeaving else { return }
        self.member?.state = state
        if case .ended(.removed) = state { await giveUp() }
    }

    // MARK: assignments

    func hear(_ assignment: NodeAssignment) {
        guard let member, !member.isLeaving else { return }
        tell(assignment)
    }

    private func hearOwn(_ assignment: NodeAssignment) {
        guard member == nil else { return }
        // First, so that the node never does what a locked start would undo.
        if store.locks { keepOwn(assignment) }
        tell(assignment)
    }

    func tell(_ assignment: NodeAssignment) {
        newest = assignment
        let ids = Set(assignment.tasks.map(\.id))
        taskStates = taskStates.filter { ids.contains($0.key) }
        outlet.yield(assignment)
    }

    /// The assignment that the agent got last.
    func newestAssignment() -> NodeAssignment? { newest }
}

extension NodeRole: AssignmentSource {
    /// For one reader, the agent.
    func assignments() async -> AsyncStream<NodeAssignment> { stream }

    func report(_ reports: [TaskReport]) async throws {
        for report in reports { taskStates[report.taskID] = report.status.state }
        guard let member else {
            if store.isLocked { rest(backends: Set(reports.lazy.filter(\.status.state.isTerminal).map(\.taskID))) }
            return try await manager.report(reports)
        }
        // Who leaves has told already, and nobody listens any more.
        if !member.isLeaving { await member.remote.report(reports) }
    }

    func applied(revision: UInt64) async throws {
        applied = revision
        guard let member else { return try await manager.applied(revision: revision) }
        if !member.isLeaving { await member.remote.applied(revision: revision) }
    }

    func observed(_ peers: [PeerObservation]) async throws {
        guard let member else { return await manager.observed(peers) }
        if !member.isLeaving { await member.remote.observed(peers) }
    }
}

extension NodeRole.Host {
    /// What the manager needs of this host, a worker needs too.
    init(
        nodeID: Swarm.ID, _ outside: ManagerEnvironment, answer: @escaping @Sendable (String) async throws -> Data,
        stream: @escaping RemoteManager.Node.Stream
    ) {
        self.init(
            nodeID: nodeID, describe: outside.describeNode, routes: outside.hostRoutes, address: outside.defaultAddress,
            source: { try SourceAddress.towards($0) }, obstacles: outside.obstacles, answer: answer,
            stream: stream)
    }

    /// What this node says of itself at the start of a session.
    func hello(_ place: MemberFile.Content) async -> NodeHello {
        NodeHello(
            description: await describe(), address: place.address, dataAddress: place.dataAddress,
            // Without them nothing is refused; the next hello has them.
            routes: (try? await routes()) ?? [])
    }
}

/// Rung once, it stays rung.
actor Bell {
    private var isRung = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func ring() {
        isRung = true
        for continuation in waiting { continuation.resume() }
        waiting = []
    }

    /// Returns when it has been rung, or when the task is cancelled.
    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if isRung || Task.isCancelled { return continuation.resume() }
                waiting.append(continuation)
            }
        } onCancel: {
            Task { await ring() }
        }
    }
}
