extension Swarm {
    /// The one object that stands for the whole swarm.
    package struct Cluster: Hashable, Codable, Sendable, Identifiable {
        package var id: ID
        package var meta: Meta
        package var spec: ClusterSpec
        /// Pools that subnets of new networks are cut from, in order.
        package var defaultAddressPools: [CIDR]
        /// The prefix length of the IPv4 subnets cut from the pools.
        package var subnetSize: Int
        /// A /48 of RFC 4193, drawn at `swarm init`, from which IPv6 subnets (/64) are cut.
        package var uniqueLocalPrefix: CIDR
        package var dataPathPort: UInt16
        package var advertiseAddress: IPAddress
        package var listenAddress: String
        /// The certificate authority's certificate, PEM.
        package var caCertificate: String
        /// The certificate authority's private key, PEM.
        ///
        /// Never leaves the store.
        package var caKey: String
        /// The root certificate before this one, while nodes have certificates of it.
        package var rotation: RootRotation?
        package var workerToken: String
        package var managerToken: String
        /// What opens the manager's state after a restart; absent: it opens by itself.
        ///
        /// There exactly while `AutoLockManagers` asks for it. A store that has it encrypts all that it writes.
        package var unlockKey: UnlockKey?
        /// The highest number that a node ever had; absent while the first node is the only one that ever was.
        package var highestNodeNumber: Int?
        /// What the tunnel's addresses are cut from; absent: ``Tunnel/defaultPool``.
        package var tunnelPool: CIDR?
        /// The tunnel identifier that a classic network was given last; absent: none ever was.
        package var lastTunnelIdentifier: UInt32?

        package init(
            id: ID, meta: Meta, spec: ClusterSpec, defaultAddressPools: [CIDR], subnetSize: Int,
            uniqueLocalPrefix: CIDR, dataPathPort: UInt16, advertiseAddress: IPAddress, listenAddress: String,
            caCertificate: String, caKey: String, workerToken: String, managerToken: String
        ) {
            self.id = id
            self.meta = meta
            self.spec = spec
            self.defaultAddressPools = defaultAddressPools
            self.subnetSize = subnetSize
            self.uniqueLocalPrefix = uniqueLocalPrefix
            self.dataPathPort = dataPathPort
            self.advertiseAddress = advertiseAddress
            self.listenAddress = listenAddress
            self.caCertificate = caCertificate
            self.caKey = caKey
            self.workerToken = workerToken
            self.managerToken = managerToken
        }
    }

    /// `Spec` of `GET /swarm`.
    ///
    /// Defaults are Docker's.
    package struct ClusterSpec: Hashable, Codable, Sendable {
        package struct Orchestration: Hashable, Codable, Sendable {
            /// How many ended tasks are kept for each slot.
            package var taskHistoryRetentionLimit: Int64? = 5
            package init() {}
            enum CodingKeys: String, CodingKey { case taskHistoryRetentionLimit = "TaskHistoryRetentionLimit" }
        }

        package struct Raft: Hashable, Codable, Sendable {
            package var snapshotInterval: UInt64? = 10_000
            package var keepOldSnapshots: UInt64? = 0
            package var logEntriesForSlowFollowers: UInt64? = 500
            package var electionTick: Int? = 10
            package var heartbeatTick: Int? = 1
            package init() {}
            enum CodingKeys: String, CodingKey {
                case snapshotInterval = "SnapshotInterval"
                case keepOldSnapshots = "KeepOldSnapshots"
                case logEntriesForSlowFollowers = "LogEntriesForSlowFollowers"
                case electionTick = "ElectionTick"
                case heartbeatTick = "HeartbeatTick"
            }
        }

        package struct Dispatcher: Hashable, Codable, Sendable {
            package var heartbeatPeriod: Nanoseconds? = .seconds(5)
            package init() {}
            enum CodingKeys: String, CodingKey { case heartbeatPeriod = "HeartbeatPeriod" }
        }

        package struct CAConfig: Hashable, Codable, Sendable {
            package var nodeCertExpiry: Nanoseconds? = Nanoseconds(7_776_000_000_000_000)
            package var forceRotate: UInt64?
            package init() {}
            enum CodingKeys: String, CodingKey {
                case nodeCertExpiry = "NodeCertExpiry"
                case forceRotate = "ForceRotate"
            }
        }

        package struct EncryptionConfig: Hashable, Codable, Sendable {
            package var autoLockManagers: Bool? = false
            package init() {}
            enum CodingKeys: String, CodingKey { case autoLockManagers = "AutoLockManagers" }
        }

        package var name: String? = "default"
        package var labels: [String: String]? = [:]
        package var orchestration: Orchestration? = Orchestration()
        package var raft: Raft? = Raft()
        package var dispatcher: Dispatcher? = Dispatcher()
        package var caConfig: CAConfig? = CAConfig()
        package var taskDefaults: [String: String]? = [:]
        package var encryptionConfig: EncryptionConfig? = EncryptionConfig()

        package init() {}

        enum CodingKeys: String, CodingKey {
            case name = "Name"
            case labels = "Labels"
            case orchestration = "Orchestration"
            case raft = "Raft"
            case dispatcher = "Dispatcher"
            case caConfig = "CAConfig"
            case taskDefaults = "TaskDefaults"
            case encryptionConfig = "EncryptionConfig"
        }
    }
}

extension Swarm.ClusterSpec {
    /// Whether a manager that starts is locked until somebody gives it the unlock key.
    package var autoLocks: Bool { encryptionConfig?.autoLockManagers ?? false }
}

extension Swarm.Cluster {
    /// `10.0.0.1:2377`: where a manager listens for others.
    package func managerAddress(_ address: IPAddress) -> String {
        let port = listenAddress.split(separator: ":").last.flatMap { UInt16($0) } ?? 2377
        return address.family == .ip6 ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
