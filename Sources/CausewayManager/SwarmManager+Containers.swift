import CausewayModel
import CausewayStore
import Logging

extension SwarmManager: ContainerControl {
    package func attachedContainers() async throws(SwarmError) -> [AttachedContainer] {
        store.snapshot().containers.sorted.map(\.container)
    }

    package func attach(_ request: AttachedContainer) async throws(SwarmError) -> AttachedContainer {
        try refuseWhileLeaving()
        var wanted = request
        wanted.id = environment.newID()
        wanted.createdAt = environment.now()
        wanted.isRunning = false
        try AttachmentValidator(view: try view()).check(wanted)
        try await checkHolders(of: wanted)
        wanted.ports = try await filled(wanted.ports)
        let cursors = containerCursors
        let (attached, after) = try await write { [wanted] transaction throws(SwarmError) in
            let view = transaction.view
            try AttachmentValidator(view: view).check(wanted)
            var container = wanted
            container.nodeID = view.localNode?.id ?? ""
            var ledger = AddressLedger(view, cursors: cursors)
            for index in container.networks.indices {
                let attachment = container.networks[index]
                container.networks[index].addresses = try ledger.take(
                    on: attachment.networkID, asking: attachment.requested)
            }
            if !container.ports.isEmpty {
                guard let ingress = view.ingress else {
                    throw SwarmError(.notFound, "there is no ingress network for published ports to lead through")
                }
                container.ingress = try ledger.take(on: ingress.id, asking: [])
            }
            try transaction.create(StoredContainer(container))
            return (container, ledger.cursors)
        }
        containerCursors = after
        publishAssignments()
        return attached
    }

    package func bind(_ id: Swarm.ID, containerID: String) async throws(SwarmError) {
        try await change(id) { container, _ throws(SwarmError) in container.containerID = containerID }
    }

    package func connect(
        _ id: Swarm.ID, to attachment: AttachedContainer.Attachment
    ) async throws(SwarmError) -> AttachedContainer {
        try refuseWhileLeaving()
        let cursors = containerCursors
        return try await change(id) { container, view throws(SwarmError) in
            let network = try AttachmentValidator(view: view).attachable(attachment)
            guard !container.networks.contains(where: { $0.networkID == network.id }) else {
                throw SwarmError(
                    .forbidden,
                    "endpoint with name \(container.name) already exists in network \(network.spec.name)")
            }
            var attachment = attachment
            var ledger = AddressLedger(view, cursors: cursors)
            attachment.addresses = try ledger.take(on: network.id, asking: attachment.requested)
            container.networks.append(attachment)
        }
    }

    package func disconnect(_ id: Swarm.ID, from networkID: Swarm.ID) async throws(SwarmError) {
        try await change(id) { container, view throws(SwarmError) in
            guard let network = view.networks[networkID] else { throw Refusal.notFound("network", networkID) }
            guard container.networks.contains(where: { $0.networkID == networkID }) else {
                throw SwarmError(
                    .forbidden,
                    "container \(container.containerID ?? container.name) is not connected to network "
                        + network.spec.name)
            }
            container.networks.removeAll { $0.networkID == networkID }
        }
    }

    package func rename(_ id: Swarm.ID, name: String) async throws(SwarmError) {
        try await change(id) { container, view throws(SwarmError) in
            try AttachmentValidator(view: view).check(name: name, of: id)
            container.name = name
        }
    }

    package func detach(_ id: Swarm.ID) async throws(SwarmError) {
        guard store.snapshot().containers[id] != nil else { return }
        try await write { $0.remove(StoredContainer.self, id) }
        await waitUntilApplied()
    }

    // MARK: parts

    /// Writes a changed container, and returns when the node has done it.
    @discardableResult
    private func change(
        _ id: Swarm.ID, _ edit: @escaping @Sendable (inout AttachedContainer, StoreSnapshot) throws(SwarmError) -> Void
    ) async throws(SwarmError) -> AttachedContainer {
        let changed = try await write { transaction throws(SwarmError) in
            guard var stored = transaction.view.containers[id] else { throw Refusal.notFound("container", id) }
            try edit(&stored.container, transaction.view)
            try transaction.update(stored)
            return stored.container
        }
        await waitUntilApplied()
        return changed
    }

    /// A port that a program of the host listens on would never hear a packet for the container.
    private func checkHolders(of container: AttachedContainer) async throws(SwarmError) {
        for port in container.ports where port.publishedPort != 0 {
            guard let holder = await environment.portHolder(port.protocol, port.publishedPort) else { continue }
            throw AttachmentValidator.taken(port, by: holder)
        }
    }

