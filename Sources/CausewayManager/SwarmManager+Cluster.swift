import CausewayModel
import CausewayStore
import Logging

extension SwarmManager: SwarmControl {
    package func isActive() async -> Bool { store.snapshot().cluster != nil }

    package func localNodeID() async -> Swarm.ID? { store.snapshot().localNode?.id }

    package func cluster() async throws(SwarmError) -> Swarm.Cluster {
        guard let cluster = try view().cluster else { throw Refusal.notManager }
        return cluster
    }

    package func initialize(_ request: SwarmInit) async throws(SwarmError) -> Swarm.ID {
        guard store.snapshot().cluster == nil, !store.isLocked else { throw Refusal.alreadyActive }
        try ClusterValidator.check(request)
        let obstacles = await environment.obstacles()
        guard obstacles.isEmpty else { throw SwarmError(.unavailable, obstacles.joined(separator: "; ")) }
        try await checkListening(request.listenAddress)
        let address = try await resolve(request.advertiseAddress, "advertise address")
        let cluster = try makeCluster(request, address)
        var node = await makeNode(request, address)
        if !request.dataPathAddress.isEmpty {
            node.dataAddress = try await resolve(request.dataPathAddress, "data path address")
        }
        let routes = try await routes()
        let ingress = environment.newID()
        try await store.write(at: environment.now()) { [node] transaction throws(SwarmError) in
            guard transaction.view.cluster == nil else { throw Refusal.alreadyActive }
            try transaction.create(cluster)
            try transaction.create(node)
            var spec = Swarm.NetworkSpec(name: "ingress")
            spec.isIngress = true
            spec.enableIPv6 = true
            let subnets = try NetworkValidator(transaction.view, hostRoutes: routes).subnets(for: spec)
            let meta = Swarm.Meta(createdAt: transaction.now, updatedAt: transaction.now)
            try transaction.create(Swarm.Network(id: ingress, meta: meta, spec: spec, subnets: subnets))
        }
        log.info("swarm initialized", metadata: ["node": "\(node.id)", "address": "\(address)"])
        wake()
        return node.id
    }

    /// Refuses a port on all addresses that another process has: no node could join.
    private func checkListening(_ text: String) async throws(SwarmError) {
        guard let wildcard = ["0.0.0.0:", "[::]:"].first(where: text.hasPrefix),
            let port = UInt16(text.dropFirst(wildcard.count)),
            let holder = await environment.portHolder(.tcp, port)
        else { return }
        throw SwarmError(
            .conflict,
            "port \(port) is held by \(holder), so no node could join; end it, or give another port (--listen-addr "
                + "0.0.0.0:PORT)")
    }

    package func leave(force: Bool) async throws(SwarmError) {
        if store.isLocked {
            guard force else { throw .lockedNeedsForce }
            return try await store.forget()
        }
        guard store.snapshot().cluster != nil else { throw Refusal.notActive }
        guard force else { throw Refusal.lastManager }
        guard leaving == .not else {
            throw SwarmError(.conflict, "this node is already leaving the swarm")
        }
        do throws(SwarmError) {
            try await stopEverything()
            try await emptyNode()
            try await store.write(at: environment.now()) { $0.removeAll() }
        } catch {
            leaving = .not
            wake()
            throw error
        }
        leaving = .not
        forgetNodes()
        log.info("left the swarm")
    }

    /// Removes every service, so that all tasks stop while their networks still stand.
    private func stopEverything() async throws(SwarmError) {
        leaving = .stopping
        try await write { transaction throws(SwarmError) in
            for var service in transaction.view.services.sorted {
                service.isPendingDelete = true
                try transaction.update(service)
            }
        }
        await step()
        let store = store
        await waitForAgent("stop all tasks") {
            let view = store.snapshot()
            return view.tasks.all.allSatisfy { task in
                task.status.state < .assigned || task.status.state.isTerminal
                    // Whoever is silent is not waited for.
                    || task.nodeID.flatMap { view.nodes[$0] }?.state != .ready
            }
        }
    }

    /// Has the agent take everything away: its last assignment asks for nothing.
    private func emptyNode() async throws(SwarmError) {
        leaving = .empty
        // A write of its own, so that the empty assignment has a revision that nothing before it has.
        let revision = try await write { transaction throws(SwarmError) in
            if var node = transaction.view.localNode {
                node.message = "leaving the swarm since \(transaction.now)"
                try transaction.update(node)
            }
            return transaction.view.revision
        }
        publishAssignments()
        await waitForAgent("take everything down") { self.isApplied(revision) }
    }

