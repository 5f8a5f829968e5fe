/// The bodies of `/swarm/…` and `/nodes/…` (Engine API 1.50).
extension BodySchema {
    static let cluster: BodySchema = [
        "Name": .value, "Labels": .value,
        "Orchestration": .object(["TaskHistoryRetentionLimit": .value]),
        "Raft": .object([
            "SnapshotInterval": .value, "KeepOldSnapshots": .value, "LogEntriesForSlowFollowers": .value,
            "ElectionTick": .value, "HeartbeatTick": .value,
        ]),
        "Dispatcher": .object(["HeartbeatPeriod": .value]),
        "CAConfig": .object([
            "NodeCertExpiry": .value, "ForceRotate": .value,
            "ExternalCAs": .refused("--external-ca"),
            "SigningCACert": .refused("--ca-cert"),
            "SigningCAKey": .refused("--ca-key"),
        ]),
        "TaskDefaults": .object(["LogDriver": .refused("a default log driver of tasks")]),
        "EncryptionConfig": .object(["AutoLockManagers": .refused("--autolock")]),
    ]

    static let swarmInit: BodySchema = [
        "ListenAddr": .value, "AdvertiseAddr": .value, "DataPathAddr": .value, "DataPathPort": .value,
        "ForceNewCluster": .value, "Availability": .value, "DefaultAddrPool": .value, "SubnetSize": .value,
        "AutoLockManagers": .refused("--autolock"),
        "Spec": .object(cluster),
    ]

    static let node: BodySchema = ["Name": .value, "Labels": .value, "Role": .value, "Availability": .value]
}
