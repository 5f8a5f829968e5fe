import CausewayModel
import Foundation
import GRDB
import Synchronization

/// A store in one SQLite file, and a copy of it in memory for readers.
///
/// Each commit is on the disk (WAL, `synchronous = FULL`) before anyone sees it: what a client was told, and every
/// address given away, is still true after a power cut. Disk work runs on GRDB's own queue, which also puts writers
/// in order. Secrets and configs are encrypted, with a key in a file beside it (``StoreKey``).
///
/// While the swarm has an unlock key, everything is encrypted, and the store's key as well. Then a store that is opened
/// is locked: it looks empty and refuses to be written, until it is given that key (``unlock(_:)``).
package final class SQLiteStore: Store {
    let queue: DatabaseQueue
    let feed: StoreFeed
    let file: StoreFile
    /// `nil`: locked.
    ///
    /// Changed on the queue alone.
    let ring: Mutex<KeyRing?>
    private let watchLimit: Int

    /// Opens or makes the file, brings its tables up to date, and reads everything, unless it is locked.
    package init(path: String, watchLimit: Int = 1024) throws(SwarmError) {
        do {
            let file = StoreFile(path: path)
            // Before anything is done with it: to ask for the log's mode already writes to the file.
            try file.refuseNewer()
            var configuration = Configuration()
            configuration.journalMode = .wal
            // Somebody may be making a copy.
            configuration.busyMode = .timeout(10)
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            queue = try DatabaseQueue(path: path, configuration: configuration)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            try SQLiteSchema.update(queue, path: path)
            self.file = file
            let ring = try queue.read(file.openRing)
            self.ring = Mutex(ring)
            feed = StoreFeed(try queue.read { db in try ring.map { try SQLiteSchema.load(db, $0.keys) } } ?? .init())
            self.watchLimit = watchLimit
            try queue.writeWithoutTransaction(settle)
        } catch {
            throw SwarmError(.internal, "cannot open the store \(path): \(error)")
        }
    }

    package func snapshot() -> StoreSnapshot { feed.snapshot() }

    @discardableResult
    package func write<R: Sendable>(
        at now: Timestamp, _ body: @escaping @Sendable (inout StoreTransaction) throws(SwarmError) -> R
    ) async throws(SwarmError) -> R {
        try await onQueue { [self] db in
            guard let keys = ring.withLock({ $0 }), let key = keys.keys.first else { throw SwarmError.locked }
            var transaction = StoreTransaction(from: feed.snapshot(), at: now)
            let result = try body(&transaction)
            let changes = transaction.changes
            guard !changes.isEmpty else { return result }
            let view = transaction.view
            let (before, after) = (feed.snapshot().cluster?.unlockKey, view.cluster?.unlockKey)
            if let prepared = keys.prepared(for: after, after: before) { try write(prepared) }
            try db.inTransaction {
                let seal = SQLiteSchema.Seal(key: key, isWhole: after != nil)
                try SQLiteSchema.save(changes, revision: view.revision, seal, in: db)
                if (before == nil) != (after == nil) { try SQLiteSchema.reseal(view, seal, in: db) }
                return .commit
            }
            feed.publish(view, changes)
            // Also when nothing of the lock has changed: what failed the last time is done now.
            if changes.contains(where: { $0.kind == .cluster }) { try settle(db) }
            return result
        }
    }

    package func watch() -> AsyncStream<StoreEvent> { feed.watch(limit: watchLimit) }

    /// Runs something as the only one who writes; an error that is not ours says what was tried.
    func onQueue<R: Sendable>(_ body: @escaping @Sendable (Database) throws -> R) async throws(SwarmError) -> R {
        do {
            return try await queue.writeWithoutTransaction { db in Result { try body(db) } }.get()
        } catch let error as SwarmError {
            throw error
        } catch {
            throw SwarmError(.internal, "cannot write to the store: \(error)")
        }
    }
}