    package func updateCluster(
        _ spec: Swarm.ClusterSpec, version: Swarm.Version, rotating: Set<Swarm.Rotation>
    ) async throws(SwarmError) {
        let filled = ClusterValidator.filled(spec)
        let newToken = environment.newToken
        let newUnlockKey = environment.newUnlockKey()
        let replacement = try rootReplacement(filled)
        try await write { transaction throws(SwarmError) in
            guard var cluster = transaction.view.cluster else { throw Refusal.notManager }
            try ClusterValidator.check(filled, replacing: cluster.spec)
            guard cluster.meta.version == version else { throw .outOfSequence }
            cluster.spec = filled
            if let replacement { try replacement.begin(&cluster, &transaction) }
            if rotating.contains(.workerToken) { cluster.workerToken = newToken(cluster.caCertificate) }
            if rotating.contains(.managerToken) { cluster.managerToken = newToken(cluster.caCertificate) }
            if !filled.autoLocks {
                cluster.unlockKey = nil
            } else if cluster.unlockKey == nil || rotating.contains(.unlockKey) {
                cluster.unlockKey = newUnlockKey
            }
            try transaction.update(cluster)
        }
    }

    /// What a rotation of the root certificate needs, if this specification asks for one.
    private func rootReplacement(_ spec: Swarm.ClusterSpec) throws(SwarmError) -> RootReplacement? {
        guard let cluster = try view().cluster, spec.rotation != cluster.spec.rotation else { return nil }
        let now = environment.now()
        do {
            let identity = try environment.makeIdentity(now)
            let crossSigned = try environment.crossSign(
                identity.caCertificate, cluster.caCertificate, cluster.caKey, now)
            return RootReplacement(identity: identity, crossSigned: crossSigned)
        } catch {
            throw SwarmError(.internal, "cannot make a new root certificate: \(error)")
        }
    }

    func routes() async throws(SwarmError) -> [CIDR] {
        do { return try await environment.hostRoutes() } catch {
            throw SwarmError(.internal, "cannot read the host's routes to check subnets against them: \(error)")
        }
    }

    private func resolve(_ text: String, _ what: String) async throws(SwarmError) -> IPAddress {
        do { return try await environment.defaultAddress(text) } catch let error as SwarmError {
            throw error
        } catch {
            throw SwarmError(.invalid, "cannot use \(what) '\(text)': \(error)")
        }
    }

    private func makeCluster(_ request: SwarmInit, _ address: IPAddress) throws(SwarmError) -> Swarm.Cluster {
        let now = environment.now()
        let identity: ClusterIdentity
        do { identity = try environment.makeIdentity(now) } catch {
            throw SwarmError(.internal, "cannot make the cluster's identity: \(error)")
        }
        let pools =
            request.defaultAddressPools.isEmpty ? [CIDR("10.0.0.0/8")].compactMap(\.self) : request.defaultAddressPools
        guard let prefix = identity.uniqueLocalPrefix else {
            throw SwarmError(.internal, "the cluster's identity has no valid global identifier")
        }
        var cluster = Swarm.Cluster(
            id: environment.newID(), meta: Swarm.Meta(createdAt: now, updatedAt: now),
            spec: ClusterValidator.filled(request.spec), defaultAddressPools: pools,
            subnetSize: request.subnetSize == 0 ? 24 : request.subnetSize, uniqueLocalPrefix: prefix,
            dataPathPort: request.dataPathPort == 0 ? 4789 : request.dataPathPort, advertiseAddress: address,
            listenAddress: request.listenAddress, caCertificate: identity.caCertificate, caKey: identity.caKey,
            workerToken: identity.workerToken, managerToken: identity.managerToken)
        cluster.tunnelPool = environment.tunnelPool
        if cluster.spec.autoLocks { cluster.unlockKey = environment.newUnlockKey() }
        return cluster
    }

    private func makeNode(_ request: SwarmInit, _ address: IPAddress) async -> Swarm.Node {
        let now = environment.now()
        return Swarm.Node(
            id: environment.nodeID ?? environment.newID(), meta: Swarm.Meta(createdAt: now, updatedAt: now), number: 1,
            spec: Swarm.Node.Spec(role: .manager, availability: request.availability),
            description: await environment.describeNode(), state: .ready, address: address, isLeader: true)
    }
}
