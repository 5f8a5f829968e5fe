import CausewayManager
import CausewayModel
import CausewayStore
import CausewayTestKit
import Foundation
import Testing

/// What every store promises.
///
/// A new store joins by adding a case.
enum StoreUnderTest: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case memory, sqlite

    var testDescription: String { rawValue }

    func make(watchLimit: Int = 1024) throws -> any Store {
        switch self {
        case .memory: MemoryStore(watchLimit: watchLimit)
        case .sqlite: try SQLiteStore(path: temporaryPath(), watchLimit: watchLimit)
        }
    }
}

func temporaryPath() -> String {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("causeway-store-\(UUID().uuidString)")
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder.appendingPathComponent("store.sqlite").path
}

private let noon = Timestamp(seconds: 1_800_000_000)
private let later = Timestamp(seconds: 1_800_000_060)

private func net(_ id: String) -> Swarm.Network {
    Swarm.Network(
        id: id, meta: Swarm.Meta(createdAt: noon, updatedAt: noon), spec: Swarm.NetworkSpec(name: "net-\(id)"))
}

@Suite struct `A table of the store` {
    @Test(arguments: [1, 2, 3] as [UInt64]) func `keeps its objects in the order of their age`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var table = StoreTable<Swarm.Network>()
        var plain: [Swarm.ID: Swarm.Network] = [:]

        for _ in 0..<400 {
            let id = "n\(Int.random(in: 0..<40, using: &generator))"
            var network: Swarm.Network? = net(id)
            // Some are removed, some replaced with another age, and several are of one age.
            if Int.random(in: 0..<4, using: &generator) == 0 { network = nil }
            network?.meta.createdAt = Timestamp(seconds: Int64.random(in: 0..<20, using: &generator))
            (table[id], plain[id]) = (network, network)

            #expect(table.sorted == plain.values.sorted(by: isOlder))
            #expect(Array(table.all) == table.sorted)
            #expect(table.count == plain.count)
            #expect(table[id] == plain[id])
            #expect(table.first { $0.id == id } == plain[id])
        }
    }
}

@Suite struct `Every store` {
    @Test(arguments: StoreUnderTest.allCases)
    func `gives a written object the transaction's version and time`(kind: StoreUnderTest) async throws {
        let store = try kind.make()

        try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.create(net("a")) }
        try await store.write(at: later) { (tx) throws(SwarmError) in
            var a = try present(tx.view.networks["a"])
            a.spec.labels["k"] = "v"
            try tx.update(a)
        }

        let a = try #require(store.snapshot().networks["a"])
        #expect(a.meta.version == Swarm.Version(2))
        #expect((a.meta.createdAt, a.meta.updatedAt) == (noon, later))
        #expect(store.snapshot().revision == 2)
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `refuses a stale version and keeps nothing of the transaction`(kind: StoreUnderTest) async throws {
        let store = try kind.make()
        try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.create(net("a")) }
        let stale = try #require(store.snapshot().networks["a"])
        try await store.write(at: later) { (tx) throws(SwarmError) in
            var a = stale
            a.spec.isInternal = true
            try tx.update(a)
        }

