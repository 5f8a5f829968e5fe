import CausewayModel
import CausewayStore

/// Gives up what runs on a node that is silent, or gone.
///
/// The tasks are `orphaned`: replaced elsewhere, and in no balancer and no resolver any more. Where the node may come
/// back, each keeps its addresses until its end was seen: it may still be running there.
enum Orphans {
    static func giveUp(
        _ node: Swarm.ID, mayReturn: Bool, _ transaction: inout StoreTransaction
    ) throws(SwarmError) {
        for var task in transaction.view.tasks(onNode: node).sorted(by: isOlder) {
            if !task.status.state.isTerminal {
                let isThere = mayReturn && task.status.state >= .assigned
                task.lastSeen = isThere ? task.status : nil
                task.departure = nil
                task.status = Swarm.Task.Status(
                    timestamp: transaction.now, state: .orphaned,
                    message: mayReturn ? "its node is silent" : "its node is gone", container: task.status.container)
            } else if !mayReturn {
                task.lastSeen = nil
            }
            try transaction.update(task)
        }
    }
}
