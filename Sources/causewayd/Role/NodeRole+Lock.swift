import CausewayManager
import CausewayModel
import CausewaySession
import CausewayStore
import Logging

/// A manager that starts locked: its node goes on with what it was to do, as a worker does whose manager is away.
///
/// Only what has been unlocked before is kept for that, and only in memory: nothing of it lies on a disk in plain. So
/// after a reboot a locked node runs nothing until it is unlocked, as in Docker.
extension NodeRole {
    /// Goes on with the last assignment of an earlier process, if it is still there.
    func resumeLocked() {
        log.warning("the swarm is locked: nothing about it can be asked or changed until `docker swarm unlock`")
        do throws(SwarmError) {
            guard let kept = try KeptAssignment.readOwn(in: memory), kept.nodeID == host.nodeID else { return }
            tell(kept)
        } catch {
            // What runs stays as it is: an agent that has heard nothing touches nothing.
            log.error("what this node was to do is not known until it is unlocked", metadata: ["error": "\(error)"])
        }
    }

    func unlock(_ key: Swarm.UnlockKey) async throws(SwarmError) {
        guard !isForgetting else { throw SwarmError(.conflict, "this node is already leaving the swarm") }
        try await manager.unlock(key)
        log.info("the swarm is unlocked")
    }

    /// Leaves a swarm whose state cannot be read.
    func leaveLocked(force: Bool) async throws(SwarmError) {
        guard force else { throw .lockedNeedsForce }
        guard !isForgetting else { throw SwarmError(.conflict, "this node is already leaving the swarm") }
        isForgetting = true
        defer { isForgetting = false }
        await takeDown()
        try await manager.leave(force: true)
        newest = nil
        log.info("left the swarm")
    }

    /// Takes tasks that have ended out of the balancer, which a manager would do: else connections would be lost there
    /// until it is unlocked.
    func rest(backends ended: Set<Swarm.ID>) {
        guard !isForgetting, let newest, !ended.isEmpty else { return }
        var rested = newest
        for service in rested.services.indices {
            for backend in rested.services[service].backends.indices
            where ended.contains(rested.services[service].backends[backend].taskID) {
                rested.services[service].backends[backend].isActive = false
            }
        }
        if rested.services != newest.services { tell(rested) }
    }

    /// Keeps the node's assignment while the manager locks, and no longer.
    func followLock() async {
        let events = store.watch()
        // What an earlier process kept is needed while the store is locked, and else only if it locks.
        var isKept: Bool? = store.isLocked ? true : nil
        func look() {
            guard !store.isLocked, isKept != store.locks else { return }
            isKept = store.locks
            keepOwn(newest)
        }
        look()
        for await _ in events { look() }
    }

    /// `assignment`: What this node is to do; `nil`: nothing is known of it.
    func keepOwn(_ assignment: NodeAssignment?) {
        do {
            if !store.locks {
                try KeptAssignment.removeOwn(in: memory)
            } else if let assignment {
                try KeptAssignment.writeOwn(assignment, in: memory)
            }
        } catch {
            log.error("what this node is to do cannot be kept for a locked start", metadata: ["error": "\(error)"])
        }
    }
}

extension Store {
    /// Whether it is locked at the next start.
    var locks: Bool { snapshot().cluster?.unlockKey != nil }
}
