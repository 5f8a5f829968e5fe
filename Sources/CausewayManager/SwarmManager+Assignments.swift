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

    /// States only rise; within one, the newest words count until the task has ended.
    private static func isNews(_ new: Swarm.Task.Status, after old: Swarm.Task.Status) -> Bool {
        guard new.state > .assigned, !old.state.isTerminal || new.state > old.state else { return false }
        return new.state > old.state || (new.state == old.state && new != old)
    }

    /// Hands the newest assignment to the agent, if it asks for something else than the last one.
    func publishAssignment() {
        let view = store.snapshot()
        guard let node = view.localNode?.id else { return }
        let newest = isLeaving ? maker.empty(for: node, view) : maker.assignment(for: node, view)
        guard let newest else { return }
        if var last = lastAssignment {
            last.revision = newest.revision
            if last == newest, !isLeaving { return }
        }
        lastAssignment = newest
        for number in readers.keys.sorted() { readers[number]?.yield(newest) }
    }

    /// Waits until the agent has applied a revision, if there is an agent and it does not take too long.
    func waitUntilApplied(_ revision: UInt64) async {
        let deadline = environment.now().advanced(by: environment.leavePatience)
        while appliedRevision < revision, !readers.isEmpty {
            guard environment.now() < deadline, !Task.isCancelled else {
                log.error("the agent did not take everything down in time", metadata: ["revision": "\(revision)"])
                return
            }
            await environment.sleep(Nanoseconds(50_000_000))
        }
    }

    private func dropReader(_ number: Int) { readers[number] = nil }
}
