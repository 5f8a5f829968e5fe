import CausewayModel
import CausewayStore

/// What only one node has to make true.
struct OwnPart: Sendable {
    private(set) var tasks: [Swarm.Task] = []
    private(set) var containers: [AttachedContainer] = []
    /// The revision that last changed it.
    private(set) var changed: UInt64 = 0
    private var touched: UInt64?

    mutating func update(_ id: Swarm.ID, _ view: StoreSnapshot) {
        guard touched != view.lastTouched(tasksOfNode: id) else { return }
        touched = view.lastTouched(tasksOfNode: id)
        let tasks = view.tasks(onNode: id).filter { $0.status.state >= .assigned }.map(Self.shown)
            .sorted { $0.id < $1.id }
        let containers = view.containers.all.map(\.container).filter { $0.nodeID == id }.sorted { $0.id < $1.id }
        guard tasks != self.tasks || containers != self.containers || changed == 0 else { return }
        (self.tasks, self.containers, changed) = (tasks, containers, view.revision)
    }

    /// A task as its node is to see it.
    private static func shown(_ task: Swarm.Task) -> Swarm.Task {
        var shown = task
        // Its node goes on with it until nobody sends it anything new.
        if task.departure != nil { shown.desiredState = .running }
        if let last = task.lastSeen {
            // Given up while its node was silent. What the node may still run, it is to end.
            shown.status = last
            shown.desiredState = max(task.desiredState, .shutdown)
        }
        shown.departure = nil
        shown.lastSeen = nil
        return shown
    }
}
