import CausewayModel
import Logging

/// Brings the containers of this node's tasks to what is assigned, and says what became of them.
///
/// Each round looks at every container and at every task, so a wakeup that is lost, doubled or late costs a look and
/// nothing else. Tasks go on side by side; the steps of one task follow each other strictly. Before the first
/// ``update(_:)`` nothing is touched, so a restart of the daemon removes nothing and starts nothing twice. While the
/// engine does not answer, nothing is said about any task.
package actor TaskSupervisor {
    /// Something that a round found to do, by itself.
    enum Job: Hashable, Sendable {
        case advance(Swarm.ID)
        /// The container of a task that is not assigned any more.
        case clear(ObservedContainer)
    }

    /// What is known of one assigned task.
    struct Record {
        var task: Swarm.Task
        /// The highest status known: the manager's or our own.
        var status: Swarm.Task.Status
        var container: ObservedContainer?
        /// The end of its last job: a look that began before that shows less than we know.
        var settled = 0
        var failures = 0
        var retryAt: Timestamp?
    }

    let runtime: any ContainerRuntime
    let network: any TaskNetwork
    let nodeID: Swarm.ID
    let now: @Sendable () -> Timestamp
    let logger: Logger
    private let report: @Sendable ([TaskReport]) async throws -> Void
    private let clock: any Clock<Duration>
    private let wakeups: AsyncStream<Void>
    private let wakeup: AsyncStream<Void>.Continuation
    private let outgoing: AsyncStream<Void>
    private let outgoingReady: AsyncStream<Void>.Continuation

    /// A pull may take minutes and must not keep others from starting.
    let preparing = CallGate(16)
    let starting = CallGate(8)
    let removing = CallGate(8)

    var records: [Swarm.ID: Record] = [:]
    /// Secrets and configs that tasks use.
    private(set) var dependencies: [Swarm.AssignedDependency] = []
    /// Tasks that somebody works on, assigned or not.
    var busy: Set<Swarm.ID> = []
    private var outbox: [TaskReport] = []
    private var isSending = false
    private var isInformed = false
    private var isEngineSilent = false
    /// Counts ended jobs, to tell whether a look began before or after one ended.
    private var sequence = 0

    /// `report` takes reports in order and may be called again with those that it threw at.
    package init(
        runtime: any ContainerRuntime, network: any TaskNetwork, nodeID: Swarm.ID,
        now: @escaping @Sendable () -> Timestamp, report: @escaping @Sendable ([TaskReport]) async throws -> Void,
        logger: Logger = Logger(label: "causeway.tasks"), clock: any Clock<Duration> = .continuous
    ) {
        self.runtime = runtime
        self.network = network
        self.nodeID = nodeID
        self.now = now
        self.report = report
        self.logger = logger
        self.clock = clock
        (wakeups, wakeup) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        (outgoing, outgoingReady) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Takes the whole list of tasks assigned to this node.
    ///
    /// A task that is not in it loses its container.
    package func update(_ tasks: [Swarm.Task], _ dependencies: [Swarm.AssignedDependency] = []) {
        let hasNews = dependencies != self.dependencies
        self.dependencies = dependencies
        var updated: [Swarm.ID: Record] = [:]
        for task in tasks {
            var record = records[task.id] ?? Record(task: task, status: task.status)
            record.task = task
            if task.status.supersedes(record.status) { record.status = task.status }
            // What it waits for may have come.
            if hasNews { record.retryAt = nil }
            updated[task.id] = record
        }
        records = updated
        isInformed = true
        wakeup.yield()
    }

    /// Works until it is cancelled: on assignments, on the engine's events, and every 5 seconds.
    ///
    /// Containers stay as they are when it ends. To be called once.
    package func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.runtime.watch { self.wakeup.yield() } }
            group.addTask { await self.tick() }
            group.addTask { for await _ in self.outgoing { await self.flush() } }
            for await _ in wakeups {
                for job in await round() { group.addTask { await self.carryOut(job) } }
            }
            group.cancelAll()
        }
    }

    private func tick() async {
        while !Task.isCancelled {
            do { try await clock.sleep(for: .seconds(5)) } catch { return }
            repeatStaleReports()
            wakeup.yield()
            outgoingReady.yield()
        }
    }

    // MARK: looking

    /// Looks at everything and returns what there is to do; each job has to be carried out.
    func round() async -> [Job] {
        guard isInformed else { return [] }
        let stamp = sequence
        guard let containers = await look() else { return [] }
        let ours = Dictionary(grouping: containers.filter { $0.nodeID == nodeID }, by: \.taskID)
        var jobs: [Job] = []
        for id in records.keys.sorted() where !busy.contains(id) {
            guard var record = records[id], record.settled <= stamp, record.retryAt.map({ $0 <= now() }) ?? true
            else { continue }
            record.container = ours[id]?.min(by: Self.matters)
            records[id] = record
            // What needs no call is settled here; a call gets its own Swift task.
            if settle(id) != nil { jobs.append(.advance(id)) }
        }
        for (id, containers) in ours.sorted(by: { $0.key < $1.key }) where records[id] == nil && !busy.contains(id) {
            jobs += containers.map { .clear($0) }
            busy.insert(id)
        }
        for case .advance(let id) in jobs { busy.insert(id) }
        await keepFiles(of: ours)
        return jobs
    }

    /// A task's files are kept while there is a container, its secrets and configs until it has ended.
    ///
    /// What is in the making keeps both: nobody makes a container but for a task that has not ended, or is busy.
    private func keepFiles(of containers: [Swarm.ID: [ObservedContainer]]) async {
        let wanted = busy.union(records.filter { !$0.value.status.state.isTerminal }.keys)
        let running = containers.filter { $0.value.contains { $0.state == .running } }.keys
        await runtime.keepFiles(of: wanted.union(containers.keys), dependenciesOf: wanted.union(running))
    }

    /// What runs comes first if a task has several containers, which only somebody else can have brought about.
    private static func matters(_ a: ObservedContainer, _ b: ObservedContainer) -> Bool {
        (a.state == .running ? 0 : 1, a.id) < (b.state == .running ? 0 : 1, b.id)
    }

    private func look() async -> [ObservedContainer]? {
        do throws(ContainerError) {
            let containers = try await runtime.observe()
            if isEngineSilent { logger.notice("the engine answers again") }
            isEngineSilent = false
            return containers
        } catch {
            if !isEngineSilent && !Task.isCancelled {
                logger.error("cannot look at containers: \(error); tasks keep their last known states")
            }
            isEngineSilent = true
            return nil
        }
    }

    // MARK: knowing

    /// Reports what there is to report of a task, and returns what then has to be done for it.
    func settle(_ id: Swarm.ID) -> TaskDecision.Action? {
        while let record = records[id] {
            let decision = TaskDecision.next(
                for: record.task, status: record.status, container: record.container, now: now())
            switch decision {
            case .report(let status): raise(id, to: status)
            case .act(let action): return action
            case .wait: return nil
            }
        }
        return nil
    }

    /// Takes a status of a task, if it supersedes the last one, and queues a report of it.
    func raise(_ id: Swarm.ID, to status: Swarm.Task.Status) {
        guard let record = records[id], status.supersedes(record.status) else { return }
        records[id]?.status = status
        outbox.append(TaskReport(taskID: id, status: status))
        outgoingReady.yield()
        let word = status.isUnhealthy == true ? "unhealthy" : status.state.description
        logger.info("task \(record.task.name): \(word)", metadata: status.error.map { ["error": "\($0)"] } ?? [:])
    }

    /// Ends a job.
    ///
    /// After a failure without a time to retry at, only the timer or an event wakes the next round.
    func finish(_ id: Swarm.ID, wakes: Bool = true) {
        sequence += 1
        records[id]?.settled = sequence
        busy.remove(id)
        if wakes { wakeup.yield() }
    }

    // MARK: saying

    /// Hands on what is to be reported, in order.
    ///
    /// What the manager does not take is kept for the next time.
    func flush() async {
        guard !isSending else { return }
        isSending = true
        defer { isSending = false }
        while !outbox.isEmpty {
            let batch = outbox
            do {
                try await report(batch)
                outbox.removeFirst(batch.count)
            } catch {
                logger.warning("cannot report \(batch.count) task states, will try again: \(error)")
                return
            }
        }
    }

    /// Says again what the manager does not seem to know: its last assignment shows a lower state than we reported.
    private func repeatStaleReports() {
        guard outbox.isEmpty else { return }
        let stale = records.values.filter { $0.status.supersedes($0.task.status) }.sorted { $0.task.id < $1.task.id }
        outbox = stale.map { TaskReport(taskID: $0.task.id, status: $0.status) }
    }
}
