import CausewayTestKit
import Foundation
import GRDB
import Testing

@testable import CausewayModel
@testable import CausewayStore

private let noon = Timestamp(seconds: 1_800_000_000)

/// Secrets of a swarm that must be nowhere in plain while it locks.
private let caKey = "the-private-key-of-the-root"
private let hidden = [caKey, "SWMTKN-1-hidden", "PASSWORD=hidden", "horse-battery-staple"]

private func key() -> Swarm.UnlockKey {
    var generator = SystemRandomNumberGenerator()
    return Swarm.UnlockKey(using: &generator)
}

/// A swarm with a service and a secret, whose unlock key is this one.
private func begin(_ store: SQLiteStore, _ key: Swarm.UnlockKey?) async throws {
    let meta = Swarm.Meta(createdAt: noon, updatedAt: noon)
    try await store.write(at: noon) { (tx) throws(SwarmError) in
        guard let prefix = CIDR("fd00:1:2::/48"), let pool = CIDR("10.0.0.0/8"), let address = IPAddress("192.0.2.1")
        else { throw SwarmError(.internal, "no address") }
        var cluster = Swarm.Cluster(
            id: "c", meta: meta, spec: .init(), defaultAddressPools: [pool], subnetSize: 24, uniqueLocalPrefix: prefix,
            dataPathPort: 4789, advertiseAddress: address, listenAddress: "0.0.0.0:2377", caCertificate: "root",
            caKey: caKey, workerToken: "SWMTKN-1-hidden", managerToken: "m")
        cluster.unlockKey = key
        try tx.create(cluster)
        var task = Swarm.TaskSpec()
        task.containerSpec = Swarm.ContainerSpec(image: "web")
        task.containerSpec?.env = ["PASSWORD=hidden"]
        try tx.create(Swarm.Service(id: "s", meta: meta, spec: .init(name: "web", taskTemplate: task)))
        try tx.create(
            Swarm.Dependency(
                id: "d", meta: meta, kind: .secret, spec: .init(name: "staple", data: .init("horse-battery-staple"))))
    }
}

private func change(_ store: SQLiteStore, to key: Swarm.UnlockKey?) async throws {
    try await store.write(at: noon) { (tx) throws(SwarmError) in
        guard var cluster = tx.view.cluster else { throw SwarmError(.internal, "no cluster") }
        cluster.unlockKey = key
        try tx.update(cluster)
    }
}

/// What of this can be read on the disk around a store, its key included.
private func plain(_ texts: [String], around path: String) throws -> [String] {
    let found = try ["", "-wal", "-shm", ".key"].map { path + $0 }
        .filter { FileManager.default.fileExists(atPath: $0) }
        .reduce(into: Data()) { $0 += try Data(contentsOf: URL(filePath: $1)) }
    return texts.filter { found.range(of: Data($0.utf8)) != nil }
}

private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

