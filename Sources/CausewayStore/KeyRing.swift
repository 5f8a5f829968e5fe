import CausewayModel

/// The store's keys as a daemon has them, and what its file says of them.
///
/// Decides only: how the file gets from what it says to what the swarm asks for, one step after the other. After each
/// step, and in the middle of each, what is on the disk opens what is in the store; whoever starts there goes on.
struct KeyRing: Equatable, Sendable {
    /// First the one that rows are written with; another one while some rows may still be of it.
    var keys: [StoreKey]
    /// For each line of a locked file the unlock key that opens it, if known; none: the file is open.
    var locks: [Swarm.UnlockKey?]

    enum Step: Equatable, Sendable {
        /// Write the file.
        case write(KeyRing)
        /// Write every row anew with the first key, and leave nothing of what it was before.
        case reseal
    }

    /// What is still to be done until the file is as the swarm wants it; `nil`: it is.
    ///
    /// A key that has lain on the disk in plain is not the one that a lock is to protect: `fresh` takes its place.
    /// `wanted`: The swarm's unlock key, `nil` when it does not lock. `isEmpty`: Whether no row needs any key.
    func nextStep(wanted: Swarm.UnlockKey?, isEmpty: Bool, fresh: () -> StoreKey) -> Step? {
        guard let wanted else {
            if isEmpty, !locks.isEmpty { return .write(KeyRing(keys: [fresh()], locks: [])) }
            if keys.count > 1 { return .reseal }
            return locks.isEmpty ? nil : .write(KeyRing(keys: keys, locks: []))
        }
        if locks.isEmpty { return .write(KeyRing(keys: [fresh()] + keys, locks: [wanted])) }
        if keys.count > 1 { return .reseal }
        return locks == [wanted] ? nil : .write(KeyRing(keys: keys, locks: [wanted]))
    }

    /// What the file has to say before the swarm gets another unlock key; `nil`: what it says already.
    ///
    /// Until it is certain which of two keys the store will name, both open the file.
    func prepared(for next: Swarm.UnlockKey?, after current: Swarm.UnlockKey?) -> KeyRing? {
        guard let next, let current, next != current else { return nil }
        return KeyRing(keys: keys, locks: [current, next])
    }

    /// After every row was written with the first key: the file still says what it said, so none of its lines is right.
    func resealed() -> KeyRing { KeyRing(keys: Array(keys.prefix(1)), locks: locks.map { _ in nil }) }

    /// The file that says this; every lock has to be known.
    func file() throws(SwarmError) -> StoreKeyFile {
        let known = locks.compactMap(\.self)
        guard let first = keys.first, known.count == locks.count else {
            throw SwarmError(.internal, "the store's key cannot be written: it, or what locks it, is not known")
        }
        return known.isEmpty ? .open(first) : try .locked(keys, by: known)
    }
}