    /// Ports with a free one in the place of each 0.
    private func filled(_ ports: [AttachedContainer.Port]) async throws(SwarmError) -> [AttachedContainer.Port] {
        var filled = ports
        let view = store.snapshot()
        var used = Set(ports.map { TransportPort($0.protocol, $0.publishedPort) })
        used.formUnion(
            view.containers.all.flatMap(\.container.ports).map { TransportPort($0.protocol, $0.publishedPort) })
        used.formUnion(
            view.services.all.flatMap(\.endpoint.ports).map { TransportPort($0.protocol, $0.publishedPort ?? 0) })
        for index in filled.indices where filled[index].publishedPort == 0 {
            filled[index].publishedPort = try await free(filled[index].protocol, &used)
        }
        return filled
    }

    private func free(
        _ transport: Swarm.TransportProtocol, _ used: inout Set<TransportPort>
    ) async throws(SwarmError) -> UInt16 {
        let range = AttachmentValidator.freePorts
        for _ in range {
            let next =
                lastFreePort < range.upperBound && range.contains(lastFreePort) ? lastFreePort + 1 : range.lowerBound
            lastFreePort = next
            guard !used.contains(TransportPort(transport, next)), await environment.portHolder(transport, next) == nil
            else { continue }
            used.insert(TransportPort(transport, next))
            return next
        }
        throw SwarmError(
            .internal, "all ports of \(range.lowerBound)-\(range.upperBound) are taken: publish one by its number")
    }

    /// Waits until the node has done all that the store says now; within reason, and if there is a node to do it.
    func waitUntilApplied() async {
        publishAssignments()
        guard let wanted = store.snapshot().localNode.flatMap({ published[$0.id]?.revision }) else { return }
        let deadline = environment.now().advanced(by: environment.applyPatience)
        while appliedRevision < wanted, !readers.isEmpty {
            guard environment.now() < deadline, !Task.isCancelled else {
                log.error("the node has not applied revision \(wanted) in time; see what the kernel refused")
                return
            }
            await environment.sleep(Nanoseconds(3_000_000))
        }
    }

    func refuseWhileLeaving() throws(SwarmError) {
        guard leaving == .not else {
            throw SwarmError(.unavailable, "this node is leaving the swarm: nothing new can be made")
        }
    }
}

extension SwarmManager: ContainerReporting {
    /// How long an attachment may wait for its container: a command that died between the two leaves one.
    static let bindPatience = Nanoseconds.seconds(600)

    package func starting(containerID: String) async throws(SwarmError) -> Bool {
        guard let id = store.snapshot().containers.all.first(where: { $0.container.containerID == containerID })?.id
        else { return false }
        try await change(id) { container, view throws(SwarmError) in
            if let obstacle = AttachmentValidator(view: view).obstacle(to: container) { throw obstacle }
            container.isRunning = true
        }
        return true
    }

    package func report(_ seen: [String: SeenContainer], of known: Set<Swarm.ID>) async throws(SwarmError) {
        guard store.snapshot().cluster != nil, !known.isEmpty else { return }
        let now = environment.now()
        let gone = try await write { transaction throws(SwarmError) in
            var gone: [String] = []
            for id in known.sorted() {
                guard let stored = transaction.view.containers[id] else { continue }
                switch Self.look(stored.container, seen, at: now) {
                case .some(let container):
                    var stored = stored
                    stored.container = container
                    try transaction.update(stored)
                case .none:
                    transaction.remove(StoredContainer.self, id)
                    gone.append(stored.container.name)
                }
            }
            return gone
        }
        for name in gone { log.info("container \(name) is gone: its addresses and ports are free") }
        publishAssignments()
    }

    /// The container as it is seen; `nil` when it is there no longer, or never came.
    private static func look(
        _ container: AttachedContainer, _ seen: [String: SeenContainer], at now: Timestamp
    ) -> AttachedContainer? {
        var container = container
        // Whoever made it may have died before it could say so.
        if container.containerID == nil {
            container.containerID = seen.first { $0.value.attachment == container.id }?.key
        }
        guard let id = container.containerID else {
            return container.createdAt.advanced(by: bindPatience) < now ? nil : container
        }
        guard let found = seen[id] else { return nil }
        container.isRunning = found.isRunning
        if !found.name.isEmpty { container.name = found.name }
        return container
    }
}
