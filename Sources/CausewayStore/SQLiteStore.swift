import CausewayModel
import Foundation
import GRDB

/// A store in one SQLite file, and a copy of it in memory for readers.
///
/// Each commit is on the disk (WAL, `synchronous = FULL`) before anyone sees it: what a client was told, and every
/// address given away, is still true after a power cut. Disk work runs on GRDB's own queue, which also puts writers
/// in order. Secrets and configs are encrypted, with a key in a file beside it (``StoreKey``).
package final class SQLiteStore: Store {
    private let queue: DatabaseQueue
    private let feed: StoreFeed
    private let key: StoreKey
    private let watchLimit: Int

    /// Opens or makes the file, brings its tables up to date, and reads everything.
    package init(path: String, watchLimit: Int = 1024) throws(SwarmError) {
        do {
            // Before anything is done with it: to ask for the log's mode already writes to the file.
            try StoreFile(path: path).refuseNewer()
            var configuration = Configuration()
            configuration.journalMode = .wal
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            queue = try DatabaseQueue(path: path, configuration: configuration)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            try SQLiteSchema.update(queue, path: path)
            let key = try StoreFile(path: path).makeKey(queue)
            feed = StoreFeed(try queue.read { try SQLiteSchema.load($0, key) })
            self.key = key
        } catch {
            throw SwarmError(.internal, "cannot open the store \(path): \(error)")
        }
        self.watchLimit = watchLimit
    }

    package func snapshot() -> StoreSnapshot { feed.snapshot() }

    @discardableResult
    package func write<R: Sendable>(
        at now: Timestamp, _ body: @escaping @Sendable (inout StoreTransaction) throws(SwarmError) -> R
    ) async throws(SwarmError) -> R {
        let (feed, key) = (feed, key)
        do {
            let result = try await queue.writeWithoutTransaction { db -> Result<R, SwarmError> in
                var transaction = StoreTransaction(from: feed.snapshot(), at: now)
                let result: R
                do throws(SwarmError) { result = try body(&transaction) } catch { return .failure(error) }
                let changes = transaction.changes
                guard !changes.isEmpty else { return .success(result) }
                try db.inTransaction {
                    try SQLiteSchema.save(changes, revision: transaction.view.revision, key, in: db)
                    return .commit
                }
                feed.publish(transaction.view, changes)
                return .success(result)
            }
            return try result.get()
        } catch let error as SwarmError {
            throw error
        } catch {
            throw SwarmError(.internal, "cannot write to the store: \(error)")
        }
    }

    package func watch() -> AsyncStream<StoreEvent> { feed.watch(limit: watchLimit) }
}
