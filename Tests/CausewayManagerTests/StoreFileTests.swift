import CausewayModel
import CausewayStore
import Foundation
import GRDB
import Testing

private let noon = Timestamp(seconds: 1_800_000_000)

private func network(_ number: Int) -> Swarm.Network {
    Swarm.Network(
        id: "n\(number)", meta: Swarm.Meta(createdAt: noon, updatedAt: noon), spec: .init(name: "net-\(number)"))
}

@Suite struct `The store's file` {
    @Test func `a copy made while somebody writes is one moment of the store, and root's alone`() async throws {
        let path = temporaryPath()
        let store = try SQLiteStore(path: path)
        let writer = Task {
            for number in 0..<200 {
                try await store.write(at: noon) { (tx) throws(SwarmError) in
                    try tx.create(network(2 * number))
                    try tx.create(network(2 * number + 1))
                }
            }
        }
        var revisions: [UInt64] = []
        for number in 0..<5 {
            let copy = "\(path).copy-\(number)"
            try StoreFile(path: path).copy(to: copy)
            let found = try #require(try StoreFile(path: copy).read()?.snapshot)
            #expect(found.networks.count == 2 * Int(found.revision))
            revisions.append(found.revision)
            let mode = try FileManager.default.attributesOfItem(atPath: copy)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            #expect(!FileManager.default.fileExists(atPath: "\(copy)-wal"))
        }
        try await writer.value

        #expect(revisions == revisions.sorted())
        #expect(throws: SwarmError.self) { try StoreFile(path: path).copy(to: "\(path).copy-0") }
    }

    @Test func `what a newer release wrote is refused, and left as it is`() async throws {
        let path = temporaryPath()
        let queue = try DatabaseQueue(path: path)
        try await queue.write { try $0.execute(sql: "PRAGMA user_version = 99; CREATE TABLE later (a)") }
        try queue.close()
        let before = try Data(contentsOf: URL(filePath: path))

        let refusal = #expect(throws: SwarmError.self) { try SQLiteStore(path: path) }
        #expect(refusal?.message.contains("a newer release wrote it") == true)
        #expect(throws: SwarmError.self) { try StoreFile(path: path).read() }
        #expect(try Data(contentsOf: URL(filePath: path)) == before)
    }

    @Test func `what an older release wrote is brought up to date, and kept as it was`() async throws {
        let path = temporaryPath()
        do {
            let store = try SQLiteStore(path: path)
            try await store.write(at: noon) { (tx) throws(SwarmError) in try tx.create(network(1)) }
        }
        // As release 0.1.0 left it: its one migration, and no word about the form.
        let queue = try DatabaseQueue(path: path)
        try await queue.write {
            try $0.execute(
                sql: """
                    DROP TABLE addition; DELETE FROM grdb_migrations WHERE identifier LIKE '002%';
                    PRAGMA user_version = 0
                    """)
        }
        try queue.close()

        let contents = try #require(try StoreFile(path: path).read())
        #expect(contents.pendingMigrations.first?.hasPrefix("002") == true)
        #expect(contents.snapshot?.networks["n1"]?.spec.name == "net-1")
        let store = try SQLiteStore(path: path)
        #expect(store.snapshot().networks["n1"]?.spec.name == "net-1")
        let kept = try #require(try StoreFile(path: "\(path).before-002").read())
        #expect(kept.pendingMigrations == contents.pendingMigrations)
    }

    @Test func `a damaged file and one that is no store are named`() throws {
        let path = temporaryPath()
        try Data("this is no store, and longer than a page's header would be".utf8).write(to: URL(filePath: path))

        let refusal = #expect(throws: SwarmError.self) { try StoreFile(path: path).read() }
        #expect(refusal?.message.contains(path) == true)
        #expect(try StoreFile(path: "\(path).none").read() == nil)
    }
}
