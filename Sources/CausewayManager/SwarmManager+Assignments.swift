import CausewayModel
import CausewayStore
import Logging

extension SwarmManager: AssignmentSource {
    package func assignments() async -> AsyncStream<NodeAssignment> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: NodeAssignment.self, bufferingPolicy: .bufferingNewest(1))
        let number = nextReader
        nextReader += 1
        readers[number] = continuation
        continuation.onTermination = { _ in
            Task { await self.dropReader(number) }
        }
        publishAssignment()
        if let lastAssignment { continuation.yield(lastAssignment) }
        return stream
    }

    package func report(_ reports: [TaskReport]) async throws {
        // A swarm that was left has no tasks any more: there is nobody to tell.
        guard store.snapshot().cluster != nil else { return }
        let log = log
        try await write { transaction throws(SwarmError) in
            for report in reports {
                guard var task = transaction.view.tasks[report.taskID] else {
                    log.debug("report of a task that is gone", metadata: ["task": "\(report.taskID)"])
                    continue
                }
                guard Self.isNews(report.status, after: task.status) else { continue }
                task.status = report.status
                try transaction.update(task)
            }
        }
    }

    package func applied(revision: UInt64) async throws {
        appliedRevision = max(appliedRevision, revision)
    }

    package func observed(_ peers: [PeerObservation]) async throws {
        observedPeers = peers
    }

    /// States only rise; within one, the newest words count until the task has ended.
    private static func isNews(_ new: Swarm.Task.Status, after old: Swarm.Task.Status) -> Bool {
        guard new.state > .assigned, !old.state.isTerminal || new.state > old.state else { return false }
        return new.state > old.state || (new.state == old.state && new != old)
    }

    /// Hands the newest assignment to the agent, if it asks for something else than the last one.
    func publishAssignment() {
        let view = store.snapshot()
        guard view.revision != publishedRevision, let node = view.localNode?.id else { return }
        publishedRevision = view.revision
        let newest = leaving == .empty ? maker.empty(for: node, view) : maker.assignment(for: node, view)
        guard let newest else { return }
        if var last = lastAssignment {
            last.revision = newest.revision
            if last == newest, leaving != .empty { return }
        }
        lastAssignment = newest
        for number in readers.keys.sorted() { readers[number]?.yield(newest) }
    }

    /// Waits for something that the agent does, if there is an agent and it does not take too long.
    func waitForAgent(_ what: String, _ isDone: () -> Bool) async {
        let deadline = environment.now().advanced(by: environment.leavePatience)
        while !isDone(), !readers.isEmpty {
            guard environment.now() < deadline, !Task.isCancelled else {
                log.error("the agent did not \(what) in time; leaving the swarm nevertheless")
                return
            }
            await environment.sleep(Nanoseconds(50_000_000))
        }
    }

    private func dropReader(_ number: Int) { readers[number] = nil }
}
