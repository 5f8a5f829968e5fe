import CausewayModel

/// Containers of users, as a manager would keep them.
actor FakeContainers: ContainerControl {
    private(set) var attached: [AttachedContainer] = []
    /// What was asked, in order: `attach c1`, `bind`, ….
    private(set) var calls: [String] = []
    private var next: UInt64 = 0
    private var refusals: [String: SwarmError] = [:]
    /// Ports of the host that something holds.
    private var heldPorts: Set<UInt16> = []

    func add(_ container: AttachedContainer) { attached.append(container) }
    func refuse(_ call: String, _ error: SwarmError) { refusals[call] = error }
    func run(_ name: String) {
        for index in attached.indices where attached[index].name == name { attached[index].isRunning = true }
    }

    func hold(_ port: UInt16) { heldPorts.insert(port) }

    private func note(_ call: String, _ text: String) throws(SwarmError) {
        calls.append("\(call) \(text)")
        if let refusal = refusals[call] { throw refusal }
    }

    private func given(_ attachment: AttachedContainer.Attachment) -> AttachedContainer.Attachment {
        var attachment = attachment
        next += 1
        let address = attachment.requested.first ?? IPAddress("10.0.1.4")!.advanced(by: next)!
        attachment.addresses = [CIDR(address, 24)!]
        return attachment
    }

    func attachedContainers() -> [AttachedContainer] { attached }

    func attach(_ request: AttachedContainer) throws(SwarmError) -> AttachedContainer {
        try note("attach", request.name)
        if let held = request.ports.first(where: { heldPorts.contains($0.publishedPort) }) {
            throw SwarmError(.conflict, "port \(held.publishedPort) is held by nginx")
        }
        var container = request
        container.id = "attachment\(attached.count + 1)"
        container.nodeID = FakeControl.nodeID
        container.networks = request.networks.map(given)
        container.ports = request.ports.map { port in
            var port = port
            if port.publishedPort == 0 { port.publishedPort = 32768 }
            return port
        }
        attached.append(container)
        return container
    }

    func bind(_ id: Swarm.ID, containerID: String) throws(SwarmError) {
        try note("bind", "\(id) \(containerID.prefix(4))")
        try change(id) { $0.containerID = containerID }
    }

    func connect(_ id: Swarm.ID, to attachment: AttachedContainer.Attachment) throws(SwarmError) -> AttachedContainer {
        try note("connect", "\(id) \(attachment.networkID)")
        let own = given(attachment)
        try change(id) { $0.networks.append(own) }
        return attached.first { $0.id == id }!
    }

    func disconnect(_ id: Swarm.ID, from networkID: Swarm.ID) throws(SwarmError) {
        try note("disconnect", "\(id) \(networkID)")
        try change(id) { $0.networks.removeAll { $0.networkID == networkID } }
    }

    func rename(_ id: Swarm.ID, name: String) throws(SwarmError) {
        try note("rename", "\(id) \(name)")
        try change(id) { $0.name = name }
    }

    func detach(_ id: Swarm.ID) throws(SwarmError) {
        try note("detach", id)
        attached.removeAll { $0.id == id }
    }

    private func change(_ id: Swarm.ID, _ body: (inout AttachedContainer) -> Void) throws(SwarmError) {
        guard let at = attached.firstIndex(where: { $0.id == id }) else {
            throw SwarmError(.notFound, "container \(id) not found")
        }
        body(&attached[at])
    }
}
