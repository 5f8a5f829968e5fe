/// What the Engine API asks of a manager.
///
/// Everything is validated before anything is written.
package protocol SwarmControl: Sendable {
    // MARK: the swarm
    /// Whether this node is in a swarm, as a manager.
    func isActive() async -> Bool
    /// Returns the node's identifier.
    func initialize(_ request: SwarmInit) async throws(SwarmError) -> Swarm.ID
    func cluster() async throws(SwarmError) -> Swarm.Cluster
    func updateCluster(
        _ spec: Swarm.ClusterSpec, version: Swarm.Version, rotating: Set<Swarm.Rotation>
    ) async throws(SwarmError)
    /// The identifier of the node that answers, if it is in a swarm.
    func localNodeID() async -> Swarm.ID?

    // MARK: nodes
    func nodes() async throws(SwarmError) -> [Swarm.Node]
    func updateNode(_ id: Swarm.ID, _ spec: Swarm.Node.Spec, version: Swarm.Version) async throws(SwarmError)
    func removeNode(_ id: Swarm.ID, force: Bool) async throws(SwarmError)

    // MARK: networks
    func networks() async throws(SwarmError) -> [Swarm.Network]
    func createNetwork(_ spec: Swarm.NetworkSpec) async throws(SwarmError) -> Swarm.Network
    func removeNetwork(_ id: Swarm.ID) async throws(SwarmError)

    // MARK: services
    func services() async throws(SwarmError) -> [Swarm.Service]
    /// The service with this identifier, or else with this name, in full; `nil` when there is none.
    func service(_ idOrName: String) async throws(SwarmError) -> Swarm.Service?
    func createService(
        _ spec: Swarm.ServiceSpec, credentials: Swarm.PullCredentials?
    ) async throws(SwarmError) -> Swarm.Service
    /// `rollback`: puts the previous specification back, with its credentials, whatever `spec` and `credentials` say.
    func updateService(
        _ id: Swarm.ID, _ spec: Swarm.ServiceSpec, version: Swarm.Version, rollback: Bool,
        credentials: Swarm.CredentialsChange
    ) async throws(SwarmError) -> Swarm.Service
    func removeService(_ id: Swarm.ID) async throws(SwarmError)

    // MARK: tasks
    func tasks() async throws(SwarmError) -> [Swarm.Task]

    // MARK: secrets and configs
    func dependencies(_ kind: Swarm.Dependency.Kind) async throws(SwarmError) -> [Swarm.Dependency]
    func createDependency(
        _ kind: Swarm.Dependency.Kind, _ spec: Swarm.DependencySpec
    ) async throws(SwarmError) -> Swarm.Dependency
    /// Changes the labels; nothing else may change.
    func updateDependency(
        _ id: Swarm.ID, _ spec: Swarm.DependencySpec, version: Swarm.Version
    ) async throws(SwarmError)
    func removeDependency(_ id: Swarm.ID) async throws(SwarmError)

    // MARK: events
    /// Swarm-scoped events (`GET /events`), from `since` on as far as they are kept, then as they happen.
    func events(since: Timestamp?) async -> AsyncStream<SwarmEvent>
}

extension Swarm {
    /// What `POST /swarm/update` may ask to be drawn anew.
    package enum Rotation: Hashable, Sendable {
        case workerToken, managerToken
        /// Nothing, while managers are not locked.
        case unlockKey
    }
}

/// What `POST /swarm/init` asks for, with addresses already resolved to numbers.
package struct SwarmInit: Hashable, Sendable {
    package var listenAddress: String
    /// Empty: the manager takes the address of the default route's link.
    package var advertiseAddress: String
    package var dataPathAddress: String
    /// 0: 4789.
    package var dataPathPort: UInt16
    package var defaultAddressPools: [CIDR]
    /// 0: 24.
    package var subnetSize: Int
    package var availability: Swarm.Node.Availability
    package var spec: Swarm.ClusterSpec
    package var forceNewCluster: Bool

    package init() {
        listenAddress = "0.0.0.0:2377"
        advertiseAddress = ""
        dataPathAddress = ""
        dataPathPort = 0
        defaultAddressPools = []
        subnetSize = 0
        availability = .active
        spec = Swarm.ClusterSpec()
        forceNewCluster = false
    }
}

/// One line of `GET /events` with scope `swarm`.
package struct SwarmEvent: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable { case service, node, network, secret, config }
    package enum Action: String, Hashable, Sendable { case create, update, remove }

    package var kind: Kind
    package var action: Action
    package var id: Swarm.ID
    /// `name`, and what changed: `replicas.old`, `replicas.new`, ….
    package var attributes: [String: String]
    package var time: Timestamp

    package init(kind: Kind, action: Action, id: Swarm.ID, attributes: [String: String], time: Timestamp) {
        self.kind = kind
        self.action = action
        self.id = id
        self.attributes = attributes
        self.time = time
    }
}
