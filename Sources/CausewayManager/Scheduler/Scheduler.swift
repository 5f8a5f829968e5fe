import CausewayModel
import CausewayStore

/// Chooses a node for each task that waits for one, or says in Docker's words why there is none.
///
/// Filters in swarmkit's order; among those left, the node with the fewest tasks of the service, then the fewest at
/// all. Only reservations count against a node's CPUs and memory.
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
        var loads = view.nodes.sorted.map { NodeLoad($0, view) }
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
        for (index, load) in loads.enumerated() where task.nodeID == nil || task.nodeID == load.node.id {
            if let filter = Filter.allCases.first(where: { !passes($0, task, load) }) {
                refused[filter, default: 0] += 1
            } else if let leader = best {
                if load.rank(task) < loads[leader].rank(task) { best = index }
            } else {
                best = index
            }
        }
        if let best {
            task.nodeID = loads[best].node.id
            task.status = Swarm.Task.Status(
                timestamp: now, state: .assigned, message: "scheduler assigned task to node")
            loads[best].add(task)
            return task
        }
        let reasons = Filter.allCases.compactMap { filter in refused[filter].map(filter.explanation) }
        let error = reasons.isEmpty ? "no suitable node" : "no suitable node (\(reasons.joined(separator: "; ")))"
        guard task.status.error != error else { return task }
        task.status = Swarm.Task.Status(
            timestamp: now, state: .pending, message: "pending task scheduling", error: error)
        return task
    }

    private static func passes(_ filter: Filter, _ task: Swarm.Task, _ load: NodeLoad) -> Bool {
        switch filter {
        case .ready:
            return load.node.state == .ready && load.node.spec.availability == .active
        case .resource:
            let wanted = task.spec.resources?.reservations
            return load.nanoCPUs + (wanted?.nanoCPUs ?? 0) <= load.node.description.nanoCPUs
                && load.memoryBytes + (wanted?.memoryBytes ?? 0) <= load.node.description.memoryBytes
                || (wanted?.nanoCPUs ?? 0) == 0 && (wanted?.memoryBytes ?? 0) == 0
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

    private static func satisfies(_ node: Swarm.Node, _ constraints: [String]?) -> Bool {
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

/// A port of a node taken by a task in publish mode `host`.
struct HostPort: Hashable, Sendable {
    let transport: Swarm.TransportProtocol
    let port: UInt16

    init(_ port: Swarm.PortConfig) {
        transport = port.protocol
        self.port = port.publishedPort ?? 0
    }
}

/// What a node already carries.
struct NodeLoad: Sendable {
    let node: Swarm.Node
    private(set) var nanoCPUs: Int64 = 0
    private(set) var memoryBytes: Int64 = 0
    private(set) var hostPorts: Set<HostPort> = []
    private(set) var wantedTasks: [Swarm.ID: UInt64] = [:]
    private(set) var count = 0

    init(_ node: Swarm.Node, _ view: StoreSnapshot) {
        self.node = node
        for task in view.tasks(onNode: node.id)
        where task.status.state >= .assigned && task.status.state <= .running || task.lastSeen != nil {
            add(task)
        }
    }

    mutating func add(_ task: Swarm.Task) {
        nanoCPUs += task.spec.resources?.reservations?.nanoCPUs ?? 0
        memoryBytes += task.spec.resources?.reservations?.memoryBytes ?? 0
        hostPorts.formUnion(task.ports.filter { $0.publishMode == .host }.map(HostPort.init))
        if task.desiredState <= .running { wantedTasks[task.serviceID, default: 0] += 1 }
        count += 1
    }

    /// Lower is better.
    func rank(_ task: Swarm.Task) -> (UInt64, Int) { (wantedTasks[task.serviceID, default: 0], count) }
}
