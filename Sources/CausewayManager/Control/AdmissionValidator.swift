import CausewayModel
import CausewayStore

/// Checks a node that asks to be let in.
struct AdmissionValidator {
    let view: StoreSnapshot
    /// The manager's own routes that are not ours: the tunnel's addresses must not be among them either.
    let hostRoutes: [CIDR]

    /// Refuses a node that has no business here.
    func check(_ request: JoinRequest) throws(SwarmError) {
        guard let cluster = view.cluster else { throw Refusal.notManager }
        try check(token: request.token, cluster)
        try check(identifier: request.nodeID)
        try check(address: request.hello.dataAddress ?? request.hello.address, of: request.nodeID)
        try check(routes: request.hello.routes, of: request.hello.description.hostname, cluster)
        try check(routes: hostRoutes, of: "the manager", cluster)
    }

    /// The place that the node gets: never given before.
    func number() throws(SwarmError) -> Int {
        let highest = max(view.cluster?.highestNodeNumber ?? 0, view.nodes.all.map(\.number).max() ?? 0)
        guard Tunnel.numbers.contains(highest + 1) else {
            throw SwarmError(
                .conflict,
                "this cluster has had \(highest) nodes in its life, and has no number left for another: make a new one")
        }
        return highest + 1
    }

    private func check(token: String, _ cluster: Swarm.Cluster) throws(SwarmError) {
        if Self.isSame(token, cluster.workerToken) { return }
        guard !Self.isSame(token, cluster.managerToken) else {
            throw Refusal.unsupported(
                "joining as a manager",
                "a cluster has one manager for now; join as a worker (docker swarm join-token worker)")
        }
        throw Refusal.invalid("A valid join token is necessary to join this cluster")
    }

    /// Takes as long for a token that is nearly right as for one that is not.
    private static func isSame(_ a: String, _ b: String) -> Bool {
        let (a, b) = (Array(a.utf8), Array(b.utf8))
        guard a.count == b.count, !a.isEmpty else { return false }
        return zip(a, b).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private func check(identifier id: Swarm.ID) throws(SwarmError) {
        guard id.count == 25, id.utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) }) else {
            throw Refusal.invalid("'\(id)' is not a node's identifier: it has 25 characters of 0-9 and a-z")
        }
        guard let known = view.nodes[id], known.hasLeft != true else { return }
        throw SwarmError(
            .conflict,
            "node \(id) (\(known.description.hostname), \(known.state.rawValue)) is a member already: a host that was "
                + "copied needs a state folder of its own; for one that lost its certificate, first remove the node "
                + "(docker node rm --force \(id))")
    }

    /// Two ends of the tunnel at one address would take each other's packets.
    private func check(address: IPAddress, of id: Swarm.ID) throws(SwarmError) {
        let other = view.nodes.sorted.first {
            $0.id != id && $0.state == .ready && ($0.dataAddress ?? $0.address) == address
        }
        guard let other else { return }
        throw SwarmError(
            .conflict,
            "node \(other.description.hostname) (\(other.id)) has the data path address \(address) already: give "
                + "another with --data-path-addr")
    }

    /// What a node reaches by its routes, tasks could not be reached by: each of the two is named.
    func check(routes: [CIDR], of name: String, _ cluster: Swarm.Cluster) throws(SwarmError) {
        let pool = cluster.tunnelPool ?? Tunnel.defaultPool
        for route in routes.sorted() where route.prefixLength > 0 {
            if let pool, route.overlaps(pool) {
                throw Self.overlap(route, name, "the tunnel's addresses \(pool)")
            }
            for network in view.networks.sorted {
                guard let subnet = network.subnets.first(where: { $0.subnet.overlaps(route) })?.subnet else { continue }
                throw Self.overlap(route, name, "subnet \(subnet) of network \(network.spec.name)")
            }
        }
    }

    private static func overlap(_ route: CIDR, _ name: String, _ ours: String) -> SwarmError {
        SwarmError(
            .conflict,
            "route \(route) of \(name) overlaps \(ours): remove the one or the other (a pool of its own for the "
                + "cluster's networks is given with docker swarm init --default-addr-pool)")
    }
}
