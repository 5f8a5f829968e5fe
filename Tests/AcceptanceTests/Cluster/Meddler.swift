import CausewayKernel
import Foundation
import Testing

/// Somebody who changes by chance what is ours on the lab's nodes.
struct Meddler: Sendable {
    /// How many acts, one after the other.
    var acts: Int
    /// How long a node may take until everything is as it was.
    var limit: Duration
    /// Whether the nodes have classic networks.
    var isClassic = false
    /// Kinds of acts, each with what can be done now on a node.
    var choices: @Sendable (_ node: String) async throws -> [[NodeAct]]

    typealias Reference = [String: [String: KernelState]]

    /// What the nodes' kernels have, by node and namespace.
    func reference() async throws -> Reference {
        var all: Reference = [:]
        for node in await lab.nodes { all[node] = try await view(node).state() }
        return all
    }

    /// Each act is undone, counted and named, and then no node would change anything.
    func run(_ reference: Reference) async throws {
        let nodes = await lab.nodes
        var chance = SeededGenerator(seed: Machine.seed)
        var slowest: (time: Duration, act: String) = (.zero, "")
        for number in 1...acts {
            let node = try #require(nodes.randomElement(using: &chance))
            let kind = try #require(try await choices(node).randomElement(using: &chance))
            let act = try #require(kind.randomElement(using: &chance))
            let label = "seed \(Machine.seed), act \(number), \(node): \(act)"
            let time = try await repair(act, node, reference[node] ?? [:], label)
            if time > slowest.time { slowest = (time, label) }
            try await lab.plansBecomeEmpty(within: limit)
        }
        print("\(acts) acts, slowest \(slowest.time): \(slowest.act)")
    }

    /// Takes an act, and returns how long it took until the node's kernel was right again.
    private func repair(
        _ act: NodeAct, _ node: String, _ reference: [String: KernelState], _ label: String
    ) async throws -> Duration {
        let counted = try await lab.metric("causeway_repairs_total", node)
        let logged = lab.repairs(on: node).count
        try await act.run(on: node)
        let ended = ContinuousClock.now
        try await view(node).wait(for: reference, until: ended + limit, label)
        let time = ContinuousClock.now - ended
        // `iptables -P FORWARD DROP` takes nothing of ours away where our entry is there already.
        guard !act.hitsOthers else { return time }
        try await eventually("\(label): counted", within: .seconds(2)) {
            try await lab.metric("causeway_repairs_total", node) > counted ? true : nil
        }
        #expect(lab.repairs(on: node).count > logged, "\(label): not named in the log")
        return time
    }

    private func view(_ node: String) -> NodeView { NodeView(node: node, isClassic: isClassic) }
}

extension LabCluster {
    /// What a node's log says was repaired, line by line.
    nonisolated func repairs(on node: String) -> [Substring] {
        lines(node).filter { $0.contains("repaired what somebody else changed") && $0.contains("plan=") }
    }
}
