/// How this node stands to a swarm, and how it comes into one and out of it.
package protocol SwarmMembership: Sendable {
    func membership() async -> Membership
    /// Joins through any of the managers named; returns when the node is a member and its first assignment is here.
    func join(_ request: SwarmJoin) async throws(SwarmError)
    /// Leaves: a worker at once, a manager only when forced.
    func leave(force: Bool) async throws(SwarmError)
    /// Opens the state of a manager that is locked, with what `docker swarm unlock` was given.
    func unlock(_ key: Swarm.UnlockKey) async throws(SwarmError)
    /// What a worker's API can show of the cluster: the newest assignment; absent on a manager and outside a swarm.
    func workerAssignment() async -> NodeAssignment?
}

extension SwarmMembership {
    package func workerAssignment() async -> NodeAssignment? { nil }
}

/// What `POST /swarm/join` asks for.
package struct SwarmJoin: Hashable, Sendable {
    package var listenAddress: String
    /// An address or a link's name; empty: the source towards the manager.
    package var advertiseAddress: String
    package var dataPathAddress: String
    /// `HOST:PORT`, at least one.
    package var remoteAddresses: [String]
    package var token: String
    package var availability: Swarm.Node.Availability

    package init(
        listenAddress: String = "0.0.0.0:2377", advertiseAddress: String = "", dataPathAddress: String = "",
        remoteAddresses: [String], token: String, availability: Swarm.Node.Availability = .active
    ) {
        self.listenAddress = listenAddress
        self.advertiseAddress = advertiseAddress
        self.dataPathAddress = dataPathAddress
        self.remoteAddresses = remoteAddresses
        self.token = token
        self.availability = availability
    }
}

/// `Swarm` of `GET /info`.
package struct Membership: Hashable, Sendable {
    /// Docker's words.
    package enum State: String, Hashable, Sendable { case inactive, pending, active, error, locked }

    package struct Manager: Hashable, Sendable {
        package var nodeID: Swarm.ID
        /// `ADDRESS:2377`.
        package var address: String

        package init(nodeID: Swarm.ID, address: String) {
            self.nodeID = nodeID
            self.address = address
        }
    }

    package var state: State
    package var isManager: Bool
    package var nodeID: Swarm.ID?
    package var nodeAddress: IPAddress?
    package var managers: [Manager]
    /// Why the state is `error`, or what is waited for.
    package var error: String

    package init(
        state: State = .inactive, isManager: Bool = false, nodeID: Swarm.ID? = nil, nodeAddress: IPAddress? = nil,
        managers: [Manager] = [], error: String = ""
    ) {
        self.state = state
        self.isManager = isManager
        self.nodeID = nodeID
        self.nodeAddress = nodeAddress
        self.managers = managers
        self.error = error
    }
}
