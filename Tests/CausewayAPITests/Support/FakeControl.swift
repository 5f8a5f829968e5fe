import CausewayModel

/// A manager that keeps what it is told, and refuses what the tests need refused.
actor FakeControl: SwarmControl, SwarmMembership {
    var active: Bool
    /// What the node says of itself while it is no manager.
    var standing = Membership()
    var assigned: NodeAssignment?
    private(set) var rotations: Set<Swarm.Rotation> = []
    private(set) var joins: [SwarmJoin] = []
    var clusterState: Swarm.Cluster
    var nodeList: [Swarm.Node]
    var networkList: [Swarm.Network] = []
    var serviceList: [Swarm.Service] = []
    var taskList: [Swarm.Task] = []
    var initializations: [SwarmInit] = []
    private(set) var credentialsChanges: [Swarm.CredentialsChange] = []
    /// Names of networks that are in use by something that nobody else sees.
    private var kept: Set<String> = []
    private var index: UInt64 = 10
    private var recorded: [SwarmEvent] = []
    private var listeners: [AsyncStream<SwarmEvent>.Continuation] = []

    static let moment = Timestamp(seconds: 1_700_000_000)
    static let nodeID = "node1node1node1node1node1"

    init(active: Bool = true) {
        self.active = active
        let meta = Swarm.Meta(version: Swarm.Version(3), createdAt: Self.moment, updatedAt: Self.moment)
        clusterState = Swarm.Cluster(
            id: "clusterclusterclusterclus", meta: meta, spec: Swarm.ClusterSpec(),
            defaultAddressPools: [CIDR("10.0.0.0/8")!], subnetSize: 24, uniqueLocalPrefix: CIDR("fd00:1:2::/48")!,
            dataPathPort: 4789, advertiseAddress: IPAddress("192.0.2.1")!, listenAddress: "0.0.0.0:2377",
            caCertificate: "", caKey: "key", workerToken: "SWMTKN-1-a-w", managerToken: "SWMTKN-1-a-m")
        nodeList = [
            Swarm.Node(
                id: Self.nodeID, meta: meta, number: 1, spec: Swarm.Node.Spec(role: .manager),
                description: Swarm.Node.Description(
                    hostname: "host1", architecture: "x86_64", nanoCPUs: 2_000_000_000, memoryBytes: 1 << 30,
                    engineVersion: "20.10.24"),
                state: .ready, address: IPAddress("192.0.2.1")!, isLeader: true)
        ]
    }

    func add(_ network: Swarm.Network) { networkList.append(network) }
    func add(_ service: Swarm.Service) { serviceList.append(service) }
    func add(_ task: Swarm.Task) { taskList.append(task) }

    /// A task on the node, with an address on a network.
    func addRunningTask(container: String, network: Swarm.ID) {
        let service = Swarm.Service(
            id: "service1", meta: Self.meta(2), spec: Swarm.ServiceSpec(name: "web", taskTemplate: Swarm.TaskSpec()))
        var task = Swarm.Task(id: "task1", meta: Self.meta(3), service: service, slot: 1, nodeID: Self.nodeID)
        task.status.state = .running
        task.status.container = Swarm.Task.Status.Container(id: container)
        task.networks = [Swarm.NetworkAttachment(networkID: network, addresses: [CIDR("10.0.1.77/24")!])]
        taskList.append(task)
    }

    func label(engine: [String: String], node: [String: String]) {
        nodeList[0].description.engineLabels = engine
        nodeList[0].spec.labels = node
    }

    func keep(_ network: String) { kept.insert(network) }

    func emit(_ event: SwarmEvent) {
        recorded.append(event)
        for listener in listeners { listener.yield(event) }
    }

    static func meta(_ index: UInt64) -> Swarm.Meta {
        Swarm.Meta(version: Swarm.Version(index), createdAt: moment, updatedAt: moment)
    }

    private func newID(_ kind: String) -> Swarm.ID {
        index += 1
        let text = "\(kind)\(index)"
        return text + String(repeating: "0", count: 25 - text.count)
    }

    // MARK: SwarmMembership

    func become(_ standing: Membership, assigned: NodeAssignment? = nil) {
        self.standing = standing
        self.assigned = assigned
    }

    func membership() -> Membership {
        active ? Membership(state: .active, isManager: true, nodeID: Self.nodeID) : standing
    }

    func workerAssignment() -> NodeAssignment? { active ? nil : assigned }

    func setUnlockKey(_ key: Swarm.UnlockKey) { clusterState.unlockKey = key }

    /// `nil`: not locked.
    var lock: Swarm.UnlockKey?

    func lock(with key: Swarm.UnlockKey) {
        (active, lock) = (false, key)
        standing = Membership(state: .locked)
    }

    func unlock(_ key: Swarm.UnlockKey) throws(SwarmError) {
        guard let lock else { throw .notLocked }
        guard key == lock else { throw .wrongUnlockKey }
        (active, self.lock) = (true, nil)
    }

    func join(_ request: SwarmJoin) throws(SwarmError) {
        joins.append(request)
        standing = Membership(state: .active, nodeID: Self.nodeID)
    }

    // MARK: SwarmControl

    func isActive() -> Bool { active }

    func initialize(_ request: SwarmInit) throws(SwarmError) -> Swarm.ID {
        active = true
        initializations.append(request)
        clusterState.spec = request.spec
        return Self.nodeID
    }

    func leave(force: Bool) throws(SwarmError) {
        guard force else { throw SwarmError(.unavailable, "You are attempting to leave the swarm") }
        active = false
    }

    func cluster() throws(SwarmError) -> Swarm.Cluster { clusterState }

    func updateCluster(
        _ spec: Swarm.ClusterSpec, version: Swarm.Version, rotating: Set<Swarm.Rotation>
    ) throws(SwarmError) {
        guard version == clusterState.meta.version else { throw .outOfSequence }
        clusterState.spec = spec
        rotations = rotating
        if rotating.contains(.workerToken) { clusterState.workerToken = "SWMTKN-1-a-rotated" }
    }

    func localNodeID() -> Swarm.ID? { active ? Self.nodeID : nil }
    func nodes() throws(SwarmError) -> [Swarm.Node] { nodeList }

    func updateNode(_ id: Swarm.ID, _ spec: Swarm.Node.Spec, version: Swarm.Version) throws(SwarmError) {
        guard version == nodeList[0].meta.version else { throw .outOfSequence }
        nodeList[0].spec = spec
    }

    func removeNode(_ id: Swarm.ID, force: Bool) throws(SwarmError) {
        throw SwarmError(.invalid, "node \(id) is not down and can't be removed")
    }

    func networks() throws(SwarmError) -> [Swarm.Network] { networkList }

    func createNetwork(_ spec: Swarm.NetworkSpec) throws(SwarmError) -> Swarm.Network {
        if networkList.contains(where: { $0.spec.name == spec.name }) {
            throw SwarmError(.conflict, "network with name \(spec.name) already exists")
        }
        let subnet = Swarm.Subnet(subnet: CIDR("10.0.1.0/24")!, gateway: IPAddress("10.0.1.1")!)
        let network = Swarm.Network(id: newID("net"), meta: Self.meta(index), spec: spec, subnets: [subnet])
        networkList.append(network)
        return network
    }

    func removeNetwork(_ id: Swarm.ID) throws(SwarmError) {
        if networkList.contains(where: { $0.id == id && kept.contains($0.spec.name) }) {
            throw SwarmError(.invalid, "network \(id) is in use by task t")
        }
        networkList.removeAll { $0.id == id }
    }

    func services() throws(SwarmError) -> [Swarm.Service] { serviceList }

    func service(_ idOrName: String) throws(SwarmError) -> Swarm.Service? {
        serviceList.first { $0.id == idOrName } ?? serviceList.first { $0.spec.name == idOrName }
    }

    func createService(
        _ spec: Swarm.ServiceSpec, credentials: Swarm.PullCredentials?
    ) throws(SwarmError) -> Swarm.Service {
        if serviceList.contains(where: { $0.spec.name == spec.name }) {
            throw SwarmError(
                .conflict,
                "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service \(spec.name) "
                    + "already exists")
        }
        var service = Swarm.Service(id: newID("svc"), meta: Self.meta(index), spec: spec)
        service.pullCredentials = credentials
        serviceList.append(service)
        return service
    }

    func updateService(
        _ id: Swarm.ID, _ spec: Swarm.ServiceSpec, version: Swarm.Version, rollback: Bool,
        credentials: Swarm.CredentialsChange
    ) throws(SwarmError) -> Swarm.Service {
        credentialsChanges.append(credentials)
        guard let at = serviceList.firstIndex(where: { $0.id == id }) else { throw SwarmError(.notFound, "service") }
        guard version == serviceList[at].meta.version else { throw .outOfSequence }
        if rollback {
            guard let previous = serviceList[at].previousSpec else {
                throw SwarmError(
                    .invalid,
                    "rpc error: code = FailedPrecondition desc = service \(id) does not have a previous spec")
            }
            serviceList[at].spec = previous
        } else {
            serviceList[at].previousSpec = serviceList[at].spec
            serviceList[at].spec = spec
        }
        serviceList[at].meta.version = Swarm.Version(version.index + 1)
        return serviceList[at]
    }

    func removeService(_ id: Swarm.ID) throws(SwarmError) { serviceList.removeAll { $0.id == id } }
    func tasks() throws(SwarmError) -> [Swarm.Task] { taskList }

    var dependencyList: [Swarm.Dependency] = []

    func dependencies(_ kind: Swarm.Dependency.Kind) -> [Swarm.Dependency] { dependencyList.filter { $0.kind == kind } }

    func createDependency(
        _ kind: Swarm.Dependency.Kind, _ spec: Swarm.DependencySpec
    ) throws(SwarmError) -> Swarm.Dependency {
        if dependencyList.contains(where: { $0.kind == kind && $0.name == spec.name }) {
            throw SwarmError(
                .conflict, "rpc error: code = AlreadyExists desc = \(kind) \(spec.name ?? "") already exists")
        }
        let made = Swarm.Dependency(id: newID("dep"), meta: Self.meta(index), kind: kind, spec: spec)
        dependencyList.append(made)
        return made
    }

    func updateDependency(
        _ id: Swarm.ID, _ spec: Swarm.DependencySpec, version: Swarm.Version
    ) throws(SwarmError) {
        guard let at = dependencyList.firstIndex(where: { $0.id == id }) else { throw SwarmError(.notFound, id) }
        guard version == dependencyList[at].meta.version else { throw .outOfSequence }
        dependencyList[at].spec.labels = spec.labels
    }

    func removeDependency(_ id: Swarm.ID) { dependencyList.removeAll { $0.id == id } }

    func events(since: Timestamp?) -> AsyncStream<SwarmEvent> {
        let (stream, continuation) = AsyncStream.makeStream(of: SwarmEvent.self)
        if let since { for event in recorded where event.time >= since { continuation.yield(event) } }
        listeners.append(continuation)
        return stream
    }
}
