/// The bodies of `/swarm/…` and `/nodes/…` (Engine API 1.50).
extension BodySchema {
    static let cluster: BodySchema = [
        "Name": .value, "Labels": .value,
        "Orchestration": .object(["TaskHistoryRetentionLimit": .signed]),
        "Raft": .object([
            "SnapshotInterval": .count, "KeepOldSnapshots": .count, "LogEntriesForSlowFollowers": .count,
            "ElectionTick": .count, "HeartbeatTick": .count,
        ]),
        "Dispatcher": .object(["HeartbeatPeriod": .signed]),
        "CAConfig": .object([
            "NodeCertExpiry": .signed, "ForceRotate": .count,
            "ExternalCAs": .refused("--external-ca", .list),
            "SigningCACert": .refused("--ca-cert", .text),
            "SigningCAKey": .refused("--ca-key", .text),
        ]),
        "TaskDefaults": .object(["LogDriver": .refused("a default log driver of tasks", .object)]),
        "EncryptionConfig": .object(["AutoLockManagers": .value]),
    ]

    static let swarmInit: BodySchema = [
        "ListenAddr": .value, "AdvertiseAddr": .value, "DataPathAddr": .value,
        "DataPathPort": .integer(0...4_294_967_295),
        "ForceNewCluster": .value, "Availability": .value, "DefaultAddrPool": .value,
        "SubnetSize": .integer(0...4_294_967_295),
        "AutoLockManagers": .value,
        "Spec": .object(cluster),
    ]

    static let swarmJoin: BodySchema = [
        "ListenAddr": .value, "AdvertiseAddr": .value, "DataPathAddr": .value, "RemoteAddrs": .value,
        "JoinToken": .value, "Availability": .value,
    ]

    static let swarmUnlock: BodySchema = ["UnlockKey": .value]

    static let node: BodySchema = ["Name": .value, "Labels": .value, "Role": .value, "Availability": .value]
}
