import CausewayKernel
import CausewayModel
import Logging

/// The node's agent: takes assignments, makes the kernel agree with the newest one, then lets the tasks go on.
///
/// Wake → read → compare → step → report. A wakeup carries no meaning of its own: an assignment, somebody's change in
/// the kernel and the slow timer all lead to the same round.
package actor Agent {
    private let source: any AssignmentSource
    private let node: any Node
    private let names: any NameServing
    private let reconciler: NodeReconciler
    private let logger: Logger
    /// How long a change of others may go unnoticed if no notification came.
    private let auditInterval: Duration
    /// How many tenths of a second a task waits for its network before that is an error.
    private let readyPatience: Int
    /// The tasks' side: what runs, once its network is there.
    private var supervise: (@Sendable ([Swarm.Task]) async -> Void)?
    /// The same for containers of users, with the namespaces that are complete.
    private var superviseContainers: (@Sendable ([AttachedContainer], Set<String>) async -> Void)?

    private var assignment: NodeAssignment?
    private var compiler = PiecewiseCompiler()
    /// Read at each look; a change of an assignment does not wait for them.
    private var facts: NodeFacts?
    private var applied: DesiredNode?
    private var failures: [NamespaceReference: KernelError] = [:]
    private var heldPorts: Set<PublishedPort> = []
    private var served: Set<Swarm.ID> = []
    /// Repairs of what somebody else changed, since the start.
    package private(set) var repairs = 0

    package init(
        source: any AssignmentSource, node: any Node, names: any NameServing, logger: Logger,
        auditInterval: Duration = .seconds(30), readyPatience: Int = 50
    ) {
        self.source = source
        self.node = node
        self.names = names
        self.logger = logger
        self.auditInterval = auditInterval
        self.readyPatience = readyPatience
        reconciler = NodeReconciler(node: node, logger: logger)
    }

    /// Says who gets the tasks after each round.
    package func setSupervisor(_ supervise: @escaping @Sendable ([Swarm.Task]) async -> Void) {
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
        let inbox = Inbox()
        let assignments = await source.assignments()
        let changes = try await node.changes()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await new in assignments { inbox.put(new) } }
            group.addTask { for await _ in changes { inbox.putLook() } }
            group.addTask { await self.look(into: inbox) }
            group.addTask { await self.work(through: inbox) }
            await withTaskCancellationHandler {
                await group.waitForAll()
            } onCancel: {
                inbox.close()
            }
        }
    }

    /// The slow timer; what was refused is tried again sooner.
    private func look(into inbox: Inbox) async {
        let tick = min(auditInterval, .seconds(1))
        var waited = Duration.zero
        while (try? await Task.sleep(for: tick)) != nil {
            waited += tick
            guard waited >= auditInterval || !failures.isEmpty else { continue }
            waited = .zero
            inbox.putLook()
        }
    }

    private func work(through inbox: Inbox) async {
        for await _ in inbox.wakeups {
            if Task.isCancelled { break }
            let todo = inbox.take()
            if let new = todo.assignment { await apply(new) }
            if todo.mustLook { await audit() }
        }
    }

    /// What would be changed now; empty before the first assignment.
    package func plan() async throws(KernelError) -> [(namespace: String, plan: Plan)] {
        guard let assignment else { return [] }
        return try await reconciler.plan(to: try await desired(assignment))
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
        let known: NodeFacts
        if let facts { known = facts } else { known = try await node.facts() }
        facts = known
        return compiler.compile(assignment, facts: known)
    }

    private func apply(_ new: NodeAssignment) async {
        assignment = new
        do throws(KernelError) {
            let desired = try await desired(new)
            let report: NodeReconciler.Report
            if let applied, failures.isEmpty {
                report = await reconciler.advance(from: applied, to: desired)
            } else {
                report = await reconciler.reconcile(to: desired)
            }
            note(report)
            await settle(desired)
        } catch {
            note(NodeReconciler.Report(errors: [(.host, error)]))
        }
        await supervise?(new.tasks)
        await handOn(new.containers)
        if failures.isEmpty { await tellApplied(new.revision) }
    }

    private func handOn(_ containers: [AttachedContainer]) async {
        let names = containers.map { TaskPlace.namespaceName(of: $0) }
        let ready = failures[.host] == nil ? names.filter(isComplete) : []
        await superviseContainers?(containers, Set(ready))
    }

    private func isComplete(_ namespace: String) -> Bool {
        applied?.namespaces[namespace] != nil && failures[.task(namespace)] == nil
    }

    /// What follows once the kernel has been told; after a look, names are served anew even if they are the same.
    private func settle(_ new: DesiredNode, hasLooked: Bool = false) async {
        var desired = new
        compiler.addNames(to: &desired)
        await forgetFlows(from: applied, to: desired)
        if applied?.publishedPorts != desired.publishedPorts || heldPorts.count != desired.publishedPorts.count {
            await holdPorts(desired.publishedPorts)
        }
        await serveNames(desired, all: hasLooked)
        applied = desired
    }

    /// Looks at everything, because somebody may have changed something.
    private func audit() async {
        guard let assignment else { return }
        let hadFailures = !failures.isEmpty
        facts = nil
        do throws(KernelError) {
            let desired = try await desired(assignment)
            let report = await reconciler.reconcile(to: desired)
            if !hadFailures { count(report) }
            note(report)
            await settle(desired, hasLooked: true)
        } catch {
            note(NodeReconciler.Report(errors: [(.host, error)]))
        }
        await handOn(assignment.containers)
        if hadFailures {
            await supervise?(assignment.tasks)
            if failures.isEmpty { await tellApplied(assignment.revision) }
        }
    }

    private func count(_ report: NodeReconciler.Report) {
        for (place, plan) in report.changes {
            repairs += plan.steps.count
            logger.warning(
                "repaired what somebody else changed", metadata: ["namespace": "\(place)", "plan": "\(plan)"])
        }
    }

    private func tellApplied(_ revision: UInt64) async {
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

    // MARK: ports, names, flows

    private func holdPorts(_ wanted: Set<PublishedPort>) async {
        for port in heldPorts.subtracting(wanted).sorted() {
            await node.release(port)
            heldPorts.remove(port)
        }
        for port in wanted.subtracting(heldPorts).sorted() {
            do throws(PortTaken) {
                try await node.hold(port)
                heldPorts.insert(port)
            } catch {
                logger.error("\(error)")
            }
        }
    }

    private func serveNames(_ desired: DesiredNode, all: Bool) async {
        for task in served.subtracting(desired.names.keys).sorted() {
            await names.stop(task)
            served.remove(task)
        }
        for (task, table) in desired.names.sorted(by: { $0.key < $1.key })
        where all || !served.contains(task) || applied?.names[task] != table {
            guard let namespace = desired.namespaceOfTask[task] else { continue }
            do {
                try await names.serve(task, namespacePath: node.path(ofNamespace: namespace), table: table)
                served.insert(task)
            } catch {
                failures[.task(namespace)] = KernelError(
                    step: "serve names in \(namespace)", reason: .other, detail: "\(error)")
                logger.error("cannot serve names", metadata: ["namespace": "\(namespace)", "error": "\(error)"])
            }
        }
    }

    /// A datagram has no connection to keep: its next one goes where the service is now.
    private func forgetFlows(from old: DesiredNode?, to new: DesiredNode) async {
        for address in Backends.lost(from: old, to: new).sorted() {
            do throws(KernelError) {
                try await node.forgetDatagramFlows(to: address)
            } catch {
                logger.error("cannot forget flows", metadata: ["address": "\(address)", "error": "\(error)"])
            }
        }
    }
}

