import CausewayModel
import CausewayStore
import Logging

/// The manager of a swarm: answers what the Engine API asks, and keeps the store's tasks as its services want them.
///
/// Requests validate and write; nothing else happens in them. All the rest happens in `step`, which looks at
/// everything, whatever woke it: so a wakeup that is lost, doubled or late costs a look and nothing more.
package actor SwarmManager {
    let store: any Store
    let environment: ManagerEnvironment
    let log: Logger

    private let bell = Signal()
    /// Watched from the beginning, so that `run` misses nothing that happened before it.
    private let changes: AsyncStream<StoreEvent>
    private var round: ManagementRound
    /// How far the swarm is being left: first all services go, then the agent hears an empty assignment.
    enum Leaving { case not, stopping, empty }
    var leaving = Leaving.not

    var maker = AssignmentMaker()
    /// The last assignment of each node that hears them.
    var published: [Swarm.ID: NodeAssignment] = [:]
    var publishedRevision: UInt64?
    /// The nodes that are elsewhere.
    var sessions = NodeSessions()
    /// How this node reaches its peers.
    var localObservations: (key: Swarm.ID, value: [PeerObservation])?
    /// Since when the nodes can be heard without a gap.
    var listeningSince: Timestamp
    /// Readers of this node's own.
    var readers: [Int: AsyncStream<NodeAssignment>.Continuation] = [:]
    var nextReader = 0
    var appliedRevision: UInt64 = 0
    /// Where the pools stood when the last container of a user got its addresses.
    var containerCursors: [PoolKey: UInt64] = [:]
    /// The port given last for a `-p` without one.
    var lastFreePort: UInt16 = 0

    var journal = EventJournal()
    var listeners: [Int: AsyncStream<SwarmEvent>.Continuation] = [:]
    var nextListener = 0

    package init(store: any Store, environment: ManagerEnvironment, logger: Logger) {
        self.store = store
        self.environment = environment
        log = logger
        changes = store.watch()
        round = ManagementRound(
            newID: environment.newID, evictionAfter: environment.evictionAfter,
            drainPatience: environment.drainPatience)
        listeningSince = environment.now()
    }

    /// Keeps the swarm until its task is cancelled.
    ///
    /// Called once.
    package func run() async {
        // Not waited for: it asks the engine, which may itself wait for what this node has to do.
        let refresh = Task { await refreshNode() }
        defer { refresh.cancel() }
        await withTaskGroup(of: Void.self) { group in
            let changes = changes
            group.addTask {
                for await event in changes { await self.hear(event) }
            }
            group.addTask {
                while !Task.isCancelled {
                    let begin = self.environment.now()
                    let next = await self.step()
                    await self.breathe(after: self.environment.now().since(begin))
                    await self.rest(until: next)
                }
            }
            await group.next()
            group.cancelAll()
        }
    }

    /// Looks once at everything and does what is due; returns when the next thing will be due by itself.
    @discardableResult
    package func step() async -> Timestamp? {
        guard store.snapshot().cluster != nil else { return nil }
        guard leaving != .empty else {
            publishAssignments()
            return nil
        }
        let (before, seen) = (round, look())
        do throws(SwarmError) {
            round = try await store.write(at: environment.now()) { transaction throws(SwarmError) in
                var round = before
                if transaction.view.cluster != nil { try round.run(&transaction, seen: seen) }
                return round
            }
        } catch {
            log.error("a round of the manager failed and will be repeated", metadata: ["cause": "\(error)"])
            return environment.now().advanced(by: .seconds(1))
        }
        for note in round.notes { log.warning("\(note)") }
        for step in round.progress { log.info("\(step)") }
        publishAssignments()
        return round.next
    }

    /// What was heard of the nodes.
    ///
    /// A manager that was itself stopped for a while (a paused machine, a clock that was set) has heard nobody
    /// meanwhile, and blames nobody for it.
    private func look() -> NodesSeen {
        let now = environment.now()
        let view = store.snapshot()
        if let due = round.next, let period = view.cluster?.heartbeatPeriod, now.since(due) > period,
            view.nodes.count > 1
        {
            log.warning("this manager did not look at its nodes for \(now.since(due)); all get their whole time anew")
            listeningSince = now
        }
        var seen = NodesSeen(since: listeningSince, sightings: sessions.sightings)
        if let local = view.localNode?.id {
            seen.sightings[local] = .init(
                lastHeard: now, isConnected: !readers.isEmpty, applied: appliedRevision)
        }
        return seen
    }

    /// After the end of a swarm nobody is known any more.
    func forgetNodes() {
        sessions.forgetAll()
        localObservations = nil
        published = [:]
        maker = AssignmentMaker()
        round = ManagementRound(
            newID: environment.newID, evictionAfter: environment.evictionAfter,
            drainPatience: environment.drainPatience)
    }

    /// Something that is not in the store has changed.
    func wake() { bell.ring() }

    /// Of the manager's time requests have at least four fifths, and no change waits longer than this for its look.
    private static let (restForEachLook, longestRest) = (Int64(4), Nanoseconds.milliseconds(50))

    /// Leaves most of the time to requests: many changes at once are looked at together, and one by itself at once.
    private func breathe(after look: Nanoseconds) async {
        guard look > .zero else { return }
        await environment.sleep(min(Nanoseconds(look.rawValue * Self.restForEachLook), Self.longestRest))
    }

    private func rest(until next: Timestamp?) async {
        let bell = bell
        guard let next else { return await bell.wait() }
        let sleep = environment.sleep
        let delay = max(next.since(environment.now()), .zero)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await bell.wait() }
            group.addTask { await sleep(delay) }
            await group.next()
            group.cancelAll()
        }
    }

    private func hear(_ event: StoreEvent) {
        switch event {
        case .committed(_, let changes):
            announce(changes)
        case .reread(let revision):
            log.info("the store was read anew; swarm events up to revision \(revision) may have been missed")
        }
        wake()
    }

    /// The node knows itself better than the store does: a restart may have changed it.
    func refreshNode() async {
        // None yet, or none that can be read: an unlocked manager does it then.
        guard store.snapshot().cluster != nil else { return }
        let description = await environment.describeNode()
        do throws(SwarmError) {
            try await store.write(at: environment.now()) { transaction throws(SwarmError) in
                guard var node = transaction.view.localNode else { return }
                node.description = description
                node.state = .ready
                try transaction.update(node)
            }
        } catch {
            log.error("the node's description could not be stored", metadata: ["cause": "\(error)"])
        }
    }

    /// The newest state, if this node is in a swarm.
    func view() throws(SwarmError) -> StoreSnapshot {
        let view = store.snapshot()
        guard view.cluster != nil else { throw store.isLocked ? .locked : Refusal.notManager }
        return view
    }

    /// Writes, and wakes the loop.
    @discardableResult
    func write<R: Sendable>(
        _ body: @escaping @Sendable (inout StoreTransaction) throws(SwarmError) -> R
    ) async throws(SwarmError) -> R {
        let result = try await store.write(at: environment.now()) { transaction throws(SwarmError) in
            guard transaction.view.cluster != nil else { throw Refusal.notManager }
            return try body(&transaction)
        }
        wake()
        return result
    }
}

extension StoreSnapshot {
    /// The node that this manager runs on: there is one manager.
    var localNode: Swarm.Node? { nodes.all.first { $0.spec.role == .manager } }
}
