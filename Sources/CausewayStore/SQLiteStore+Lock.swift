import CausewayModel
import GRDB
import Synchronization

/// A store that can be closed: what is in it, nobody can read without the swarm's unlock key.
extension SQLiteStore {
    package var isLocked: Bool { ring.withLock { $0 == nil } }

    package func unlock(_ key: Swarm.UnlockKey) async throws(SwarmError) {
        try await onQueue { [self] db in
            guard isLocked, let locked = try StoreKeyFile.read(file.keyPath) else { throw SwarmError.notLocked }
            let (keys, lines) = try locked.unlocked(by: key)
            let snapshot = try SQLiteSchema.load(db, keys)
            ring.withLock { $0 = KeyRing(keys: keys, locks: lines.map { $0 ? key : nil }) }
            feed.replace(snapshot)
            try settle(db)
        }
    }

    package func forget() async throws(SwarmError) {
        try await onQueue { [self] db in
            guard isLocked else { throw SwarmError.notLocked }
            // First the rows: without them the locked key is needed by nobody.
            try db.inTransaction {
                try SQLiteSchema.forget(db)
                return .commit
            }
            var empty = StoreSnapshot()
            empty.revision = try SQLiteSchema.revision(db)
            try write(KeyRing(keys: [StoreKey()], locks: []))
            feed.replace(empty)
        }
    }

    /// Does what is still to be done until the key's file is as the swarm wants it.
    func settle(_ db: Database) throws {
        do {
            while let ring = ring.withLock({ $0 }) {
                let view = feed.snapshot()
                let (wanted, isEmpty) = (view.cluster?.unlockKey, view.everything.isEmpty)
                switch ring.nextStep(wanted: wanted, isEmpty: isEmpty, fresh: { StoreKey() }) {
                case nil: return
                case .write(let next): try write(next)
                case .reseal:
                    try reseal(view, ring, isWhole: wanted != nil, db)
                    self.ring.withLock { $0 = ring.resealed() }
                }
            }
        } catch {
            throw SwarmError(
                .internal,
                "the lock of the swarm is not as it was asked for yet: \(error); what opened it before still does, and "
                    + "the next start or docker swarm update tries again")
        }
    }

    private func reseal(_ view: StoreSnapshot, _ ring: KeyRing, isWhole: Bool, _ db: Database) throws {
        guard let first = ring.keys.first else { throw SwarmError(.internal, "the store has no key") }
        try db.inTransaction {
            try SQLiteSchema.reseal(view, .init(key: first, isWhole: isWhole), in: db)
            return .commit
        }
        try SQLiteSchema.purge(db)
    }

    /// Writes the key's file, and goes by it from then on.
    func write(_ next: KeyRing) throws(SwarmError) {
        try next.file().write(file.keyPath)
        ring.withLock { $0 = next }
    }
}
