import CausewayManager
import CausewayModel
import CausewayStore
import CausewayTestKit
import Foundation
import Testing

/// The model of tasks, under random failures of containers, nodes, agents and the manager, and random acts of users.
///
/// Seen after every second: states only rise, a slot has one task that is to run (two once an update that starts the new
/// one first has made them so), nothing that is held is held twice. Seen in the end, when all is mended: every service is whole, in the nodes'
/// own eyes too. 10,000 lives with CAUSEWAY_FULL, from CAUSEWAY_SEED on; CAUSEWAY_CASES is another number of them.
@Suite struct `Random lives of tasks` {
    private static let environment = ProcessInfo.processInfo.environment
    private static let isFull = environment["CAUSEWAY_FULL"] != nil
    private static let given = environment["CAUSEWAY_CASES"].flatMap(UInt64.init)
    private static let count = given ?? (isFull ? 10_000 : 100)
    /// Always the same ones in a short run, which everybody waits for.
    private static let first = isFull || given != nil ? environment["CAUSEWAY_SEED"].flatMap(UInt64.init) ?? 0 : 0
    private static let batch: UInt64 = 25

    @Test(arguments: stride(from: first, to: first + count, by: Int(batch)).map(\.self))
    func `keep to the model`(from: UInt64) async throws {
        for seed in from..<min(from + Self.batch, Self.first + Self.count) {
            var life = try await TaskLife(seed)
            try await life.live()
        }
    }
}

/// One life of a cluster.
private struct TaskLife {
    let seed: UInt64
    let cluster: ClusterWorld
    private var random: SeededGenerator
    /// What every task was at least, so far.
    private var highest: [Swarm.ID: (observed: Swarm.Task.State, desired: Swarm.Task.State)] = [:]

    /// The services whose updates start the new task first, and how many tasks of each slot were to run, when last looked at.
    private var startFirst: Set<Swarm.ID> = []
    private var crowds: [CrowdedSlot: Int] = [:]

    private struct CrowdedSlot: Hashable {
        var service: Swarm.ID
        var slot: SlotKey
    }

    private static let images = ["ok", "ok1", "ok2", "crash2", "exit3", "missing", "slowstop", "sick2"]

    init(_ seed: UInt64) async throws {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        cluster = try await ClusterWorld.started(nodes: Int.random(in: 1...4, using: &random))
        _ = try await cluster.manager.createNetwork(network("tiny", subnet: "172.30.0.0/27"))
        _ = try await cluster.manager.createNetwork(network("wide"))
        for _ in 0..<Int.random(in: 1...3, using: &random) { try await create() }
    }

