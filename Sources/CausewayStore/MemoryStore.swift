import CausewayModel
import Synchronization

/// A store that forgets everything with its process: for tests and for trying things.
package final class MemoryStore: Store {
    private let feed = StoreFeed(StoreSnapshot())
    private let writing = Mutex(())
    private let watchLimit: Int

    package init(watchLimit: Int = 1024) { self.watchLimit = watchLimit }

    package func snapshot() -> StoreSnapshot { feed.snapshot() }

    @discardableResult
    package func write<R: Sendable>(
        at now: Timestamp, _ body: @escaping @Sendable (inout StoreTransaction) throws(SwarmError) -> R
    ) async throws(SwarmError) -> R {
        try writing.withLock { _ throws(SwarmError) in
            var transaction = StoreTransaction(from: feed.snapshot(), at: now)
            let result = try body(&transaction)
            let changes = transaction.changes
            if !changes.isEmpty { feed.publish(transaction.view, changes) }
            return result
        }
    }

    package func watch() -> AsyncStream<StoreEvent> { feed.watch(limit: watchLimit) }
}
