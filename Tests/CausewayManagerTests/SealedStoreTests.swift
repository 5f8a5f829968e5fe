import CausewayModel
import CausewayStore
import Foundation
import GRDB
import Testing

private let noon = Timestamp(seconds: 1_800_000_000)

private func secret(_ id: String = "s1", _ text: String = "horse-battery-staple") -> Swarm.Dependency {
    Swarm.Dependency(
        id: id, meta: .init(createdAt: noon, updatedAt: noon), kind: .secret,
        spec: .init(name: "staple-\(id)", labels: ["owner": "correct"], data: .init(text)))
}

private func store(_ path: String, _ secrets: Swarm.Dependency...) async throws {
    let store = try SQLiteStore(path: path)
    try await store.write(at: noon) { (tx) throws(SwarmError) in
        for secret in secrets { try tx.create(secret) }
    }
}

/// Everything that lies on the disk around a store, but for its key.
private func bytes(around path: String) throws -> Data {
    try ["", "-wal", "-shm"].map { path + $0 }.filter { FileManager.default.fileExists(atPath: $0) }
        .reduce(into: Data()) { $0 += try Data(contentsOf: URL(filePath: $1)) }
}

@Suite struct `Secrets in the store's file` {
    @Test func `are there again, and nowhere to be read without the key`() async throws {
        let path = temporaryPath()
        let store = try SQLiteStore(path: path)
        try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.create(secret()) }
        let plain = try #require("plain-network".data(using: .utf8))
        try await store.write(at: noon) { (tx) throws(SwarmError) in
            try tx.create(
                Swarm.Network(
                    id: "n", meta: .init(createdAt: noon, updatedAt: noon), spec: .init(name: "plain-network")))
        }

        let found = try bytes(around: path)
        #expect(found.range(of: plain) != nil, "or nothing is proven")
        for text in ["horse-battery", "staple-s1", "correct", Data("horse-battery-staple".utf8).base64EncodedString()] {
            #expect(found.range(of: Data(text.utf8)) == nil, "\(text)")
        }
        let again = try SQLiteStore(path: path)
        #expect(again.snapshot().dependencies["s1"]?.spec == secret().spec)
        #expect(again.snapshot().dependencies["s1"]?.meta.version == .init(1))
        let mode = try FileManager.default.attributesOfItem(atPath: "\(path).key")[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test func `need their own key, and say so`() async throws {
        let path = temporaryPath()
        try await store(path, secret())
        let key = try Data(contentsOf: URL(filePath: "\(path).key"))

        try FileManager.default.removeItem(atPath: "\(path).key")
        let missing = #expect(throws: SwarmError.self) { try SQLiteStore(path: path) }
        #expect(missing?.message.contains("its key \(path).key is not there: put it back") == true)
        #expect(!FileManager.default.fileExists(atPath: "\(path).key"), "a new one would open nothing")

        try StoreKeyFile.open(StoreKey()).write("\(path).key")
        let wrong = #expect(throws: SwarmError.self) { try SQLiteStore(path: path) }
        #expect(wrong?.message.contains("the store's key does not open it") == true)

        try Data("no key".utf8).write(to: URL(filePath: "\(path).key"))
        let broken = #expect(throws: SwarmError.self) { try SQLiteStore(path: path) }
        #expect(broken?.message.contains("does not hold the store's key") == true)

        try key.write(to: URL(filePath: "\(path).key"))
        #expect(try SQLiteStore(path: path).snapshot().dependencies.count == 1)
    }

    @Test func `cannot be put into each other's place`() async throws {
        let path = temporaryPath()
        try await store(path, secret("s1", "one"), secret("s2", "two"))
        let queue = try DatabaseQueue(path: path)
        try await queue.write {
            try $0.execute(
                sql: "UPDATE addition SET json = (SELECT json FROM addition WHERE id = 's2') WHERE id = 's1'")
        }
        try queue.close()

        let refusal = #expect(throws: SwarmError.self) { try SQLiteStore(path: path) }

        #expect(refusal?.message.contains("the store's key does not open it") == true)
    }

    @Test func `go into a copy with the key beside it`() async throws {
        let path = temporaryPath()
        try await store(path, secret())
        let copy = "\(path).copy"

        let place = try StoreFile(path: path).copyWithKey(to: copy)

        #expect(place == "\(copy).key")
        #expect(try StoreFile(path: copy).read()?.snapshot?.dependencies["s1"]?.spec == secret().spec)
        let mode = try FileManager.default.attributesOfItem(atPath: "\(copy).key")[.posixPermissions] as? Int
        #expect(mode == 0o600)
        try FileManager.default.removeItem(atPath: "\(copy).key")
        #expect(throws: SwarmError.self) { try StoreFile(path: copy).read() }
    }
}