    mutating func live() async throws {
        for round in 0..<Int.random(in: 4...14, using: &random) {
            try await act()
            var noise = SeededGenerator(seed: seed &* 1000 &+ UInt64(round))
            let loss = Int.random(in: 0...2, using: &random)
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                for _ in 0..<2 {
                    try await cluster.turn(loses: { Int.random(in: 0..<10, using: &noise) < loss })
                    try check("round \(round)")
                }
                cluster.world.script.advance(.seconds(1))
            }
        }
        try await mend()
        try checkWhole()
    }

    // MARK: what happens

    private mutating func act() async throws {
        let services = try await cluster.manager.services()
        let service = services.randomElement(using: &random)
        switch (Int.random(in: 0..<16, using: &random), service, cluster.nodes.randomElement(using: &random)) {
        case (0, _, _) where services.count < 5: try await create()
        case (1, let service?, _) where services.count > 1: try await cluster.manager.removeService(service.id)
        case (2...3, let service?, _): try await scale(service)
        case (4...5, let service?, _): try await update(service)
        case (6, let service?, _) where service.previousSpec != nil && !service.spec.mode.isJob:
            _ = try await cluster.manager.updateService(
                service.id, service.spec, version: service.meta.version, rollback: true)
        case (7, _, let node?): node.agent.killing = Set(node.runs.shuffled(using: &random).prefix(2))
        case (8, let service?, _):
            cluster.world.agent.killing = Set(cluster.world.running(service).prefix(1).map(\.id))
        case (9, _, let node?): node.isCut ? try await node.connect(cluster.world) : node.cut()
        case (10, _, let node?): try await node.restart(cluster.world)
        case (11, _, let node?): node.slowness = Int64.random(in: 0...6, using: &random)
        case (12, _, let node?):
            let wanted = [Swarm.Node.Availability.active, .pause, .drain].randomElement(using: &random)
            try await cluster.set(wanted ?? .active, of: node.id)
        case (13, _, let node?):
            try await cluster.manager.removeNode(node.id, force: true)
            cluster.nodes.removeAll { $0.id == node.id }
        case (14, _, _) where cluster.nodes.count < 5: try await cluster.add()
        default: try await cluster.restartManager()
        }
    }

    private mutating func create() async throws {
        let networks = [["tiny"], ["wide"], ["tiny", "wide"], []].randomElement(using: &random) ?? []
        let port = Swarm.PortConfig(targetPort: 80, publishedPort: UInt16.random(in: 8000...8002, using: &random))
        var wanted = spec(
            "s\(cluster.world.script.newID().suffix(4))", image: Self.images.randomElement(using: &random) ?? "ok",
            replicas: UInt64.random(in: 0...5, using: &random), networks: networks,
            ports: Int.random(in: 0..<3, using: &random) == 0 ? [port] : [])
        wanted.taskTemplate.restartPolicy = .init(condition: .any, delay: .seconds(1))
        switch Int.random(in: 0..<8, using: &random) {
        case 0: wanted.mode = .global
        case 1:
            wanted.mode = .replicatedJob(maxConcurrent: 2, totalCompletions: 4)
            wanted.taskTemplate.containerSpec?.image = "exit0"
            wanted.taskTemplate.restartPolicy?.condition = .onFailure
        default: break
        }
        do throws(SwarmError) { _ = try await cluster.manager.createService(wanted) } catch {
            try #require(error.message.contains("already in use"), "\(error.message)")
        }
    }

    private mutating func scale(_ service: Swarm.Service) async throws {
        guard case .replicated = service.spec.mode else { return }
        let count = UInt64.random(in: 0...6, using: &random)
        try await cluster.world.update(service) { $0.mode = .replicated(count) }
    }

    private mutating func update(_ service: Swarm.Service) async throws {
        guard !service.spec.mode.isJob else { return }
        let image = Self.images.randomElement(using: &random) ?? "ok"
        var config = Swarm.UpdateConfig()
        config.order = Bool.random(using: &random) ? "start-first" : "stop-first"
        config.parallelism = UInt64.random(in: 0...3, using: &random)
        config.failureAction = ["pause", "continue", "rollback"].randomElement(using: &random)
        try await cluster.world.update(service) { [config] in
            $0.taskTemplate.containerSpec?.image = image
            $0.updateConfig = config
        }
    }

    /// Everything that was broken is mended, and time passes.
    private mutating func mend() async throws {
        for node in cluster.nodes {
            node.slowness = 0
            node.agent.killing = []
            if node.isCut { try await node.connect(cluster.world) }
            try await cluster.set(.active, of: node.id)
        }
        cluster.world.agent.killing = []
        for service in try await cluster.manager.services() where !service.spec.mode.isJob {
            // A new update ends one that was paused.
            try await cluster.world.update(service) { $0.taskTemplate.containerSpec?.image = "ok9" }
        }
        for second in 0..<110 {
            try await cluster.turn()
            if second % 5 == 0 { try check("in the end") }
            cluster.world.script.advance(.seconds(1))
        }
        try await cluster.settle()
        try check("at rest")
    }

    // MARK: what must hold

    private mutating func check(_ moment: String) throws {
        let view = cluster.view
        let doubles = AddressLedger.doubles(in: view)
        #expect(doubles == [], "seed \(seed), \(moment)")
        var seen: [Swarm.ID: (observed: Swarm.Task.State, desired: Swarm.Task.State)] = [:]
        for task in view.tasks.all {
            let now = (observed: task.status.state, desired: task.desiredState)
            if let before = highest[task.id] {
                #expect(
                    now.observed >= before.observed && now.desired >= before.desired,
                    "seed \(seed), \(moment): task \(task.id) fell from \(before) to \(now)")
            }
            seen[task.id] = now
        }
        highest = seen
        checkSlots(moment)
        let held = Set(AddressLedger.holders(view).map(\.owner))
        for node in cluster.nodes {
            for task in node.runs {
                #expect(held.contains("task \(task)"), "seed \(seed), \(moment): \(task) runs without addresses")
            }
        }
    }

    /// What an update has made two stays so when another update changes the order, until the slot's turn comes.
    private mutating func checkSlots(_ moment: String) {
        var now: [CrowdedSlot: Int] = [:]
        var ordered: Set<Swarm.ID> = []
        for service in cluster.view.services.all {
            if service.spec.updateConfig?.order == "start-first" { ordered.insert(service.id) }
            let mayGrow = ordered.contains(service.id) || startFirst.contains(service.id)
            let live = cluster.world.tasks(service).filter {
                $0.desiredState <= .running && $0.status.state <= .running
            }
            for (key, tasks) in Dictionary(grouping: live, by: SlotKey.init) {
                let slot = CrowdedSlot(service: service.id, slot: key)
                now[slot] = tasks.count
                let most = mayGrow ? 2 : max(1, crowds[slot] ?? 1)
                #expect(tasks.count <= most, "seed \(seed), \(moment): \(key) of \(story(service))")
            }
        }
        (crowds, startFirst) = (now, ordered)
    }

    private func checkWhole() throws {
        for service in cluster.view.services.all where service.allocationError == nil {
            let running = cluster.world.running(service)
            switch service.spec.mode {
            case .replicated(let count):
                let waits = cluster.world.tasks(service).contains { $0.status.error?.contains("no available") == true }
                guard !waits else { continue }
                #expect(running.count == Int(count), "seed \(seed): \(story(service))")
                #expect(Set(running.map(\.slot)).count == Int(count), "seed \(seed): \(story(service))")
            case .global: #expect(running.count == cluster.nodes.count + 1, "seed \(seed): \(story(service))")
            case .replicatedJob(_, let total):
                // Not the tasks: a node that was called down may say later that its own has completed, too.
                let complete = Set(cluster.world.tasks(service).filter { $0.status.state == .complete }.map(\.slot))
                #expect(complete.count == Int(total), "seed \(seed): \(story(service))")
                continue
            case .globalJob: continue
            }
            // What the nodes themselves know: each once, in the whole cluster.
            let spread = try cluster.spread(service).values.reduce(0, +)
            #expect(spread == running.count, "seed \(seed): \(story(service))")
        }
    }

    /// A service and its tasks in words, for a failing run.
    private func story(_ service: Swarm.Service) -> String {
        let tasks = cluster.world.tasks(service).map { task in
            let node = task.nodeID.map { cluster.view.nodes[$0]?.description.hostname ?? "gone" } ?? "-"
            return "\(task.slot) \(task.id.suffix(3)) on \(node): \(task.status.state)/\(task.desiredState) "
                + "\(task.spec.containerSpec?.image ?? "") v\(task.specVersion.index) \(task.status.error ?? "")"
        }
        let status = service.updateStatus.map { "\($0.state ?? ""): \($0.message ?? "")" } ?? ""
        return "\(service.spec.name) \(service.spec.mode) \(status)\n" + tasks.joined(separator: "\n")
    }
}
