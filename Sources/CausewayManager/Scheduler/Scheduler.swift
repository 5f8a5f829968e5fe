import CausewayModel
import CausewayStore

/// Chooses a node for each task that waits for one, or says in Docker's words why there is none.
///
/// Filters in swarmkit's order; among those left, the node that the placement preferences want, then the one with the
/// fewest tasks of the service, then the fewest at all. Only reservations count against what a node has.
package struct Scheduler: Sendable {
    /// Reasons for which a node is passed over, each with its part of the sentence.
    private enum Filter: Int, CaseIterable {
        case ready, resource, constraint, platform, hostPort, maxReplicas

        func explanation(_ count: Int) -> String {
            let nodes = count == 1 ? "1 node" : "\(count) nodes"
            return switch self {
            case .ready: "\(nodes) not available for new tasks"
            case .resource: "insufficient resources on \(nodes)"
            case .constraint: "scheduling constraints not satisfied on \(nodes)"
            case .platform: "unsupported platform on \(nodes)"
            case .hostPort: "host-mode port already in use on \(nodes)"
            case .maxReplicas: "max replicas per node limit exceed"
            }
        }
    }

    package init() {}

    /// The tasks whose node or explanation changes.
    package func reconcile(_ view: StoreSnapshot, at now: Timestamp) -> [Swarm.Task] {
        let waiting = view.unplacedTasks.filter {
            $0.status.state == .pending && $0.desiredState <= .running && !$0.networks.isEmpty
        }
        guard !waiting.isEmpty else { return [] }
        var loads = view.nodes.sorted.map { NodeLoad($0, view, at: now) }
        return waiting.compactMap { task in
            let after = Self.place(task, among: &loads, at: now)
            return after == task ? nil : after
        }
    }

    /// Whether the node satisfies a placement's constraints and platforms.
    ///
    /// Unreadable constraints satisfy nobody.
    package static func suits(_ node: Swarm.Node, _ placement: Swarm.Placement?) -> Bool {
        satisfies(node, placement?.constraints) && runs(node, placement?.platforms)
    }

    private static func place(_ before: Swarm.Task, among loads: inout [NodeLoad], at now: Timestamp) -> Swarm.Task {
        var task = before
        var refused: [Filter: Int] = [:]
        var best: Int?
        let spread = Spread(task.spec.placement?.preferences, of: task.serviceID, over: loads)
        for (index, load) in loads.enumerated() where task.nodeID == nil || task.nodeID == load.node.id {
            if let filter = Filter.allCases.first(where: { !passes($0, task, load) }) {
                refused[filter, default: 0] += 1
            } else if let leader = best {
                let isBetter = spread.prefers(index, to: leader) ?? (load.rank(task) < loads[leader].rank(task))
                if isBetter { best = index }
            } else {
                best = index
            }
        }
        if let best {
            task.nodeID = loads[best].node.id
            task.status = Swarm.Task.Status(
                timestamp: now, state: .assigned, message: "scheduler assigned task to node")
            loads[best].take(&task)
            return task
        }
        let error = explanation(refused, isBound: task.nodeID != nil)
        guard task.status.error != error else { return task }
        task.status = Swarm.Task.Status(
            timestamp: now, state: .pending, message: "pending task scheduling", error: error)
        return task
    }

    /// The most frequent reason first.
    ///
    /// Of a task that can be on one node only, the reason is all that is said.
    private static func explanation(_ refused: [Filter: Int], isBound: Bool) -> String {
        let reasons = refused.sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }
        let words = reasons.map { $0.key.explanation($0.value) }.joined(separator: "; ")
        if words.isEmpty { return "no suitable node" }
        return isBound ? words : "no suitable node (\(words))"
    }

    private static func passes(_ filter: Filter, _ task: Swarm.Task, _ load: NodeLoad) -> Bool {
        switch filter {
        case .ready:
            return load.node.state == .ready && load.node.spec.availability == .active
        case .resource:
            return load.hasRoom(for: task)
        case .constraint:
            return satisfies(load.node, task.spec.placement?.constraints)
        case .platform:
            return runs(load.node, task.spec.placement?.platforms)
        case .hostPort:
            return task.ports.allSatisfy { $0.publishMode != .host || !load.hostPorts.contains(HostPort($0)) }
        case .maxReplicas:
            guard let limit = task.spec.placement?.maxReplicas, limit > 0 else { return true }
            return load.wantedTasks[task.serviceID, default: 0] < limit
        }
    }

    static func satisfies(_ node: Swarm.Node, _ constraints: [String]?) -> Bool {
        (constraints ?? []).allSatisfy { text in
            do throws(SwarmError) { return try Constraint(text).isSatisfied(by: node) } catch { return false }
        }
    }

    private static func runs(_ node: Swarm.Node, _ platforms: [Swarm.Placement.Platform]?) -> Bool {
        guard let platforms, !platforms.isEmpty else { return true }
        let names = ["x86_64": "amd64", "aarch64": "arm64"]
        func same(_ wanted: String?, _ actual: String) -> Bool {
            guard let wanted, !wanted.isEmpty else { return true }
            return names[wanted, default: wanted] == names[actual, default: actual]
        }
        return platforms.contains {
            same($0.os, node.description.os) && same($0.architecture, node.description.architecture)
        }
    }
}
