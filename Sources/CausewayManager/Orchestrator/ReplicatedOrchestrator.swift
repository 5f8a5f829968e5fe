import CausewayModel

/// Keeps a replicated service at its number of replicas.
///
/// Decides only; its caller does.
package struct ReplicatedOrchestrator: Sendable {
    package init() {}

    /// Fills the lowest empty slots first; gives up slots that do not run first, then the highest.
    package func reconcile(_ slots: [Slot], replicas: UInt64) -> [TaskDirective] {
        let replicas = Int(clamping: replicas)
        let filled = slots.filter(\.isFilled)
        let known = Dictionary(uniqueKeysWithValues: slots.map { ($0.key, $0) })
        let taken = Set(filled.map(\.key))

        let missing = max(0, replicas - filled.count)
        let empty = (1...).lazy.map(SlotKey.replica).filter { !taken.contains($0) }.prefix(missing)
        let created = empty.map { key in
            // A slot with a past waits for it to end and for the restart delay.
            TaskDirective.create(key, desired: known[key] == nil ? .running : .ready)
        }

        let surplus = filled.sorted(by: Self.staysBefore).dropFirst(replicas)
        let refilled = Set(empty)
        let dead = slots.filter { !taken.contains($0.key) && !refilled.contains($0.key) }
        let removed = (surplus + dead).sorted { $0.key < $1.key }.flatMap(\.tasks)
            .filter { $0.desiredState < .remove }.map { TaskDirective.setDesired($0.id, .remove) }
        return created + removed
    }

    private static func staysBefore(_ a: Slot, _ b: Slot) -> Bool {
        let runs = (a.runs, b.runs)
        return runs.0 == runs.1 ? a.key < b.key : runs.0
    }
}

/// Keeps one task of a global service on each node that may have one.
package struct GlobalOrchestrator: Sendable {
    /// What a node may do for a service.
    package enum Eligibility: Hashable, Sendable {
        /// May get and keep tasks.
        case eligible
        /// Keeps what it has, gets nothing new.
        case paused
        /// Has to give up what it has.
        case ineligible
    }

    package init() {}

    package func reconcile(_ slots: [Slot], nodes: [Swarm.ID: Eligibility]) -> [TaskDirective] {
        var directives: [TaskDirective] = []
        let filled = Set(slots.filter(\.isFilled).map(\.key))
        for node in nodes.keys.sorted() where nodes[node] == .eligible && !filled.contains(.node(node)) {
            let hasPast = slots.contains { $0.key == .node(node) }
            directives.append(.create(.node(node), desired: hasPast ? .ready : .running))
        }
        for slot in slots {
            guard case .node(let node) = slot.key, nodes[node] ?? .ineligible == .ineligible else { continue }
            guard nodes[node] != nil else {
                // Nobody will ever look for what a node did that is not there any more.
                directives += slot.tasks.filter { $0.desiredState < .remove }.map { .setDesired($0.id, .remove) }
                continue
            }
            directives += slot.wanted.map { .setDesired($0.id, .shutdown) }
        }
        return directives
    }
}

extension Slot {
    /// Whether a task that is wanted was seen running.
    package var runs: Bool { wanted.contains { $0.status.state == .running } }
}
