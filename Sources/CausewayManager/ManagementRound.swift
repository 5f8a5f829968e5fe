import CausewayModel
import CausewayStore

/// One look at everything: what the deciders want, written into one transaction.
///
/// A value: its shell copies it into the transaction's body and takes it back when the transaction has committed, so
/// that a repeated body starts from the same state. All that it remembers may be lost at any time.
package struct ManagementRound: Sendable {
    private var allocator = Allocator()
    private var updates: [Swarm.ID: UpdateProgress] = [:]
    /// Services about which nothing was to be done, and until when that holds if nothing changes.
    private var quiet: [Swarm.ID: Quiet] = [:]
    /// When something will be due even if nothing changes.
    package internal(set) var next: Timestamp?
    /// What an operator should know of the last round.
    package internal(set) var notes: [String] = []
    /// What happened in order, for whoever wants to see it.
    package internal(set) var progress: [String] = []
    /// The nodes whose maps may lead to a task that is to stop, with the revision that each has applied.
    var applied: [Swarm.ID: UInt64] = [:]
    /// The version of each node at which its tasks were last held against it.
    var enforced: [Swarm.ID: Swarm.Version] = [:]
    let evictionAfter: Nanoseconds?
    let gate: DrainGate

    private struct Quiet: Sendable {
        var touched: UInt64
        var until: Timestamp?
    }

    private let newID: @Sendable () -> Swarm.ID

    package init(
        newID: @escaping @Sendable () -> Swarm.ID, evictionAfter: Nanoseconds?, drainPatience: Nanoseconds
    ) {
        self.newID = newID
        self.evictionAfter = evictionAfter
        gate = DrainGate(patience: drainPatience)
    }

    /// Judges the nodes, allocates, orchestrates, allocates for the new tasks, schedules, and lets drained tasks go.
    package mutating func run(_ store: inout StoreTransaction, seen: NodesSeen) throws(SwarmError) {
        next = nil
        notes = []
        progress = []
        try judge(&store, seen)
        if try RootReplacement.settle(&store) { notes.append("every node has a certificate of the new root") }
        applied = Self.applied(store.view, seen)
        try enforce(&store)
        for service in allocator.endpoints(store.view) { try store.update(service) }
        for id in store.view.services.ids where !rests(id, store) {
            guard let service = store.view.services[id] else { continue }
            if service.isPendingDelete { try remove(service, &store) } else { try look(at: id, &store) }
        }
        try removeStrays(&store)
        let allocated = allocator.tasks(store.view, at: store.now)
        for task in allocated.tasks { try store.update(task) }
        for service in allocated.services { try store.update(service) }
        for task in Scheduler().reconcile(store.view, at: store.now) { try store.update(task) }
        let balancers = allocator.balancers(store.view)
        for node in balancers.nodes { try store.update(node) }
        notes += balancers.notes
        try release(&store)
        forgetGone(store.view)
    }

    /// What is kept of services that are gone does no harm: it goes when there is more of it than of the others.
    private mutating func forgetGone(_ view: StoreSnapshot) {
        guard updates.count + quiet.count > 2 * view.services.count else { return }
        updates = updates.filter { view.services[$0.key] != nil }
        quiet = quiet.filter { view.services[$0.key] != nil }
    }

    mutating func wake(at moment: Timestamp?) {
        guard let moment else { return }
        next = min(next ?? moment, moment)
    }

    // MARK: services that stay

    /// Whether nothing has changed for the service since there was nothing to do.
    private mutating func rests(_ id: Swarm.ID, _ store: StoreTransaction) -> Bool {
        guard let quiet = quiet[id], quiet.touched == store.view.lastTouched(id) else { return false }
        if let until = quiet.until, until <= store.now { return false }
        wake(at: quiet.until)
        return true
    }

    private mutating func look(at id: Swarm.ID, _ store: inout StoreTransaction) throws(SwarmError) {
        let (touched, others) = (store.view.lastTouched(id), next)
        next = nil
        try orchestrate(id, &store)
        // Only a look that wrote nothing says that there is nothing to do.
        quiet[id] = store.view.lastTouched(id) == touched ? Quiet(touched: touched, until: next) : nil
        wake(at: others)
    }

    private mutating func orchestrate(_ id: Swarm.ID, _ store: inout StoreTransaction) throws(SwarmError) {
        if let job = store.view.services[id]?.jobStatus {
            try run(job, id, &store)
        } else {
            try adopt(id, &store)
            try scale(id, &store)
            try restart(slots(id, store), id, &store)
            if try update(id, &store) { _ = try update(id, &store) }
        }
        let gate = StartGate().reconcile(slots(id, store), at: store.now)
        try apply(gate.directives, id, &store)
        wake(at: gate.next)
        guard let service = store.view.services[id] else { return }
        let limit = store.view.cluster?.spec.orchestration?.taskHistoryRetentionLimit ?? 5
        let reaped = TaskReaper().reconcile(
            slots(id, store), limit: limit, memory: RestartSupervisor.memory(service))
        try apply(reaped, id, &store)
    }

    private func adopt(_ id: Swarm.ID, _ store: inout StoreTransaction) throws(SwarmError) {
        guard let service = store.view.services[id] else { return }
        let dirtiness = Dirtiness(service, in: store.view)
        let adopted = store.view.tasks(of: id).filter(dirtiness.isToBeAdopted)
        try apply(adopted.map { .adopt($0.id) }, id, &store)
    }

    private func scale(_ id: Swarm.ID, _ store: inout StoreTransaction) throws(SwarmError) {
        guard let service = store.view.services[id] else { return }
        let directives =
            switch service.spec.mode {
            case .replicated(let replicas):
                ReplicatedOrchestrator().reconcile(slots(id, store), replicas: replicas)
            case .replicatedJob, .globalJob: [TaskDirective]()
            case .global:
                GlobalOrchestrator().reconcile(slots(id, store), nodes: Self.eligibility(service, store.view))
            }
        try apply(directives, id, &store)
    }

    func restart(_ slots: [Slot], _ id: Swarm.ID, _ store: inout StoreTransaction) throws(SwarmError) {
        guard let service = store.view.services[id] else { return }
        let nodes = Self.eligibility(service, store.view)
        let drained = Set(store.view.nodes.all.filter { $0.spec.availability == .drain }.map(\.id))
        let directives = RestartSupervisor().reconcile(slots, drained: drained, at: store.now) { key in
            if case .node(let node) = key { nodes[node] == .eligible } else { true }
        }
        try apply(directives, id, &store)
    }

    /// Returns whether the service was rolled back, so that the update begins again.
    private mutating func update(_ id: Swarm.ID, _ store: inout StoreTransaction) throws(SwarmError) -> Bool {
        guard var service = store.view.services[id] else { return false }
        let dirtiness = Dirtiness(service, in: store.view)
        let nodes = Self.eligibility(service, store.view)
        let changeable = slots(id, store).filter { slot in
            if case .node(let node) = slot.key { nodes[node] == .eligible } else { true }
        }
        var decision = UpdateSupervisor(service, at: store.now).reconcile(
            changeable, progress: updates[id], isDirty: dirtiness.isDirty)
        let created = try apply(decision.directives, id, &store)
        for task in created { decision.progress?.replacements[task] = .some(nil) }
        updates[id] = decision.progress
        wake(at: decision.next)
        let before = service.updateStatus
        if let status = decision.status { service.updateStatus = status }
        if decision.rollsBack, let previous = service.previousSpec {
            do throws(SwarmError) {
                service.spec = try ServiceValidator(store.view).update(service, to: previous)
                service.previousSpec = nil
                service.pullCredentials = service.previousPullCredentials
                service.previousPullCredentials = nil
                service.specVersion = store.version
            } catch {
                // What it held once may be another service's by now, or gone.
                decision.rollsBack = false
                service.updateStatus = UpdateSupervisor.pausedForGood(decision.status, since: before, error)
            }
        }
        try store.update(service)
        return decision.rollsBack
    }

    static func eligibility(
        _ service: Swarm.Service, _ view: StoreSnapshot
    ) -> [Swarm.ID: GlobalOrchestrator.Eligibility] {
        var result: [Swarm.ID: GlobalOrchestrator.Eligibility] = [:]
        for node in view.nodes.all {
            let suits = Scheduler.suits(node, service.spec.taskTemplate.placement)
            result[node.id] =
                switch (node.state, node.spec.availability) {
                case (.ready, .active) where suits: .eligible
                case (.ready, .pause) where suits: .paused
                // Silence alone takes nothing away: what is there stays until the node is evicted or drained.
                case (.down, .active) where suits && node.hasLeft != true: .paused
                case (.unknown, .active) where suits, (.down, .pause) where suits && node.hasLeft != true: .paused
                default: .ineligible
                }
        }
        return result
    }

    // MARK: services that go

    private func remove(_ service: Swarm.Service, _ store: inout StoreTransaction) throws(SwarmError) {
        try clear(service.id, &store)
        if store.view.tasks(of: service.id).isEmpty { store.remove(Swarm.Service.self, service.id) }
    }

    /// Takes tasks away whose service is not there any more.
    private func removeStrays(_ store: inout StoreTransaction) throws(SwarmError) {
        let strays = store.view.servicesWithTasks.filter { store.view.services[$0] == nil }
        for id in strays { try clear(id, &store) }
    }

    private func clear(_ id: Swarm.ID, _ store: inout StoreTransaction) throws(SwarmError) {
        try apply(store.view.tasks(of: id).map { .setDesired($0.id, .remove) }, id, &store)
        try apply(TaskReaper().reconcile(slots(id, store), limit: -1, memory: 0), id, &store)
    }

    // MARK: directives

    func slots(_ id: Swarm.ID, _ store: StoreTransaction) -> [Slot] {
        Slot.slots(of: store.view.tasks(of: id))
    }

    /// Writes directives, and returns the tasks that were made.
    @discardableResult
    func apply(
        _ directives: [TaskDirective], _ id: Swarm.ID, _ store: inout StoreTransaction
    ) throws(SwarmError) -> [Swarm.ID] {
        var created: [Swarm.ID] = []
        for directive in directives {
            switch directive {
            case .create(let key, let desired):
                guard let service = store.view.services[id] else { continue }
                let task = make(service, key, desired, at: store.now)
                try store.create(task)
                created.append(task.id)
            case .setDesired(let task, let state):
                guard var task = store.view.tasks[task], task.desiredState < state else { continue }
                if task.desiredState <= .running, state > .running,
                    gate.holds(task, nodes: applied.keys)
                {
                    task.departure = .init(revision: store.version.index, since: store.now)
                }
                task.desiredState = state
                try store.update(task)
            case .delete(let task):
                store.remove(Swarm.Task.self, task)
            case .adopt(let task):
                guard var task = store.view.tasks[task], let service = store.view.services[id] else { continue }
                task.spec = service.template
                task.specVersion = service.specVersion
                task.ports = service.endpoint.ports
                try store.update(task)
            }
        }
        return created
    }

    private func make(
        _ service: Swarm.Service, _ key: SlotKey, _ desired: Swarm.Task.State, at now: Timestamp
    ) -> Swarm.Task {
        let meta = Swarm.Meta(createdAt: now, updatedAt: now)
        var task =
            switch key {
            case .replica(let number):
                Swarm.Task(id: newID(), meta: meta, service: service, slot: number, desiredState: desired)
            case .node(let node):
                Swarm.Task(id: newID(), meta: meta, service: service, slot: 0, nodeID: node, desiredState: desired)
            }
        task.spec = service.template
        return task
    }
}