        await #expect(throws: SwarmError.outOfSequence) {
            try await store.write(at: later) { (tx) throws(SwarmError) in
                try tx.create(net("b"))
                var a = stale
                a.spec.isAttachable = true
                try tx.update(a)
            }
        }

        #expect(store.snapshot().networks["b"] == nil)
        #expect(store.snapshot().networks["a"]?.spec.isAttachable == false)
        #expect(store.snapshot().revision == 2)
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `refuses a taken identifier and an update of nothing`(kind: StoreUnderTest) async throws {
        let store = try kind.make()
        try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.create(net("a")) }

        await #expect(throws: SwarmError(.conflict, "network a already exists")) {
            try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.create(net("a")) }
        }
        await #expect(throws: SwarmError(.notFound, "network z not found")) {
            try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.update(net("z")) }
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `does not count a transaction that changes nothing`(kind: StoreUnderTest) async throws {
        let store = try kind.make()
        try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.create(net("a")) }

        try await store.write(at: later) { (tx) throws(SwarmError) in
            try tx.update(try present(tx.view.networks["a"]))
            try tx.create(net("b"))
            tx.remove(Swarm.Network.self, "b")
        }

        #expect(store.snapshot().revision == 1)
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `tells watchers each transaction once, with before and after`(kind: StoreUnderTest) async throws {
        let store = try kind.make()
        let events = store.watch()

        try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.create(net("a")) }
        try await store.write(at: noon) { tx in tx.remove(Swarm.Network.self, "a") }

        var heard: [StoreEvent] = []
        for await event in events {
            heard.append(event)
            if heard.count == 2 { break }
        }
        guard case .committed(1, let first) = heard[0], case .committed(2, let second) = heard[1] else {
            Issue.record("unexpected events \(heard)")
            return
        }
        #expect(first.map(\.id) == ["a"] && first[0].before == nil && first[0].after != nil)
        #expect(second[0].before == first[0].after && second[0].after == nil)
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `tells a slow watcher to read again instead of keeping all it missed`(kind: StoreUnderTest) async throws {
        let store = try kind.make(watchLimit: 3)
        let events = store.watch()

        for number in 1...10 {
            try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.create(net("n\(number)")) }
        }

        var iterator = events.makeAsyncIterator()
        let first = await iterator.next()
        guard case .reread(let revision) = first else {
            Issue.record("expected a reread, got \(String(describing: first))")
            return
        }
        #expect(revision <= 10 && revision > 3)
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `keeps a snapshot as it was while others write`(kind: StoreUnderTest) async throws {
        let store = try kind.make()
        try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.create(net("a")) }
        let before = store.snapshot()

        try await store.write(at: later) { tx in tx.removeAll() }

        #expect(before.networks["a"] != nil)
        #expect(store.snapshot().networks.isEmpty)
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `puts a hundred writers in order`(kind: StoreUnderTest) async throws {
        let store = try kind.make()
        try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.create(net("a")) }

        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    try await store.write(at: noon) { (tx) throws(SwarmError) in
                        var a = try present(tx.view.networks["a"])
                        a.spec.labels["count"] = "\((Int(a.spec.labels["count"] ?? "0") ?? 0) + 1)"
                        try tx.update(a)
                    }
                }
            }
            try await group.waitForAll()
        }

        #expect(store.snapshot().networks["a"]?.spec.labels["count"] == "100")
        #expect(store.snapshot().revision == 101)
    }
}

@Suite struct `The SQLite store` {
    @Test func `has everything again after a restart, to the last field`() async throws {
        let path = temporaryPath()
        let world = try await World.started(store: try SQLiteStore(path: path))
        let ports = [Swarm.PortConfig(targetPort: 80, publishedPort: 8080)]
        _ = try await world.manager.createService(spec("web", replicas: 3, ports: ports))
        try await world.settle()

        let again = try SQLiteStore(path: path).snapshot()

        let before = world.view
        #expect(again.revision == before.revision)
        #expect(again.cluster == before.cluster)
        #expect(again.nodes.sorted == before.nodes.sorted)
        #expect(again.networks.sorted == before.networks.sorted)
        #expect(again.services.sorted == before.services.sorted)
        #expect(again.tasks.sorted == before.tasks.sorted)
        #expect(again.tasks.count == 3)
    }

    @Test func `names the row that it cannot read`() async throws {
        let path = temporaryPath()
        do {
            let store = try SQLiteStore(path: path)
            try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.create(net("abc")) }
        }
        try damage(path)

        let error = #expect(throws: SwarmError.self) { _ = try SQLiteStore(path: path) }

        #expect(error?.message.contains("network abc cannot be read") == true)
    }

    @Test func `can be read by its owner alone`() throws {
        let path = temporaryPath()
        _ = try SQLiteStore(path: path)

        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int

        #expect(mode == 0o600)
    }
}

/// `#require` for closures with typed errors.
func present<T>(_ value: T?) throws(SwarmError) -> T {
    guard let value else { throw SwarmError(.internal, "test: nothing there") }
    return value
}

/// Spoils a row behind the store's back: once the store is closed, its JSON stands in the file as it is.
private func damage(_ path: String) throws {
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let range = try #require(bytes.range(of: Data(#""subnets""#.utf8)))
    bytes.replaceSubrange(range, with: Data(#""sabnets""#.utf8))
    try bytes.write(to: URL(fileURLWithPath: path))
}
