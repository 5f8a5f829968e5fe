import CausewayModel
import Synchronization

/// The newest snapshot, and those who wait for the next: the half of a store that lives in memory.
final class StoreFeed: Sendable {
    private struct State {
        var snapshot: StoreSnapshot
        var watchers: [Int: StoreWatcher] = [:]
        var nextWatcher = 0
    }

    private let state: Mutex<State>

    init(_ snapshot: StoreSnapshot) {
        state = Mutex(State(snapshot: snapshot))
    }

    func snapshot() -> StoreSnapshot { state.withLock { $0.snapshot } }

    /// Makes a committed transaction visible.
    ///
    /// Called by one writer at a time, in order of revision.
    func publish(_ snapshot: StoreSnapshot, _ changes: [StoreChange]) {
        let watchers = state.withLock { state in
            state.snapshot = snapshot
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher.offer(.committed(revision: snapshot.revision, changes: changes)) }
    }

    /// Puts another content in the place of what was there; watchers have to read it again.
    func replace(_ snapshot: StoreSnapshot) {
        let watchers = state.withLock { state in
            state.snapshot = snapshot
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher.offer(.reread(revision: snapshot.revision)) }
    }

    func watch(limit: Int) -> AsyncStream<StoreEvent> {
        let watcher = StoreWatcher(limit: limit)
        let number = state.withLock { state in
            defer { state.nextWatcher += 1 }
            state.watchers[state.nextWatcher] = watcher
            return state.nextWatcher
        }
        return AsyncStream {
            await watcher.next()
        } onCancel: {
            self.state.withLock { $0.watchers[number] = nil }
            watcher.end()
        }
    }
}

/// One watcher's queue, with a limit: beyond it the queue is replaced by one event that says so.
final class StoreWatcher: Sendable {
    private struct State {
        var queue: [StoreEvent] = []
        var waiting: CheckedContinuation<StoreEvent?, Never>?
        var hasEnded = false
    }

    private let state = Mutex(State())
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    func offer(_ event: StoreEvent) {
        let waiting = state.withLock { state -> CheckedContinuation<StoreEvent?, Never>? in
            if let waiting = state.waiting {
                state.waiting = nil
                return waiting
            }
            guard !state.hasEnded else { return nil }
            switch (state.queue.first, event) {
            case (.reread, .committed(let revision, _)), (_, .reread(let revision)):
                state.queue = [.reread(revision: revision)]
            case (_, .committed(let revision, _)) where state.queue.count >= limit:
                state.queue = [.reread(revision: revision)]
            case (_, .committed): state.queue.append(event)
            }
            return nil
        }
        waiting?.resume(returning: event)
    }

    func next() async -> StoreEvent? {
        await withCheckedContinuation { continuation in
            let answer = state.withLock { state -> StoreEvent?? in
                if state.hasEnded { return .some(nil) }
                if !state.queue.isEmpty { return state.queue.removeFirst() }
                state.waiting = continuation
                return nil
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }

    func end() {
        let waiting = state.withLock { state in
            defer { state.waiting = nil }
            state.hasEnded = true
            return state.waiting
        }
        waiting?.resume(returning: nil)
    }
}
