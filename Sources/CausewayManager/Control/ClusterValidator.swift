import CausewayModel

/// Checks what `swarm init` and `swarm update` ask for, and fills in Docker's defaults.
enum ClusterValidator {
    static func check(_ request: SwarmInit) throws(SwarmError) {
        guard !request.forceNewCluster else {
            throw Refusal.unsupported("--force-new-cluster", "this manager is alone and keeps its state by itself")
        }
        try check(filled(request.spec), replacing: nil)
        guard request.dataPathPort == 0 || (1024...49151).contains(request.dataPathPort) else {
            throw Refusal.invalid(
                "invalid data path port \(request.dataPathPort): it must be in the range of 1024 to 49151")
        }
        let size = request.subnetSize == 0 ? 24 : request.subnetSize
        guard (1...29).contains(size) else {
            throw Refusal.invalid("invalid subnet size \(size): it is 1 to 29")
        }
        for (index, pool) in request.defaultAddressPools.enumerated() {
            guard pool.family == .ip else {
                throw Refusal.unsupported(
                    "default address pool \(pool)", "IPv6 subnets come from the cluster's own /48")
            }
            guard pool == pool.network else {
                throw Refusal.invalid("invalid default address pool \(pool): it should be \(pool.network)")
            }
            guard pool.prefixLength <= size else {
                throw Refusal.invalid("invalid CIDR: \(pool): Subnet size \(size) is too large for it")
            }
            if let other = request.defaultAddressPools[..<index].first(where: { $0.overlaps(pool) }) {
                throw Refusal.invalid("default address pools \(other) and \(pool) overlap")
            }
        }
    }

    /// Checks a complete specification; `old` is the one that it replaces, `nil` for a new cluster.
    static func check(_ spec: Swarm.ClusterSpec, replacing old: Swarm.ClusterSpec?) throws(SwarmError) {
        if let old, spec.rotation < old.rotation {
            throw Refusal.invalid("invalid ForceRotate \(spec.rotation): it is \(old.rotation) now, and only rises")
        }
        if spec.name != "default" {
            throw Refusal.invalid("the name of the swarm is 'default' and cannot be changed")
        }
        if let period = spec.dispatcher?.heartbeatPeriod, period < .zero {
            throw Refusal.invalid("heartbeat time period cannot be a negative duration")
        }
        if let expiry = spec.caConfig?.nodeCertExpiry, expiry < .seconds(3600) {
            throw Refusal.invalid("minimum certificate expiry time is: 1h0m0s")
        }
    }

    /// What is absent or zero becomes the default, as in Docker.
    static func filled(_ given: Swarm.ClusterSpec) -> Swarm.ClusterSpec {
        var spec = given
        let standard = Swarm.ClusterSpec()
        func fill<T: Equatable>(_ value: T?, _ zero: T, _ standard: T?) -> T? {
            value == nil || value == zero ? standard : value
        }
        spec.name = fill(given.name, "", standard.name)
        spec.labels = spec.labels ?? [:]
        spec.taskDefaults = spec.taskDefaults ?? [:]
        spec.orchestration = spec.orchestration ?? standard.orchestration
        spec.orchestration?.taskHistoryRetentionLimit = given.orchestration?.taskHistoryRetentionLimit ?? 5
        spec.raft = spec.raft ?? standard.raft
        spec.raft?.snapshotInterval = fill(given.raft?.snapshotInterval, 0, standard.raft?.snapshotInterval)
        spec.raft?.keepOldSnapshots = given.raft?.keepOldSnapshots ?? standard.raft?.keepOldSnapshots
        spec.raft?.logEntriesForSlowFollowers = fill(
            given.raft?.logEntriesForSlowFollowers, 0, standard.raft?.logEntriesForSlowFollowers)
        spec.raft?.electionTick = fill(given.raft?.electionTick, 0, standard.raft?.electionTick)
        spec.raft?.heartbeatTick = fill(given.raft?.heartbeatTick, 0, standard.raft?.heartbeatTick)
        spec.dispatcher = spec.dispatcher ?? standard.dispatcher
        spec.dispatcher?.heartbeatPeriod = fill(
            given.dispatcher?.heartbeatPeriod, .zero, standard.dispatcher?.heartbeatPeriod)
        spec.caConfig = spec.caConfig ?? standard.caConfig
        spec.caConfig?.nodeCertExpiry = fill(given.caConfig?.nodeCertExpiry, .zero, standard.caConfig?.nodeCertExpiry)
        spec.encryptionConfig = spec.encryptionConfig ?? standard.encryptionConfig
        spec.encryptionConfig?.autoLockManagers = given.encryptionConfig?.autoLockManagers ?? false
        return spec
    }
}
