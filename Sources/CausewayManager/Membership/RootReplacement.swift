import CausewayModel
import CausewayStore

/// A new root certificate for the cluster, and what makes who trusts the former one believe it.
struct RootReplacement: Sendable {
    let identity: ClusterIdentity
    /// PEM.
    let crossSigned: String

    /// Signs with the new root from now on.
    ///
    /// What the former one signed is taken until every node has come with a certificate of the new one. Join tokens pin
    /// the root, so they are new too.
    func begin(_ cluster: inout Swarm.Cluster, _ transaction: inout StoreTransaction) throws(SwarmError) {
        let waiting = Self.waiting(transaction.view).map(\.description.hostname)
        guard cluster.rotation == nil else {
            throw SwarmError(
                .conflict,
                "a rotation of the root certificate is under way: it waits for \(waiting.joined(separator: ", ")); bring "
                    + "them back, or remove them (docker node rm --force)")
        }
        cluster.rotation = Swarm.RootRotation(
            formerCertificate: cluster.caCertificate, crossSigned: crossSigned)
        cluster.caCertificate = identity.caCertificate
        cluster.caKey = identity.caKey
        cluster.workerToken = identity.workerToken
        cluster.managerToken = identity.managerToken
        // This manager's own certificate is in memory only, and follows by itself.
        let local = transaction.view.localNode?.id
        for var node in transaction.view.nodes.sorted where node.id != local && node.hasLeft != true {
            node.hasFormerRoot = true
            try transaction.update(node)
        }
    }

    /// Ends a rotation for which there is nobody to wait any more; returns whether there was one.
    static func settle(_ transaction: inout StoreTransaction) throws(SwarmError) -> Bool {
        guard var cluster = transaction.view.cluster, cluster.rotation != nil, waiting(transaction.view).isEmpty else {
            return false
        }
        cluster.rotation = nil
        try transaction.update(cluster)
        return true
    }

    private static func waiting(_ view: StoreSnapshot) -> [Swarm.Node] {
        view.nodes.sorted.filter { $0.hasFormerRoot == true && $0.hasLeft != true }
    }
}

extension Swarm.ClusterSpec {
    /// Rises with each rotation of the root certificate that somebody asked for.
    var rotation: UInt64 { caConfig?.forceRotate ?? 0 }
}
