import CausewayModel

/// Whether `a` was made before `b`; identifiers decide where the clock did not.
package func isOlder<Object: StoredObject>(_ a: Object, _ b: Object) -> Bool {
    (a.meta.createdAt, a.id) < (b.meta.createdAt, b.id)
}

/// The whole store at one revision, as a value: what deciders read.
package struct StoreSnapshot: Sendable {
    /// Rises by one with each transaction that changed something.
    package internal(set) var revision: UInt64 = 0
    package internal(set) var clusters = StoreTable<Swarm.Cluster>()
    package internal(set) var nodes = StoreTable<Swarm.Node>()
    package internal(set) var networks = StoreTable<Swarm.Network>()
    package internal(set) var services = StoreTable<Swarm.Service>()
    package internal(set) var tasks = StoreTable<Swarm.Task>()
    /// Containers that users made on networks of ours.
    package internal(set) var containers = StoreTable<StoredContainer>()
    /// Secrets and configs.
    package internal(set) var dependencies = StoreTable<Swarm.Dependency>()
    private var tasksOfServices: [Swarm.ID: Set<Swarm.ID>] = [:]
    private var tasksOfNodes: [Swarm.ID: Set<Swarm.ID>] = [:]
    private var unplaced: Set<Swarm.ID> = []
    private var departing: Set<Swarm.ID> = []
    private var touchedNodes: [Swarm.ID: UInt64] = [:]
    private var touched: [Swarm.ID: UInt64] = [:]
    private var touchedForAll: UInt64 = 0

    package init() {}

    /// The swarm, if this node is in one.
    package var cluster: Swarm.Cluster? { clusters.all.first { _ in true } }

    /// The tasks of a service, oldest first.
    package func tasks(of service: Swarm.ID) -> [Swarm.Task] {
        (tasksOfServices[service] ?? []).compactMap { tasks[$0] }.sorted(by: isOlder)
    }

    /// The services that have tasks, whether or not they still exist themselves.
    package var servicesWithTasks: some Sequence<Swarm.ID> { tasksOfServices.keys }

    /// The tasks that no node has been given yet, oldest first.
    package var unplacedTasks: [Swarm.Task] { unplaced.compactMap { tasks[$0] }.sorted(by: isOlder) }

    /// The tasks that a node was given, in no order.
    package func tasks(onNode node: Swarm.ID) -> [Swarm.Task] { (tasksOfNodes[node] ?? []).compactMap { tasks[$0] } }

    /// The nodes that have tasks, whether or not they still exist themselves.
    package var nodesWithTasks: some Sequence<Swarm.ID> { tasksOfNodes.keys }

    /// The tasks that are to stop and whose nodes are not yet told, oldest first.
    package var departingTasks: [Swarm.Task] { departing.compactMap { tasks[$0] }.sorted(by: isOlder) }

    package var hasDepartingTasks: Bool { !departing.isEmpty }

    /// The revision that last changed a task or a container of a node.
    ///
    /// Not kept across restarts: 0 until the first change.
    package func lastTouched(tasksOfNode node: Swarm.ID) -> UInt64 { touchedNodes[node] ?? 0 }

    /// The revision that last changed a service, one of its tasks, or what all services share: nodes, networks, the
    /// swarm itself.
    ///
    /// Not kept across restarts: 0 until the first change.
    package func lastTouched(_ service: Swarm.ID) -> UInt64 { max(touched[service] ?? 0, touchedForAll) }

    mutating func set<Object: StoredObject>(_ object: Object?, at id: Swarm.ID, was before: Object?) {
        Object.edit(&self) { $0[id] = object }
        switch (object ?? before)?.boxed {
        case .task(let task): index(task, isThere: object != nil, was: before?.boxed)
        case .service: touched[id] = object == nil ? nil : revision
        // No service's tasks depend on a container of a user.
        case .container(let stored): touchedNodes[stored.container.nodeID] = revision
        // Their content never changes, and a service's tasks name the ones that they use.
        case .dependency: break
        case .cluster, .node, .network, nil: touchedForAll = revision
        }
    }

    private mutating func index(_ task: Swarm.Task, isThere: Bool, was before: StoreObject?) {
        if case .task(let before) = before, let node = before.nodeID, node != task.nodeID || !isThere {
            tasksOfNodes[node]?.remove(task.id)
            if tasksOfNodes[node]?.isEmpty == true { tasksOfNodes[node] = nil }
            touchedNodes[node] = revision
        }
        if isThere, let node = task.nodeID {
            tasksOfNodes[node, default: []].insert(task.id)
            touchedNodes[node] = revision
        }
        if isThere, task.departure != nil { departing.insert(task.id) } else { departing.remove(task.id) }
        if isThere {
            tasksOfServices[task.serviceID, default: []].insert(task.id)
        } else {
            tasksOfServices[task.serviceID]?.remove(task.id)
            if tasksOfServices[task.serviceID]?.isEmpty == true { tasksOfServices[task.serviceID] = nil }
        }
        if isThere, task.status.state < .assigned {
            unplaced.insert(task.id)
        } else {
            unplaced.remove(task.id)
        }
        if services[task.serviceID] != nil { touched[task.serviceID] = revision }
    }
}
