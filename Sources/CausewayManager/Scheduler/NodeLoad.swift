import CausewayModel
import CausewayStore

/// A port of a node taken by a task in publish mode `host`.
struct HostPort: Hashable, Sendable {
    let transport: Swarm.TransportProtocol
    let port: UInt16

    init(_ port: Swarm.PortConfig) {
        transport = port.protocol
        self.port = port.publishedPort ?? 0
    }
}

/// What a node already carries.
struct NodeLoad: Sendable {
    /// A node on which so many tasks of a service have failed, within so long, is the last to get another.
    private static let mostFailures = 5
    private static let failuresCount = Nanoseconds.seconds(300)

    let node: Swarm.Node
    private(set) var nanoCPUs: Int64 = 0
    private(set) var memoryBytes: Int64 = 0
    private(set) var genericResources: GenericResources
    private(set) var hostPorts: Set<HostPort> = []
    private(set) var wantedTasks: [Swarm.ID: UInt64] = [:]
    private(set) var count = 0
    private var failures: [Swarm.ID: Int] = [:]

    init(_ node: Swarm.Node, _ view: StoreSnapshot, at now: Timestamp) {
        self.node = node
        genericResources = GenericResources(node.description.genericResources ?? [])
        for task in view.tasks(onNode: node.id) {
            let state = task.status.state
            if state >= .assigned && state <= .running || task.lastSeen != nil {
                add(task)
            } else if [.failed, .rejected].contains(state), now.since(task.status.timestamp) < Self.failuresCount {
                failures[task.serviceID, default: 0] += 1
            }
        }
    }

    mutating func add(_ task: Swarm.Task) {
        nanoCPUs += task.spec.resources?.reservations?.nanoCPUs ?? 0
        memoryBytes += task.spec.resources?.reservations?.memoryBytes ?? 0
        for resource in task.genericResources ?? [] { genericResources.take(resource) }
        hostPorts.formUnion(task.ports.filter { $0.publishMode == .host }.map(HostPort.init))
        if task.desiredState <= .running { wantedTasks[task.serviceID, default: 0] += 1 }
        count += 1
    }

    /// Gives the task its generic resources, and carries it.
    mutating func take(_ task: inout Swarm.Task) {
        if let wanted = task.spec.resources?.reservations?.genericResources, !wanted.isEmpty {
            var rest = genericResources
            task.genericResources = rest.claim(wanted)
        }
        add(task)
    }

    /// Whether there is what the task reserves; one that reserves nothing fits everywhere.
    func hasRoom(for task: Swarm.Task) -> Bool {
        let wanted = task.spec.resources?.reservations
        let (cpus, memory) = (wanted?.nanoCPUs ?? 0, wanted?.memoryBytes ?? 0)
        return (cpus == 0 || nanoCPUs + cpus <= node.description.nanoCPUs)
            && (memory == 0 || memoryBytes + memory <= node.description.memoryBytes)
            && genericResources.hasEnough(for: wanted?.genericResources ?? [])
    }

    /// Lower is better.
    func rank(_ task: Swarm.Task) -> (Int, UInt64, Int) {
        let failures = failures[task.serviceID] ?? 0
        return (
            failures >= Self.mostFailures ? failures : 0, wantedTasks[task.serviceID, default: 0], count
        )
    }
}
