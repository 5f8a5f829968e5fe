import CausewayModel
import CausewayStore
import Logging

extension SwarmManager: NodeDispatch {
    package func roots() async throws(SwarmError) -> Swarm.Roots {
        let cluster = try await cluster()
        return Swarm.Roots(certificate: cluster.caCertificate, rotation: cluster.rotation)
    }

    package func admit(_ request: JoinRequest) async throws(SwarmError) -> Admission {
        try refuseWhileLeaving()
        let routes = try await routes()
        let hello = request.hello
        let admission = try await write { transaction throws(SwarmError) in
            let validator = AdmissionValidator(view: transaction.view, hostRoutes: routes)
            try validator.check(request)
            guard var cluster = transaction.view.cluster else { throw Refusal.notManager }
            let number = try validator.number()
            // One that has left and comes back is a new member under its old name.
            transaction.remove(Swarm.Node.self, request.nodeID)
            var node = Swarm.Node(
                id: request.nodeID, meta: Swarm.Meta(createdAt: transaction.now, updatedAt: transaction.now),
                number: number, spec: Swarm.Node.Spec(role: .worker, availability: request.availability),
                description: hello.description, state: .unknown, address: hello.address, isLeader: false)
            node.dataAddress = hello.dataAddress
            node.routes = hello.routes
            node.message = "admitted; waiting for its first session"
            try transaction.create(node)
            cluster.highestNodeNumber = number
            try transaction.update(cluster)
            return Self.admission(node, cluster)
        }
        log.info(
            "node \(hello.description.hostname) joins",
            metadata: ["node": "\(request.nodeID)", "address": "\(hello.address)"])
        return admission
    }

    package func renew(_ nodeID: Swarm.ID) async throws(SwarmError) -> Admission {
        Self.admission(try member(nodeID), try await cluster())
    }

    package func certified(_ nodeID: Swarm.ID, by root: String) async throws(SwarmError) {
        let node = try member(nodeID)
        guard node.hasFormerRoot == true, try await cluster().caCertificate == root else { return }
        try await write { transaction throws(SwarmError) in
            guard var node = transaction.view.nodes[nodeID] else { return }
            node.hasFormerRoot = nil
            try transaction.update(node)
        }
    }

    package func open(_ hello: NodeHello, from nodeID: Swarm.ID) async throws(SwarmError) -> NodeSessionGrant {
        let node = try member(nodeID)
        let cluster = try await cluster()
        let (stream, continuation) = AsyncStream.makeStream(
            of: NodeAssignment.self, bufferingPolicy: .bufferingNewest(1))
        let session = sessions.open(nodeID, at: environment.now(), applied: hello.applied, outlet: continuation)
        do throws(SwarmError) {
            try await greet(node.id, hello)
        } catch {
            sessions.close(session)
            throw error
        }
        published[nodeID] = nil
        publish(to: nodeID, store.snapshot())
        return NodeSessionGrant(
            session: session, heartbeatPeriod: cluster.heartbeatPeriod, assignments: stream)
    }

    package func heartbeat(_ session: NodeSessionID) async throws(SwarmError) {
        let node = try member(session.nodeID)
        try sessions.change(session, at: environment.now()) { _ in }
        if node.state != .ready { wake() }
    }

    package func report(_ reports: [TaskReport], in session: NodeSessionID) async throws(SwarmError) {
        _ = try member(session.nodeID)
        try sessions.change(session, at: environment.now()) { _ in }
        try await take(reports, from: session.nodeID)
    }

    package func applied(_ revision: UInt64, in session: NodeSessionID) async throws(SwarmError) {
        _ = try member(session.nodeID)
        try sessions.change(session, at: environment.now()) { $0.applied = max($0.applied, revision) }
        if store.snapshot().hasDepartingTasks { wake() }
    }

    package func observed(_ peers: [PeerObservation], in session: NodeSessionID) async throws(SwarmError) {
        _ = try member(session.nodeID)
        try sessions.change(session, at: environment.now()) { $0.observations = peers }
    }

    package func close(_ session: NodeSessionID) async { sessions.close(session) }

    package func left(_ nodeID: Swarm.ID) async throws(SwarmError) {
        _ = try member(nodeID)
        try await write { transaction throws(SwarmError) in
            guard var node = transaction.view.nodes[nodeID] else { return }
            node.hasLeft = true
            node.state = .down
            node.message = "left the swarm"
            try transaction.update(node)
            try Self.giveUp(nodeID, &transaction)
        }
        sessions.forget(nodeID)
        published[nodeID] = nil
        log.info("node \(nodeID) has left")
    }

    /// What a node was last assigned, if it has heard anything.
    package func assigned(to node: Swarm.ID) -> NodeAssignment? { published[node] }

    /// How each node reaches its peers, as they last said; of nodes whose session is open.
    package func observations() -> [Swarm.ID: [PeerObservation]] {
        sessions.observations.merging(localObservations.map { [$0.key: $0.value] } ?? [:]) { _, own in own }
    }

    /// The same of this manager's own node, which has no session.
    package func observed(_ peers: [PeerObservation]) async {
        guard let local = store.snapshot().localNode?.id else { return }
        localObservations = (local, peers)
    }

    // MARK: parts

    /// A node of the cluster; refuses anybody else.
    private func member(_ id: Swarm.ID) throws(SwarmError) -> Swarm.Node {
        guard let node = try view().nodes[id], node.hasLeft != true else {
            throw SwarmError(
                .forbidden,
                "node \(id) is not a member of this cluster: it was removed, or has left; it may join again (docker "
                    + "swarm leave, then docker swarm join)")
        }
        return node
    }

    /// Takes what a node says of itself.
    private func greet(_ id: Swarm.ID, _ hello: NodeHello) async throws(SwarmError) {
        let log = log
        try await write { transaction throws(SwarmError) in
            guard var node = transaction.view.nodes[id], let cluster = transaction.view.cluster else { return }
            node.description = hello.description
            node.address = hello.address
            node.dataAddress = hello.dataAddress
            node.routes = hello.routes
            (node.state, node.message) = (.ready, "")
            do throws(SwarmError) {
                let validator = AdmissionValidator(view: transaction.view, hostRoutes: [])
                try validator.check(routes: hello.routes, of: hello.description.hostname, cluster)
            } catch {
                // It is a member, and runs tasks: to refuse it now would harm more than the overlap does.
                node.message = error.message
                log.warning("node \(node.description.hostname) has a route that hides tasks: \(error)")
            }
            try transaction.update(node)
        }
    }

    private static func admission(_ node: Swarm.Node, _ cluster: Swarm.Cluster) -> Admission {
        Admission(
            nodeID: node.id, role: node.spec.role, clusterID: cluster.id, caCertificate: cluster.caCertificate,
            caKey: cluster.caKey,
            validity: cluster.spec.caConfig?.nodeCertExpiry ?? .seconds(90 * 86_400), rotation: cluster.rotation)
    }

    /// Nothing of the node is there any more.
    static func giveUp(_ node: Swarm.ID, _ transaction: inout StoreTransaction) throws(SwarmError) {
        try Orphans.giveUp(node, mayReturn: false, &transaction)
        for stored in transaction.view.containers.sorted where stored.container.nodeID == node {
            transaction.remove(StoredContainer.self, stored.id)
        }
    }
}

extension Swarm.Cluster {
    /// How often a node has to say that it lives.
    var heartbeatPeriod: Nanoseconds { spec.dispatcher?.heartbeatPeriod ?? .seconds(5) }
}
