import CausewayModel

/// What a cluster is born with: drawn once, at `swarm init`.
package struct ClusterIdentity: Hashable, Sendable {
    /// The certificate authority's certificate, PEM.
    package var caCertificate: String
    /// The certificate authority's private key, PEM.
    package var caKey: String
    package var workerToken: String
    package var managerToken: String
    /// 40 random bits, the global identifier of RFC 4193, 3.2: the cluster's /48 is made of them.
    package var globalID: UInt64

    package init(caCertificate: String, caKey: String, workerToken: String, managerToken: String, globalID: UInt64) {
        self.caCertificate = caCertificate
        self.caKey = caKey
        self.workerToken = workerToken
        self.managerToken = managerToken
        self.globalID = globalID
    }

    /// The cluster's /48, `fdXX:XXXX:XXXX::`.
    var uniqueLocalPrefix: CIDR? {
        CIDR(.v6(IPv6Address(high: 0xfd << 56 | (globalID & 0xff_ffff_ffff) << 16, low: 0)), 48)
    }
}

/// All that a manager needs from outside: time, chance, and what this host is.
package struct ManagerEnvironment: Sendable {
    package var now: @Sendable () -> Timestamp
    /// Returns after the time given, or at once when its task is cancelled.
    package var sleep: @Sendable (Nanoseconds) async -> Void
    /// A new identifier: 25 characters from 0-9 and a-z, never the same twice.
    package var newID: @Sendable () -> Swarm.ID
    /// This node's own identifier, kept across swarms; without one, each swarm draws it anew.
    package var nodeID: Swarm.ID?
    /// What this node says of itself.
    package var describeNode: @Sendable () async -> Swarm.Node.Description
    package var makeIdentity: @Sendable (Timestamp) throws -> ClusterIdentity
    /// A new root's certificate, PEM, signed by the former root's certificate and key, PEM.
    package var crossSign: @Sendable (_ new: String, _ former: String, _ key: String, Timestamp) throws -> String
    /// A new join token for a root certificate, PEM.
    package var newToken: @Sendable (_ caCertificate: String) -> String
    package var newUnlockKey: @Sendable () -> Swarm.UnlockKey
    /// Destinations of the host's routes, in every table, without those that are Causeway's own.
    package var hostRoutes: @Sendable () async throws -> [CIDR]
    /// An address from an address, an interface's name, or nothing (then the default route's link decides).
    package var defaultAddress: @Sendable (String) async throws -> IPAddress
    /// What keeps this node from running tasks at all, each with its remedy: then there is no swarm to make here.
    package var obstacles: @Sendable () async -> [String]
    /// Who of the host's own processes holds a port (`sshd (pid 812)`), if anybody does.
    package var portHolder: @Sendable (Swarm.TransportProtocol, UInt16) async -> String?
    /// The addresses of each of this host's links, by the link's name; `nil` when that cannot be told.
    package var links: @Sendable () async -> [String: [IPAddress]]?
    /// What of this host's kernel a classic network lacks, and what it is needed for; `nil`: nothing.
    package var missingForClassic: @Sendable () async -> String?
    /// How long `swarm leave --force` waits for all tasks to stop, and again for the agent to take everything down.
    package var leavePatience: Nanoseconds
    /// How long `network rm` waits for tasks that are already leaving.
    package var networkPatience: Nanoseconds
    /// How long a request that changes a container's networks waits for the node to do it.
    package var applyPatience: Nanoseconds
    /// How long a node may be silent before what it runs is replaced; `nil`: for ever.
    package var evictionAfter: Nanoseconds?
    /// How long the nodes may take to let go of a task before it is stopped.
    package var drainPatience: Nanoseconds
    /// What the tunnel's addresses are cut from, in clusters made from now on; `nil`: ``Tunnel/defaultPool``.
    package var tunnelPool: CIDR?

    package init(
        now: @escaping @Sendable () -> Timestamp,
        sleep: @escaping @Sendable (Nanoseconds) async -> Void,
        newID: @escaping @Sendable () -> Swarm.ID,
        nodeID: Swarm.ID? = nil,
        describeNode: @escaping @Sendable () async -> Swarm.Node.Description,
        makeIdentity: @escaping @Sendable (Timestamp) throws -> ClusterIdentity,
        crossSign: @escaping @Sendable (_ new: String, _ former: String, _ key: String, Timestamp) throws -> String,
        newToken: @escaping @Sendable (_ caCertificate: String) -> String,
        newUnlockKey: @escaping @Sendable () -> Swarm.UnlockKey,
        hostRoutes: @escaping @Sendable () async throws -> [CIDR],
        defaultAddress: @escaping @Sendable (String) async throws -> IPAddress,
        obstacles: @escaping @Sendable () async -> [String] = { [] },
        portHolder: @escaping @Sendable (Swarm.TransportProtocol, UInt16) async -> String? = { _, _ in nil },
        links: @escaping @Sendable () async -> [String: [IPAddress]]? = { nil },
        missingForClassic: @escaping @Sendable () async -> String? = { nil },
        leavePatience: Nanoseconds = .seconds(30),
        networkPatience: Nanoseconds = .seconds(15),
        applyPatience: Nanoseconds = .seconds(10),
        evictionAfter: Nanoseconds? = .seconds(30),
        drainPatience: Nanoseconds = .seconds(5),
        tunnelPool: CIDR? = nil
    ) {
        self.now = now
        self.sleep = sleep
        self.newID = newID
        self.nodeID = nodeID
        self.describeNode = describeNode
        self.makeIdentity = makeIdentity
        self.crossSign = crossSign
        self.newToken = newToken
        self.newUnlockKey = newUnlockKey
        self.hostRoutes = hostRoutes
        self.defaultAddress = defaultAddress
        self.obstacles = obstacles
        self.portHolder = portHolder
        self.links = links
        self.missingForClassic = missingForClassic
        self.leavePatience = leavePatience
        self.networkPatience = networkPatience
        self.applyPatience = applyPatience
        self.evictionAfter = evictionAfter
        self.drainPatience = drainPatience
        self.tunnelPool = tunnelPool
    }
}
