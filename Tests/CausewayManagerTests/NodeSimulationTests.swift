import CausewayManager
import CausewayModel
import CausewayStore
import CausewayTestKit
import Testing

@Suite struct `Random lives of a cluster` {
    /// Nodes fail, return, are drained, leave and are removed while services change and messages are lost, late and
    /// out of order; the invariants hold at each moment, and in the end every service is whole.
    @Test(arguments: [0, 20, 40])
    func `keep every promise`(first: UInt64) async throws {
        for seed in first..<(first + 20) { try await live(seed) }
    }

    private func live(_ seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let cluster = try await ClusterWorld.started(nodes: Int.random(in: 2...5, using: &random))
        for name in ["a", "b"] {
            let replicas = UInt64.random(in: 1...6, using: &random)
            _ = try await cluster.manager.createService(spec(name, replicas: replicas))
        }
        var wanted = spec("everywhere")
        wanted.mode = .global
        _ = try await cluster.manager.createService(wanted)
        for round in 0..<25 {
            try await act(cluster, &random)
            let loss = Int.random(in: 0...2, using: &random)
            var noise = SeededGenerator(seed: seed &* 1000 &+ UInt64(round))
            try await cluster.run(
                Int.random(in: 1...12, using: &random), loses: { Int.random(in: 0..<10, using: &noise) < loss },
                each: { try check(cluster, "seed \(seed), round \(round)") })
        }
        for node in cluster.nodes {
            node.slowness = 0
            if node.isCut { try await node.connect(cluster.world) }
            try await cluster.set(.active, of: node.id)
        }
        try await cluster.run(130)
        try check(cluster, "seed \(seed), end")
        try checkWhole(cluster, "seed \(seed), end")
    }

    private func act(_ cluster: ClusterWorld, _ random: inout SeededGenerator) async throws {
        guard let node = cluster.nodes.randomElement(using: &random) else {
            try await cluster.add()
            return
        }
        let services = try await cluster.manager.services()
        switch Int.random(in: 0..<12, using: &random) {
        case 0...2: node.cut()
        case 3...4 where node.isCut: try await node.connect(cluster.world)
        case 5:
            let availability = [Swarm.Node.Availability.active, .pause, .drain].randomElement(using: &random)
            try await cluster.set(availability ?? .active, of: node.id)
        case 6 where cluster.nodes.count < 6: try await cluster.add()
        case 7:
            try await cluster.manager.removeNode(node.id, force: true)
            cluster.nodes.removeAll { $0.id == node.id }
        case 8 where !node.isCut:
            try await cluster.manager.left(node.id)
            cluster.nodes.removeAll { $0.id == node.id }
        case 9:
            node.slowness = Int64.random(in: 0...8, using: &random)
        case 10:
            guard let service = services.randomElement(using: &random), case .replicated = service.spec.mode else {
                break
            }
            let count = UInt64.random(in: 0...6, using: &random)
            try await cluster.world.update(service) { $0.mode = .replicated(count) }
        default:
            node.agent.killing = Set(node.runs.prefix(1))
        }
    }

    private func check(_ cluster: ClusterWorld, _ label: String) throws {
        #expect(AddressLedger.doubles(in: cluster.view) == [], "\(label)")
        let held = Set(AddressLedger.holders(cluster.view).map(\.owner))
        for node in cluster.nodes {
            for task in node.runs {
                #expect(held.contains("task \(task)"), "\(label): \(task) runs on \(node.hostname) without addresses")
            }
        }
        for service in cluster.view.services.all {
            let live = cluster.world.tasks(service).filter {
                $0.desiredState == .running && $0.status.state <= .running
            }
            let slots = Dictionary(grouping: live, by: SlotKey.init)
            #expect(slots.values.allSatisfy { $0.count == 1 }, "\(label): \(story(cluster, service))")
        }
    }

    private func checkWhole(_ cluster: ClusterWorld, _ label: String) throws {
        for service in cluster.view.services.all {
            let everywhere = cluster.nodes.count + 1
            let count = if case .replicated(let number) = service.spec.mode { Int(number) } else { everywhere }
            let running = cluster.world.running(service)
            #expect(running.count == count, "\(label): \(story(cluster, service))")
            // What the nodes themselves know: each slot once, in the whole cluster.
            #expect(try cluster.spread(service).values.reduce(0, +) == count, "\(label): \(story(cluster, service))")
        }
        #expect(cluster.view.tasks.all.allSatisfy { $0.lastSeen == nil && $0.departure == nil }, "\(label)")
    }

    private func story(_ cluster: ClusterWorld, _ service: Swarm.Service) -> String {
        let tasks = cluster.world.tasks(service).map { task in
            let node = task.nodeID.map { cluster.view.nodes[$0]?.description.hostname ?? "gone" } ?? "-"
            return "\(task.slot) \(task.id.suffix(3)) on \(node): \(task.status.state)/\(task.desiredState) "
                + (task.status.error ?? "")
        }
        return "\(service.spec.name) \(service.spec.mode)\n" + tasks.joined(separator: "\n")
    }
}