extension Agent: TaskNetwork {
    /// The task's namespace, once all of it is there.
    ///
    /// What the kernel refused is tried again meanwhile; after some seconds it is this task's failure, with its reason.
    package func ready(_ task: Swarm.Task) async throws -> String {
        let name = TaskPlace.namespaceName(of: task)
        for _ in 0..<readyPatience {
            if applied?.namespaces[name] != nil, failures[.task(name)] == nil, failures[.host] == nil {
                return node.path(ofNamespace: name)
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw failures[.task(name)] ?? failures[.host]
            ?? KernelError(
                step: "give task \(task.name) its network", reason: .noNamespace,
                detail: "no assignment with this task was applied yet")
    }
}

/// The addresses that a node's table balances to.
enum Backends {
    /// Those that nothing leads to any more.
    static func lost(from old: DesiredNode?, to new: DesiredNode) -> Set<IPAddress> {
        let maps = Dictionary(maps(of: new).map { ($0.name, $0) }) { first, _ in first }
        let gone = Set(
            Self.maps(of: old ?? DesiredNode()).flatMap { map in
                map.keyed.difference(to: maps[map.name]?.keyed ?? Nft.Elements()).gone.flatMap(addresses)
            })
        // Mostly none; only else every service is asked whether it still has it.
        return maps.values.reduce(gone) { gone, map in
            gone.isEmpty ? gone : gone.subtracting(map.keyed.entries.flatMap(addresses))
        }
    }

    private static func maps(of desired: DesiredNode) -> [Nft.Set] {
        desired.host.tables.flatMap(\.sets).filter { $0.data != nil }
    }

    private static func addresses(_ entry: Nft.Elements.Entry) -> [IPAddress] {
        let values =
            switch entry {
            case .one(let element): [element.data ?? []]
            case .row(let row): row.choices
            }
        return values.compactMap { if case .address(let address)? = $0.first { address } else { nil } }
    }
}
