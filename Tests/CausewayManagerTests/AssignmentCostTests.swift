import CausewayManager
import CausewayModel
import CausewayStore
import Testing

@Suite struct `The assignments of many nodes` {
    @Test func `share what they have in common, and keep it where nothing changes`() async throws {
        let store = try await Self.store(nodes: 5, services: 20, tasks: 200)
        var maker = AssignmentMaker()
        let before = Self.make(&maker, store.snapshot())
        #expect(Set(before.map(\.places.identity)).count == 1 && Set(before.map(\.services.identity)).count == 1)

        let victim = try #require(store.snapshot().tasks.sorted.first)
        try await Self.stop(victim, in: store)
        let after = Self.make(&maker, store.snapshot())

        // It still has its addresses: only its service is another now.
        #expect(after[0].places.identity == before[0].places.identity)
        #expect(after[0].services != before[0].services)
        let others = zip(before, after).filter { $0.0.nodeID != victim.nodeID }
        #expect(others.count == 4 && others.allSatisfy { $0.tasks.identity == $1.tasks.identity })
        try await Self.end(victim, in: store)
        let last = Self.make(&maker, store.snapshot())
        #expect(last[0].places.map(\.id) == before[0].places.map(\.id).filter { $0 != victim.id })
    }

    /// What one change costs a manager of 100 nodes, 1,000 services and 10,000 tasks, until all assignments are made.
    ///
    /// The limit is generous, for builds without optimization; a cost of nodes × tasks would be far above it.
    @Test func `cost one change little`() async throws {
        let store = try await Self.store(nodes: 100, services: 1000, tasks: 10_000)
        var maker = AssignmentMaker()
        let clock = ContinuousClock()
        let first = clock.measure { _ = Self.make(&maker, store.snapshot()) }
        var times: [Duration] = []
        for victim in store.snapshot().tasks.sorted.prefix(20) {
            try await Self.stop(victim, in: store)
            times.append(clock.measure { _ = Self.make(&maker, store.snapshot()) })
            try await Self.end(victim, in: store)
            times.append(clock.measure { _ = Self.make(&maker, store.snapshot()) })
        }
        let median = times.sorted()[times.count / 2]
        print("100 assignments of 10,000 tasks: first \(first), one change \(median)")
        #expect(median < .seconds(1))
    }

    private static func make(_ maker: inout AssignmentMaker, _ view: StoreSnapshot) -> [NodeAssignment] {
        view.nodes.sorted.compactMap { maker.assignment(for: $0.id, view) }
    }

    private static func stop(_ task: Swarm.Task, in store: MemoryStore) async throws {
        try await edit(task, in: store) { $0.desiredState = .shutdown }
    }

    private static func end(_ task: Swarm.Task, in store: MemoryStore) async throws {
        try await edit(task, in: store) { $0.status.state = .shutdown }
    }

    private static func edit(
        _ task: Swarm.Task, in store: MemoryStore, _ change: @escaping @Sendable (inout Swarm.Task) -> Void
    ) async throws {
        try await store.write(at: .zero) { transaction throws(SwarmError) in
            guard var task = transaction.view.tasks[task.id] else { return }
            change(&task)
            try transaction.update(task)
        }
    }

    /// A store with running tasks, spread evenly.
    private static func store(nodes: Int, services: Int, tasks: Int) async throws -> MemoryStore {
        let store = MemoryStore()
        let world = try await World.started(store: store)
        for number in 2...nodes { try await FakeNode(number).join(world) }
        let ids = store.snapshot().nodes.sorted.map(\.id)
        let ingress = try #require(store.snapshot().networks.sorted.first)
        let script = world.script
        try await store.write(at: .zero) { transaction throws(SwarmError) in
            let meta = Swarm.Meta(createdAt: .zero, updatedAt: .zero)
            for number in 0..<services {
                let service = Swarm.Service(id: script.newID(), meta: meta, spec: spec("s\(number)"))
                try transaction.create(service)
                for slot in 0..<(tasks / services) {
                    let index = number * (tasks / services) + slot
                    var task = Swarm.Task(
                        id: script.newID(), meta: meta, service: service, slot: slot + 1,
                        nodeID: ids[index % ids.count])
                    task.status.state = .running
                    let address = IPv4Address(rawValue: 0x0a80_0000 + UInt32(index))
                    task.networks = [.init(networkID: ingress.id, addresses: [CIDR(host: .v4(address))])]
                    try transaction.create(task)
                }
            }
        }
        return store
    }
}

extension Array {
    /// Where its elements are: the same for copies that share them.
    fileprivate var identity: UInt { withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) } }
}
