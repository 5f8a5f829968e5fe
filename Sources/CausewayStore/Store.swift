import CausewayModel

/// What a watcher hears.
package enum StoreEvent: Hashable, Sendable {
    /// One transaction, with all that it changed.
    case committed(revision: UInt64, changes: [StoreChange])
    /// The watcher was too slow and missed transactions: read the snapshot again.
    case reread(revision: UInt64)
}

/// Where the cluster's objects live: typed, versioned, watched.
///
/// Readers take an immutable snapshot from memory. Writers run one after the other; a transaction is durable before
/// any reader or watcher sees it. All implementations pass one conformance suite.
package protocol Store: Sendable {
    /// The newest committed state. Never waits for the disk, nor for a writer.
    func snapshot() -> StoreSnapshot

    /// Runs `body` on the newest state and commits what it wrote, all or nothing.
    ///
    /// `body` may run more than once (a store with several writers repeats it on a conflict), must not write by any
    /// other way, and decides from `transaction.view` alone. A body that writes nothing leaves the revision alone.
    @discardableResult
    func write<R: Sendable>(
        at now: Timestamp, _ body: @escaping @Sendable (inout StoreTransaction) throws(SwarmError) -> R
    ) async throws(SwarmError) -> R

    /// Transactions from now on, in order. Ends when its reader's task is cancelled.
    func watch() -> AsyncStream<StoreEvent>

    /// Whether it is encrypted, and waits for the swarm's unlock key: until then it looks empty, and is not written.
    var isLocked: Bool { get }

    /// Opens it; those who watch hear that they have to read everything again.
    ///
    /// - Throws: `unauthorized` when the key is another one, `conflict` when the store is open already.
    func unlock(_ key: Swarm.UnlockKey) async throws(SwarmError)

    /// Takes everything away that is in a locked store, which is open then, and empty.
    func forget() async throws(SwarmError)
}

/// One that is never locked.
extension Store {
    package var isLocked: Bool { false }
    package func unlock(_ key: Swarm.UnlockKey) async throws(SwarmError) { throw .notLocked }
    package func forget() async throws(SwarmError) { throw .notLocked }
}
