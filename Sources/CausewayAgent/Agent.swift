import CausewayKernel
import CausewayModel
import Logging

/// The node's agent: takes assignments, makes the kernel agree with the newest one, then lets the tasks go on.
///
/// Wake → read → compare → step → report. A wakeup carries no meaning of its own: an assignment, somebody's change in
/// the kernel and the slow timer all lead to the same round.
package actor Agent {
    private let source: any AssignmentSource
    let node: any Node
    let keeper: any SocketKeeping
    private let peers: PeerWatch?
    let reconciler: NodeReconciler
    let logger: Logger
    /// How long a change of others may go unnoticed if no notification came.
    private let auditInterval: Duration
    /// How many tenths of a second a task waits for its network before that is an error.
    let readyPatience: Int
    /// The tasks' side: what runs, once its network is there.
    private var supervise: (@Sendable (NodeAssignment) async -> Void)?
    /// The same for containers of users, with the namespaces that are complete.
    private var superviseContainers: (@Sendable ([AttachedContainer], Set<String>) async -> Void)?

    let inbox = Inbox()
    private var assignment: NodeAssignment?
    /// Tasks of the assignment that have ended without its knowing it.
    private var ended: Set<Swarm.ID> = []
    private var compiler = PiecewiseCompiler()
    /// Read at each look; a change of an assignment does not wait for them.
    private var facts: NodeFacts?
    /// How the peers answer, newest.
    private var peerView = PeerView()
    private var toldPeers: [PeerObservation] = []
    private(set) var applied: DesiredNode?
    var failures: [NamespaceReference: KernelError] = [:]
    /// The assignment's revision that the kernel agrees with.
    package private(set) var appliedRevision: UInt64?
    var takenPorts: Set<PortTaken> = []
    /// How long the last tasks on a network that their service leaves are still there once names lead elsewhere.
    private static let turning: Duration = .seconds(1)

    /// What was put right that somebody else had changed, since the start.
    package internal(set) var repairs = RepairCounters()
    var damping = Damping()
    /// Looks that wait until their namespace's turn comes.
    var deferred: [NamespaceReference: KernelParts] = [:]

    package init(
        source: any AssignmentSource, node: any Node, keeper: any SocketKeeping, peers: PeerWatch? = nil,
        logger: Logger, auditInterval: Duration = .seconds(30), readyPatience: Int = 50
    ) {
        self.source = source
        self.node = node
        self.keeper = keeper
        self.peers = peers
        self.logger = logger
        self.auditInterval = auditInterval
        self.readyPatience = readyPatience
        reconciler = NodeReconciler(node: node, logger: logger)
    }

    /// Says who gets the tasks, and the secrets and configs that they use, after each round.
    package func setSupervisor(_ supervise: @escaping @Sendable (NodeAssignment) async -> Void) {
        self.supervise = supervise
    }

    /// Says who gets the containers of users after each round, with the namespaces that are complete.
    package func setContainerSupervisor(
        _ supervise: @escaping @Sendable ([AttachedContainer], Set<String>) async -> Void
    ) {
        superviseContainers = supervise
    }

    /// Follows the assignments until cancelled.
    ///
    /// Nothing is touched before the first one.
    ///
    /// - Throws: when others' changes cannot be watched: without that there is no trust in what is there.
    package func run() async throws {
        let inbox = inbox
        let (deferrals, deferral) = AsyncStream.makeStream(of: Deferral.self)
        let assignments = await source.assignments()
        let changes = try await node.changes()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await new in assignments { inbox.put(new) } }
            group.addTask { for await change in changes { inbox.put(change) } }
            if let peers {
                group.addTask { await peers.run() }
                group.addTask { for await view in peers.views { inbox.put(view) } }
            }
            group.addTask { await Deferral.keep(deferrals, for: inbox) }
            group.addTask { await self.look(into: inbox) }
            group.addTask { await self.work(through: inbox, deferral) }
            await withTaskCancellationHandler {
                await group.waitForAll()
            } onCancel: {
                inbox.close()
                deferral.finish()
            }
        }
    }

    /// Takes away what an earlier process left, when this node is in no swarm any more.
    ///
    /// What is ours is known by what was written down; a machine on which nothing was is left alone. What cannot be
    /// taken away now is tried again as long as no assignment comes.
    package func cleanUp() async throws(KernelError) {
        guard assignment == nil, try await node.hasLeftovers() else { return }
        logger.notice("this node is in no swarm: removing what is left of one")
        await apply(.nothing)
    }

    /// The slow timer; what was refused is tried again sooner, and what nobody tells of is looked at every second.
    private func look(into inbox: Inbox) async {
        let tick = min(auditInterval, .seconds(1))
        var waited = Duration.zero
        while await Task.pause(for: tick) {
            waited += tick
            if let applied {
                for change in await node.quietChanges(applied) { inbox.put(change) }
                if await isElsewhere() { inbox.putLook() }
            }
            guard waited >= auditInterval || !failures.isEmpty else { continue }
            waited = .zero
            inbox.putLook()
        }
    }

    /// Whether the host is another one than the desired state was made for, such as with another MTU.
    private func isElsewhere() async -> Bool {
        guard let facts else { return false }
        // What cannot be read is read again by the look, which says why it cannot.
        do throws(KernelError) { return try await node.facts() != facts } catch { return true }
    }

    private func work(through inbox: Inbox, _ deferral: AsyncStream<Deferral>.Continuation) async {
        for await _ in inbox.wakeups {
            if Task.isCancelled { break }
            let arrived = inbox.take()
            ended.formUnion(arrived.ended)
            if let new = arrived.assignment {
                if let peers { peerView = await peers.follow(new) }
                await apply(new)
                await tellObserved()
            } else if let view = arrived.peers {
                await steer(by: view)
            }
            if let assignment, arrived.assignment == nil, !arrived.ended.isEmpty { await apply(assignment) }
            if arrived.mustLook { await audit() } else { await look(at: arrived, deferral) }
        }
    }

    /// What would be changed now; empty before the first assignment.
    package func plan() async throws(KernelError) -> [(namespace: String, plan: Plan)] {
        guard let assignment else { return [] }
        return try await reconciler.plan(to: try await desired(assignment))
    }

    /// How the peers answer, each with its host name.
    package func peerStatus() -> [(hostname: String, observation: PeerObservation)] {
        let names = Dictionary((assignment?.peers ?? []).map { ($0.id, $0.hostname) }) { first, _ in first }
        return peerView.observations.map { (names[$0.nodeID] ?? $0.nodeID, $0) }
    }

    /// The newest assignment's revision, and what the kernel refused of it.
    package func status() -> (revision: UInt64?, failures: [String]) {
        (assignment?.revision, failures.values.map(\.description).sorted())
    }

    // MARK: one round

    private func desired(_ assignment: NodeAssignment) async throws(KernelError) -> DesiredNode {
        // Before `swarm init` and after `swarm leave` there is not even the ingress network, and nothing is ours.
        guard !assignment.networks.isEmpty else {
            compiler = PiecewiseCompiler()
            return DesiredNode()
        }
        var known: NodeFacts
        if let facts { known = facts } else { known = try await node.facts() }
        facts = known
        known.paths = peerView.paths
        known.tunnelOffload = peerView.tunnelOffload
        return compiler.compile(assignment.avoiding(peerView.suspects).without(ended), facts: known)
    }

    private func apply(_ new: NodeAssignment) async {
        let old = assignment
        assignment = new
        ended.formIntersection(new.tasks.lazy.filter(AssignmentCompiler.needsNamespace).map(\.id))
        if let turning = old.flatMap({ new.withLastTasks(of: $0) }) {
            await make(turning)
            // Who has asked for the name just before still gets there. When this is cancelled, nobody waits for it.
            _ = await Task.pause(for: Self.turning)
        }
        await make(new)
        await supervise?(new)
        await handOn(new.containers)
        if failures.isEmpty { await tellApplied(new.revision) }
    }

    /// The kernel first, then names and ports.
    private func make(_ new: NodeAssignment) async {
        do throws(KernelError) {
            let desired = try await desired(new)
            let report: NodeReconciler.Report
            if let applied, failures.isEmpty {
                report = await reconciler.advance(from: applied, to: desired, forgetting(desired))
            } else {
                report = await reconciler.reconcile(to: desired, forgetting(desired))
            }
            note(report)
            await settle(desired)
        } catch {
            note(NodeReconciler.Report(errors: [(.host, error)]))
        }
    }

    /// Applies the same assignment once more, in the light of what was heard of the peers.
    private func steer(by view: PeerView) async {
        let old = peerView
        peerView = view
        if let assignment,
            (view.suspects, view.paths, view.tunnelOffload) != (old.suspects, old.paths, old.tunnelOffload)
        {
            await apply(assignment)
        }
        await tellObserved()
    }

    private func tellObserved() async {
        let observed = peerView.observations
        guard observed != toldPeers else { return }
        do {
            try await source.observed(observed)
            toldPeers = observed
        } catch {
            logger.error("cannot report how the peers answer", metadata: ["error": "\(error)"])
        }
    }

    private func handOn(_ containers: [AttachedContainer]) async {
        let names = containers.map { TaskPlace.namespaceName(of: $0) }
        let ready = failures[.host] == nil ? names.filter(isComplete) : []
        await superviseContainers?(containers, Set(ready))
    }

    private func isComplete(_ namespace: String) -> Bool {
        applied?.namespaces[namespace] != nil && failures[.task(namespace)] == nil
    }

    /// What follows once the kernel has been told.
    private func settle(_ new: DesiredNode) async {
        var desired = new
        compiler.addNames(to: &desired)
        await keepSockets(desired)
        applied = desired
        forgetRepairs(besides: desired)
    }

    /// Looks at everything, because somebody may have changed something.
    private func audit() async {
        guard let assignment else { return }
        let hadFailures = !failures.isEmpty
        facts = nil
        do throws(KernelError) {
            let desired = try await desired(assignment)
            let report = await reconciler.reconcile(to: desired, forgetting(desired))
            // Only what had been made so already was undone by somebody.
            if !hadFailures, desired.host == applied?.host, desired.namespaces == applied?.namespaces { count(report) }
            note(report)
            await settle(desired)
        } catch {
            note(NodeReconciler.Report(errors: [(.host, error)]))
        }
        await handOn(assignment.containers)
        if hadFailures {
            await supervise?(assignment)
            if failures.isEmpty { await tellApplied(assignment.revision) }
        }
        await tellObserved()
    }

    private func tellApplied(_ revision: UInt64) async {
        appliedRevision = revision
        do {
            try await source.applied(revision: revision)
        } catch {
            logger.error("cannot report the applied revision", metadata: ["error": "\(error)"])
        }
    }

    private func note(_ report: NodeReconciler.Report) {
        failures = Dictionary(report.errors.map { ($0.namespace, $0.error) }) { first, _ in first }
        for (place, error) in report.errors {
            logger.error("kernel refused a step", metadata: ["namespace": "\(place)", "error": "\(error)"])
        }
    }
}

extension NodeAssignment {
    /// What a node that is in no swarm has to make true: nothing.
    fileprivate static var nothing: NodeAssignment {
        let nowhere = CIDR(host: .v6(IPv6Address(high: 0, low: 0)))
        return NodeAssignment(revision: 0, nodeID: "", nodeNumber: 0, hostname: "", uniqueLocalPrefix: nowhere)
    }
}
