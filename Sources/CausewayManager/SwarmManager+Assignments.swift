import CausewayModel
import CausewayStore
import Logging

extension SwarmManager: AssignmentSource {
    /// This node's own: its agent is in the same process.
    package func assignments() async -> AsyncStream<NodeAssignment> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: NodeAssignment.self, bufferingPolicy: .bufferingNewest(1))
        let number = nextReader
        nextReader += 1
        readers[number] = continuation
        continuation.onTermination = { _ in
            Task { await self.dropReader(number) }
        }
        publishAssignments()
        if let local = store.snapshot().localNode?.id {
            if published[local] == nil { publish(to: local, store.snapshot()) }
            if let last = published[local] { continuation.yield(last) }
        }
        return stream
    }

    package func report(_ reports: [TaskReport]) async throws {
        // A swarm that was left has no tasks any more: there is nobody to tell.
        guard store.snapshot().cluster != nil, let local = store.snapshot().localNode?.id else { return }
        try await take(reports, from: local)
    }

    package func applied(revision: UInt64) async throws {
        appliedRevision = max(appliedRevision, revision)
        if store.snapshot().hasDepartingTasks { wake() }
    }

    /// Writes what a node says of its tasks; what it says of another's is refused as a whole.
    func take(_ reports: [TaskReport], from node: Swarm.ID) async throws(SwarmError) {
        let log = log
        try await write { transaction throws(SwarmError) in
            for report in reports {
                guard var task = transaction.view.tasks[report.taskID] else {
                    log.debug("report of a task that is gone", metadata: ["task": "\(report.taskID)"])
                    continue
                }
                guard task.nodeID == node else {
                    throw SwarmError(
                        .forbidden, "node \(node) reports task \(task.name), which is not one of its own")
                }
                guard Self.take(report.status, of: &task) else { continue }
                try transaction.update(task)
            }
        }
    }

    /// Returns whether the report is news.
    ///
    /// A task that was given up is not revived by its node's return; but that it has ended there gives its addresses
    /// back.
    private static func take(_ new: Swarm.Task.Status, of task: inout Swarm.Task) -> Bool {
        if task.lastSeen != nil {
            guard new.state.isTerminal else { return false }
            task.lastSeen = nil
            return true
        }
        guard isNews(new, after: task.status) else { return false }
        task.status = new
        if let rejection = task.rejection, new.state.isTerminal {
            (task.status.state, task.status.message, task.status.error) = (
                max(new.state, .rejected), ConstraintEnforcer.message, rejection
            )
        }
        return true
    }

    /// States only rise; within one, the newest words count until the task has ended.
    private static func isNews(_ new: Swarm.Task.Status, after old: Swarm.Task.Status) -> Bool {
        guard new.state > .assigned, !old.state.isTerminal || new.state > old.state else { return false }
        return new.state > old.state || (new.state == old.state && new != old)
    }

    /// Hands each node its newest assignment, if it asks for something else than the last one.
    ///
    /// Also if it only has a newer revision, while somebody waits to hear that the node has applied it.
    func publishAssignments() {
        let view = store.snapshot()
        guard view.revision != publishedRevision else { return }
        publishedRevision = view.revision
        let awaited = view.departingTasks.compactMap(\.departure?.revision).max() ?? 0
        for node in Set(sessions.open + (view.localNode.map { [$0.id] } ?? [])).sorted() {
            guard let changed = maker.changed(for: node, view) else { continue }
            if let last = published[node]?.revision, last >= max(changed, awaited), leaving != .empty { continue }
            publish(to: node, view)
        }
    }

    func publish(to node: Swarm.ID, _ view: StoreSnapshot) {
        let newest = leaving == .empty ? maker.empty(for: node, view) : maker.assignment(for: node, view)
        guard let newest else { return }
        published[node] = newest
        sessions.send(newest)
        guard node == view.localNode?.id else { return }
        for number in readers.keys.sorted() { readers[number]?.yield(newest) }
    }

    /// Waits for something that agents do, if there are any and it does not take too long.
    func waitForAgent(_ what: String, _ isDone: () -> Bool) async {
        let deadline = environment.now().advanced(by: environment.leavePatience)
        while !isDone(), !readers.isEmpty || !sessions.open.isEmpty {
            guard environment.now() < deadline, !Task.isCancelled else {
                log.error("the agent did not \(what) in time; leaving the swarm nevertheless")
                return
            }
            await environment.sleep(Nanoseconds(50_000_000))
        }
    }

    /// Whether every node that hears its assignments has done what this revision asks for.
    func isApplied(_ revision: UInt64) -> Bool {
        (readers.isEmpty || appliedRevision >= revision) && sessions.isApplied(revision)
    }

    private func dropReader(_ number: Int) { readers[number] = nil }
}
