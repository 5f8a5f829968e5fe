import CausewayModel
import CausewayStore

extension ManagementRound {
    // MARK: judging

    mutating func judge(_ store: inout StoreTransaction, _ seen: NodesSeen) throws(SwarmError) {
        guard let period = store.view.cluster?.heartbeatPeriod else { return }
        let watch = NodeWatch(period: period, evictionAfter: evictionAfter)
        let decision = watch.reconcile(store.view.nodes.sorted, seen: seen, at: store.now)
        wake(at: decision.next)
        for node in decision.changed {
            try store.update(node)
            let cause = node.message.isEmpty ? "" : ": \(node.message)"
            notes.append("node \(node.description.hostname) is \(node.state.rawValue)\(cause)")
        }
        for node in decision.evicted.sorted() { try giveUp(node, mayReturn: true, &store) }
        for node in store.view.nodesWithTasks.sorted() where store.view.nodes[node] == nil {
            try giveUp(node, mayReturn: false, &store)
        }
    }

    private mutating func giveUp(
        _ node: Swarm.ID, mayReturn: Bool, _ store: inout StoreTransaction
    ) throws(SwarmError) {
        let count = store.view.tasks(onNode: node).count { !$0.status.state.isTerminal }
        guard count > 0 else { return }
        try Orphans.giveUp(node, mayReturn: mayReturn, &store)
        let name = store.view.nodes[node]?.description.hostname ?? node
        notes.append("node \(name) is \(mayReturn ? "evicted" : "gone"): its \(count) tasks are replaced elsewhere")
    }

    /// Gives up the tasks that a node does not suit any more, wherever a node has changed.
    mutating func enforce(_ store: inout StoreTransaction) throws(SwarmError) {
        for node in store.view.nodes.sorted where enforced[node.id] != node.meta.version {
            enforced[node.id] = node.meta.version
            let tasks = store.view.tasks(onNode: node.id).sorted(by: isOlder)
            for id in ConstraintEnforcer().reconcile(node, tasks) {
                guard var task = store.view.tasks[id] else { continue }
                task.rejection = ConstraintEnforcer.error
                try store.update(task)
                notes.append("task \(task.name): node \(node.description.hostname) no longer suits it")
            }
        }
        enforced = enforced.filter { store.view.nodes[$0.key] != nil }
    }

    static func applied(_ view: StoreSnapshot, _ seen: NodesSeen) -> [Swarm.ID: UInt64] {
        var applied: [Swarm.ID: UInt64] = [:]
        for node in view.nodes.all where node.state == .ready {
            let sighting = seen.sightings[node.id]
            // A manager whose agent does not run has no maps that anybody keeps.
            guard node.spec.role == .worker || sighting?.isConnected == true else { continue }
            applied[node.id] = sighting?.applied ?? 0
        }
        return applied
    }

    mutating func release(_ store: inout StoreTransaction) throws(SwarmError) {
        let departing = store.view.departingTasks
        guard !departing.isEmpty else { return }
        let decision = gate.reconcile(departing, applied: applied, at: store.now)
        wake(at: decision.next)
        for id in decision.released {
            guard var task = store.view.tasks[id], let departure = task.departure else { continue }
            task.departure = nil
            try store.update(task)
            guard let lagging = decision.lagging[id] else {
                progress.append(acknowledged(task, departure, store))
                continue
            }
            let names = lagging.map { store.view.nodes[$0]?.description.hostname ?? $0 }.joined(separator: ", ")
            notes.append("task \(task.name) is stopped although \(names) may still send it new connections")
        }
    }

    /// Which revision each node has, with which it sends a task nothing new.
    private func acknowledged(
        _ task: Swarm.Task, _ departure: Swarm.Departure, _ store: StoreTransaction
    ) -> String {
        let others = applied.filter { $0.key != task.nodeID }.map { node, revision in
            "\(store.view.nodes[node]?.description.hostname ?? node)@\(revision)"
        }
        let waited = store.now.since(departure.since)
        return "task \(task.name) is avoided by all nodes since revision \(departure.revision), after \(waited): "
            + others.sorted().joined(separator: " ")
    }
}