@Suite struct `A store that locks` {
    @Test func `is opened by its unlock key alone, and looks empty before`() async throws {
        let path = temporaryPath()
        let own = key()
        try await begin(try SQLiteStore(path: path), own)

        let store = try SQLiteStore(path: path)
        #expect(store.isLocked && store.snapshot().cluster == nil && store.snapshot().services.isEmpty)
        await #expect(throws: SwarmError.locked) { try await change(store, to: nil) }
        await #expect(throws: SwarmError.wrongUnlockKey) { try await store.unlock(key()) }
        await #expect(throws: SwarmError.wrongUnlockKey) {
            try await store.unlock(try Swarm.UnlockKey("SWMKEY-1-AAAA"))
        }
        let events = store.watch()
        try await store.unlock(own)
        #expect(await events.first { _ in true } == .reread(revision: 1))
        #expect(!store.isLocked && store.snapshot().cluster?.caKey == caKey && store.snapshot().services.count == 1)
        await #expect(throws: SwarmError.notLocked) { try await store.unlock(own) }
        try await change(store, to: own)
    }

    @Test func `has nothing in plain, its own key and what was there before the lock included`() async throws {
        let path = temporaryPath()
        let store = try SQLiteStore(path: path)
        try await begin(store, nil)
        let open = try text("\(path).key").trimmingCharacters(in: .whitespacesAndNewlines)
        let openBytes = try #require(Data(base64Encoded: open))
        #expect(try plain(hidden + [open], around: path) == [caKey, "SWMTKN-1-hidden", "PASSWORD=hidden", open])

        let own = key()
        try await change(store, to: own)

        #expect(try plain(hidden + [open, own.text, "SWMKEY"], around: path) == [])
        let file = try Data(contentsOf: URL(filePath: "\(path).key"))
        #expect(file.range(of: openBytes) == nil && file.range(of: own.bytes) == nil)
        // The key that lay there in plain opens nothing any more, and is not what the lock protects.
        let stored = try #require(try StoreKeyFile.read("\(path).key"))
        let (ring, lines) = try stored.unlocked(by: own)
        #expect(ring.count == 1 && ring[0].bytes != openBytes && lines == [true])
        try StoreKeyFile.open(StoreKey(bytes: openBytes)).write("\(path).key")
        #expect(throws: SwarmError.self) { try SQLiteStore(path: path) }
    }

    @Test func `takes another unlock key, and opens by itself again when it does not lock any more`() async throws {
        let path = temporaryPath()
        let (first, second) = (key(), key())
        let store = try SQLiteStore(path: path)
        try await begin(store, first)
        try await change(store, to: second)

        let again = try SQLiteStore(path: path)
        await #expect(throws: SwarmError.wrongUnlockKey) { try await again.unlock(first) }
        try await again.unlock(second)
        try await change(again, to: nil)
        let open = try SQLiteStore(path: path)
        #expect(!open.isLocked && open.snapshot().cluster?.caKey == caKey && open.snapshot().dependencies.count == 1)
        // So that the release before reads it.
        let form = try await open.queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") }
        #expect(form == SQLiteSchema.plainForm)
        #expect(try plain(hidden, around: path) == [caKey, "SWMTKN-1-hidden", "PASSWORD=hidden"])
    }

    @Test func `is for the release before a newer one's, and for a swarm that has ended an empty one`() async throws {
        let path = temporaryPath()
        let store = try SQLiteStore(path: path)
        try await begin(store, key())
        let form = try await store.queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") }
        #expect(form == SQLiteSchema.sealedForm)
        let locked = try #require(try StoreKeyFile.read("\(path).key"))

        try await store.write(at: noon) { (tx) throws(SwarmError) in tx.removeAll() }

        guard case .open = try StoreKeyFile.read("\(path).key") else {
            Issue.record("still locked: \(locked)")
            return
        }
        #expect(try !SQLiteStore(path: path).isLocked)
    }

    @Test func `can be forgotten without its key`() async throws {
        let path = temporaryPath()
        try await begin(try SQLiteStore(path: path), key())
        let store = try SQLiteStore(path: path)

        try await store.forget()

        #expect(!store.isLocked && store.snapshot().cluster == nil && store.snapshot().revision == 2)
        await #expect(throws: SwarmError.notLocked) { try await store.forget() }
        try await begin(store, nil)
        #expect(try SQLiteStore(path: path).snapshot().cluster != nil)
    }

    @Test func `goes into a copy with its key, which the unlock key opens`() async throws {
        let path = temporaryPath()
        let own = key()
        let store = try SQLiteStore(path: path)
        try await begin(store, own)
        let copy = "\(path).copy"

        #expect(try StoreFile(path: path).copyWithKey(to: copy) == "\(copy).key")

        let contents = try #require(try StoreFile(path: copy).read())
        #expect(contents.snapshot == nil && contents.revision == 1)
        try await change(store, to: key())
        let restored = try SQLiteStore(path: copy)
        try await restored.unlock(own)
        #expect(restored.snapshot().dependencies["d"]?.spec.name == "staple")
    }
}

@Suite struct `The file of the store's key` {
    @Test func `is one line of base64 when it is open, as it always was`() throws {
        let path = temporaryPath()
        let key = StoreKey(bytes: Data(0..<32))
        try StoreKeyFile.open(key).write(path)
        #expect(try text(path) == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
        #expect(try StoreKeyFile.read(path) == .open(key))
    }

    @Test func `says that it is locked, and has a line for each unlock key that opens it`() throws {
        let path = temporaryPath()
        let ring = [StoreKey(), StoreKey()]
        let (first, second) = (key(), key())
        try StoreKeyFile.locked(ring, by: [first, second]).write(path)

        let lines = try text(path).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 4 && lines[0] == "causeway store key, locked 1" && lines[3].isEmpty)
        // Nonce, two keys, tag.
        #expect(lines[1...2].allSatisfy { Data(base64Encoded: String($0))?.count == 12 + 64 + 16 })
        let file = try #require(try StoreKeyFile.read(path))
        #expect(try file.unlocked(by: first).ring == ring && file.unlocked(by: first).lines == [true, false])
        #expect(try file.unlocked(by: second).ring == ring && file.unlocked(by: second).lines == [false, true])
        #expect(throws: SwarmError.wrongUnlockKey) { try file.unlocked(by: key()) }
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test(arguments: ["", "causeway store key, locked 1\n", "causeway store key, locked 1\n???\n", "AAEC\n"])
    func `is refused when it is neither`(_ text: String) throws {
        let path = temporaryPath()
        try Data(text.utf8).write(to: URL(filePath: path))
        let refusal = #expect(throws: SwarmError.self) { try StoreKeyFile.read(path) }
        #expect(refusal?.message.contains("does not hold the store's key") == true)
    }
}

