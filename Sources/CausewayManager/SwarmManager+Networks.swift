import CausewayModel
import CausewayStore

extension SwarmManager {
    package func networks() async throws(SwarmError) -> [Swarm.Network] { try view().networks.sorted }

    package func createNetwork(_ spec: Swarm.NetworkSpec) async throws(SwarmError) -> Swarm.Network {
        _ = try view()
        let routes = try await routes()
        try refuseWhileLeaving()
        let id = environment.newID()
        var wanted = spec
        if spec.isClassic, let missing = await environment.missingForClassic() {
            throw NetworkValidator.classicNeeds(missing, network: spec.name)
        }
        // The mesh is dual stack, whoever made its network; a classic one is as Swarm's is.
        if spec.isIngress, !spec.isClassic { wanted.enableIPv6 = true }
        let filled = wanted
        return try await write { transaction throws(SwarmError) in
            let subnets = try NetworkValidator(transaction.view, hostRoutes: routes).subnets(for: filled)
            let meta = Swarm.Meta(createdAt: transaction.now, updatedAt: transaction.now)
            var network = Swarm.Network(id: id, meta: meta, spec: filled, subnets: subnets)
            if filled.isClassic, var cluster = transaction.view.cluster {
                guard let number = TunnelIdentifiers.next(transaction.view) else {
                    throw SwarmError(.conflict, "every tunnel identifier is taken: remove a network")
                }
                network.tunnelIdentifier = number
                cluster.lastTunnelIdentifier = number
                try transaction.update(cluster)
            }
            try transaction.create(network)
            guard let network = transaction.view.networks[id] else { throw Refusal.notFound("network", id) }
            return network
        }
    }

    /// Removes a network that no service uses.
    ///
    /// Tasks that are already leaving are waited for, within reason: so
    /// `service rm` followed by `network rm` works, and no address disappears under a task.
    package func removeNetwork(_ id: Swarm.ID) async throws(SwarmError) {
        let deadline = environment.now().advanced(by: environment.networkPatience)
        while true {
            let isRemoved = try await write { transaction throws(SwarmError) -> Bool in
                guard let network = transaction.view.networks[id] else { throw Refusal.notFound("network", id) }
                if let obstacle = NetworkUse.obstacle(network, transaction.view) { throw obstacle }
                guard NetworkUse.lastTask(network, transaction.view) == nil else { return false }
                transaction.remove(Swarm.Network.self, id)
                return true
            }
            if isRemoved { return }
            guard environment.now() < deadline, !Task.isCancelled else { break }
            await environment.sleep(Nanoseconds(100_000_000))
        }
        let task = try view().networks[id].flatMap { NetworkUse.lastTask($0, store.snapshot()) }
        let name = task?.id ?? "that is leaving"
        guard task?.lastSeen != nil, let node = task?.nodeID.flatMap({ store.snapshot().nodes[$0] }) else {
            throw Refusal.precondition("network \(id) is in use by task \(name)")
        }
        throw Refusal.precondition(
            "network \(id) is in use by task \(name), which may still run on node \(node.description.hostname), of "
                + "which nothing was heard; if it does not come back, remove it (docker node rm \(node.id))")
    }

    /// Networks that `network prune` may remove.
    package func unusedNetworks() async throws(SwarmError) -> [Swarm.Network] { NetworkUse.unused(try view()) }
}
