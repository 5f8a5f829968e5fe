import CausewayKernel
import CausewayModel
import Synchronization

/// What an agent has to do next: a newer assignment replaces an older one, and one look serves many changes.
final class Inbox: Sendable {
    struct Content: Sendable {
        var assignment: NodeAssignment?
        var peers: PeerView?
        /// Tasks whose containers have ended.
        var ended: Set<Swarm.ID> = []
        /// Whether to look at everything.
        var mustLook = false
        /// Where to look, and at which parts.
        var looks: [NamespaceReference: KernelParts] = [:]
        /// What to look at in every namespace.
        var everywhere: KernelParts = []
    }

    /// One element or more after each arrival; a slow reader is not told twice.
    let wakeups: AsyncStream<Void>
    private let wakeup: AsyncStream<Void>.Continuation
    private let content = Mutex(Content())

    init() {
        (wakeups, wakeup) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    func put(_ assignment: NodeAssignment) {
        content.withLock { $0.assignment = assignment }
        wakeup.yield()
    }

    func put(_ view: PeerView) {
        content.withLock { $0.peers = view }
        wakeup.yield()
    }

    func put(ended tasks: Set<Swarm.ID>) {
        content.withLock { $0.ended.formUnion(tasks) }
        wakeup.yield()
    }

    func put(_ change: NodeChange) {
        content.withLock { content in
            if let place = change.place {
                content.looks[place, default: []].formUnion(change.parts)
            } else {
                content.everywhere.formUnion(change.parts)
            }
        }
        wakeup.yield()
    }

    func putLook() {
        content.withLock { $0.mustLook = true }
        wakeup.yield()
    }

    /// Empties it.
    func take() -> Content {
        content.withLock { now in
            defer { now = Content() }
            return now
        }
    }

    func close() { wakeup.finish() }
}
