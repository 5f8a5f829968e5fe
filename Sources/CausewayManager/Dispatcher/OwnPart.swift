import CausewayModel
import CausewayStore

/// What only one node has to make true.
struct OwnPart: Sendable {
    private(set) var tasks: [Swarm.Task] = []
    private(set) var containers: [AttachedContainer] = []
    /// What its tasks use of secrets and configs, while they run or are to run.
    private(set) var dependencies: [Swarm.AssignedDependency] = []
    /// The revision that last changed it.
    private(set) var changed: UInt64 = 0
    private var touched: UInt64?

    mutating func update(_ id: Swarm.ID, _ view: StoreSnapshot) {
        guard touched != view.lastTouched(tasksOfNode: id) else { return }
        touched = view.lastTouched(tasksOfNode: id)
        let tasks = view.tasks(onNode: id).filter { $0.status.state >= .assigned }.map(Self.shown)
            .sorted { $0.id < $1.id }
        let containers = view.containers.all.map(\.container).filter { $0.nodeID == id }.sorted { $0.id < $1.id }
        let dependencies = Self.dependencies(of: tasks, view)
        guard tasks != self.tasks || containers != self.containers || dependencies != self.dependencies || changed == 0
        else { return }
        (self.tasks, self.containers, self.dependencies, changed) = (tasks, containers, dependencies, view.revision)
    }

    private static func dependencies(of tasks: [Swarm.Task], _ view: StoreSnapshot) -> [Swarm.AssignedDependency] {
        guard !view.dependencies.isEmpty else { return [] }
        let used = tasks.filter { $0.status.state <= .running && $0.desiredState <= .running }
            .flatMap { $0.spec.containerSpec?.dependencies ?? [] }
        return Set(used.map(\.id)).sorted().compactMap { view.dependencies[$0]?.assigned }
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
