import CausewayManager
import CausewayModel

/// A node that does at once what it is asked, and says so.
///
/// Of its own tasks it keeps what it has said, as an agent does: an assignment that shows an older state is no news.
struct SimulatedNode: Sendable {
    let id: Swarm.ID
    let ledger: Ledger
    private var said: [Swarm.ID: Swarm.Task.State] = [:]

    init(id: Swarm.ID, ledger: Ledger) {
        self.id = id
        self.ledger = ledger
    }

    static func hello(_ number: Int) -> NodeHello {
        NodeHello(
            description: Swarm.Node.Description(
                hostname: "n\(number)", architecture: "x86_64", nanoCPUs: 64_000_000_000, memoryBytes: 1 << 38,
                engineVersion: "20.10.24"),
            address: .v4(IPv4Address(rawValue: 0xc612_0000 + UInt32(number))))
    }

    /// Follows a session until it ends.
    mutating func follow(_ grant: NodeSessionGrant, of manager: SwarmManager) async throws {
        for await assignment in grant.assignments {
            let reports = obey(assignment)
            try await manager.applied(assignment.revision, in: grant.session)
            await ledger.applied(assignment.revision, by: id)
            if !reports.isEmpty { try await manager.report(reports, in: grant.session) }
        }
    }

    /// The manager's own node.
    mutating func follow(_ manager: SwarmManager) async throws {
        for await assignment in await manager.assignments() {
            let reports = obey(assignment)
            try await manager.applied(revision: assignment.revision)
            await ledger.applied(assignment.revision, by: id)
            if !reports.isEmpty { try await manager.report(reports) }
        }
    }

    private mutating func obey(_ assignment: NodeAssignment) -> [TaskReport] {
        var reports: [TaskReport] = []
        var states: [Swarm.ID: Swarm.Task.State] = [:]
        for task in assignment.tasks {
            let known = max(task.status.state, said[task.id] ?? .new)
            states[task.id] = known
            guard !known.isTerminal else { continue }
            let wanted: Swarm.Task.State = task.desiredState >= .shutdown ? .shutdown : min(task.desiredState, .running)
            guard wanted > known else { continue }
            states[task.id] = wanted
            reports.append(
                TaskReport(
                    taskID: task.id, status: .init(timestamp: task.status.timestamp, state: wanted, message: "started"))
            )
        }
        said = states
        return reports
    }
}

/// Which revision each node has applied.
actor Ledger {
    private var revisions: [Swarm.ID: UInt64] = [:]
    private var waiting: [(revision: UInt64, count: Int, done: CheckedContinuation<Void, Never>)] = []

    func applied(_ revision: UInt64, by node: Swarm.ID) {
        revisions[node] = max(revisions[node] ?? 0, revision)
        let ended = waiting.filter { isEverywhere($0.revision, $0.count) }
        waiting.removeAll { isEverywhere($0.revision, $0.count) }
        for one in ended { one.done.resume() }
    }

    /// Returns when so many nodes have applied the revision, or a newer one.
    func wait(for revision: UInt64, by count: Int) async {
        guard !isEverywhere(revision, count) else { return }
        await withCheckedContinuation { waiting.append((revision, count, $0)) }
    }

    private func isEverywhere(_ revision: UInt64, _ count: Int) -> Bool {
        revisions.values.lazy.filter { $0 >= revision }.count >= count
    }
}