/// What is on a disk, and a daemon that may die after any step of it.
private struct Disk {
    /// What the file says; its locks are all known here.
    var file: KeyRing
    /// What every row is written with.
    var rows: StoreKey
    /// The unlock key that the rows name.
    var wanted: Swarm.UnlockKey?

    /// Whether somebody who has an unlock key, or none, gets at the rows.
    func opens(with key: Swarm.UnlockKey?) -> Bool {
        guard file.keys.contains(rows) else { return false }
        return file.locks.isEmpty || (key.map { file.locks.contains($0) } ?? false)
    }

    /// Takes at most so many steps; true when there was nothing more to do.
    mutating func settle(_ steps: Int) -> Bool {
        var ring = file
        for _ in 0..<steps {
            switch ring.nextStep(wanted: wanted, isEmpty: false, fresh: { StoreKey() }) {
            case nil: return true
            case .write(let next): (file, ring) = (next, next)
            case .reseal: (rows, ring) = (ring.keys[0], ring.resealed())
            }
        }
        return false
    }
}

@Suite struct `Every change of the lock` {
    @Test(arguments: 0..<200)
    func `leaves at each moment something that opens, wherever the daemon dies`(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let start = StoreKey()
        var disk = Disk(file: KeyRing(keys: [start], locks: []), rows: start, wanted: nil)
        for _ in 0..<20 {
            let next = [nil, key(), disk.wanted].randomElement(using: &generator) ?? nil
            let current = disk.wanted
            if let prepared = disk.file.prepared(for: next, after: current) { disk.file = prepared }
            // Died before the rows named another one: what people have is the old one.
            #expect(disk.opens(with: current), "seed \(seed)")
            if Int.random(in: 0..<4, using: &generator) > 0 { disk.wanted = next }
            // The rows' word is what `docker swarm unlock-key` shows.
            for _ in 0..<8 {
                let known = [disk.wanted, current]
                #expect(known.contains { disk.opens(with: $0) }, "seed \(seed)")
                if disk.settle(1) { break }
                #expect(known.contains { disk.opens(with: $0) }, "seed \(seed)")
                // Whoever starts here may find a file that says less than was in memory; it opens all the same.
            }
            let isSettled = disk.settle(8)
            #expect(isSettled, "seed \(seed)")
            #expect(disk.file.locks == (disk.wanted.map { [$0] } ?? []) && disk.file.keys == [disk.rows])
        }
    }

    @Test func `draws a new key for a lock, and keeps it while only the unlock key changes`() {
        let (old, fresh) = (StoreKey(), StoreKey())
        let (first, second) = (key(), key())
        let open = KeyRing(keys: [old], locks: [])
        func next(_ ring: KeyRing, _ wanted: Swarm.UnlockKey?, isEmpty: Bool = false) -> KeyRing.Step? {
            ring.nextStep(wanted: wanted, isEmpty: isEmpty, fresh: { fresh })
        }

        #expect(next(open, nil) == nil)
        let both = KeyRing(keys: [fresh, old], locks: [first])
        #expect(next(open, first) == .write(both))
        #expect(next(both, first) == .reseal)
        let locked = KeyRing(keys: [fresh], locks: [first])
        #expect(next(both.resealed(), first) == .write(locked))
        #expect(next(locked, first) == nil)
        #expect(locked.prepared(for: second, after: first) == KeyRing(keys: [fresh], locks: [first, second]))
        #expect(
            next(KeyRing(keys: [fresh], locks: [first, second]), second)
                == .write(.init(keys: [fresh], locks: [second])))
        #expect(next(locked, nil) == .write(KeyRing(keys: [fresh], locks: [])))
        // Where there is nothing any more, the key that was locked does not come out into the open.
        #expect(
            next(KeyRing(keys: [old], locks: [first]), nil, isEmpty: true) == .write(.init(keys: [fresh], locks: [])))
    }
}
