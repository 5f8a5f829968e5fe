import CausewayModel

/// SplitMix64: small, and the same everywhere.
struct ShopGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = (seed ^ (seed << 32)) &* 0xd129_42f0_3d5f_41b5 }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}

/// A shop whose services, tasks and networks come and go: each assignment is the last one with some things changed.
struct RandomShop {
    private var generator: ShopGenerator
    private var assignment: NodeAssignment
    private var nextAddress: UInt32 = 10

    init(seed: UInt64) {
        generator = ShopGenerator(seed: seed)
        assignment = Shop.make(
            [
                Shop.network("ingress", ["10.0.0.0/16", "fd12:3456:789a:1::/64"], ingress: true),
                Shop.network("front", ["10.1.0.0/16", "fd12:3456:789a:2::/64"]),
                Shop.network("back", ["10.2.0.0/16"], isInternal: true),
            ], [], [])
        for _ in 0..<8 { addService() }
    }

    /// The next one; one in four times the very same again.
    mutating func next() -> NodeAssignment {
        assignment.revision += 1
        if generator.chance(75) {
            for _ in 0..<Int.random(in: 1...3, using: &generator) { change() }
        }
        return assignment
    }

    private mutating func change() {
        switch Int.random(in: 0..<10, using: &generator) {
        case 0: addService()
        case 1: removeService()
        case 2:
            assignment.networks.append(
                Shop.network("more\(assignment.revision)", ["10.\(3 + nextAddress % 200).0.0/16"]))
        case 3: drain()
        case 4: rename()
        default: replaceBackend()
        }
        assignment.services.sort { $0.id < $1.id }
        assignment.tasks.sort { $0.id < $1.id }
    }

    private mutating func pick() -> Int? { assignment.services.indices.randomElement(using: &generator) }

    private mutating func addService() {
        let name = "s\(Int.random(in: 0..<60, using: &generator))"
        guard !assignment.services.contains(where: { $0.name == name }) else { return }
        // Few ports for many services: two may well want the same.
        let port = Swarm.PortConfig(
            protocol: generator.chance(80) ? .tcp : .udp, targetPort: 80,
            publishedPort: UInt16(8000 + Int.random(in: 0..<40, using: &generator)),
            publishMode: generator.chance(80) ? .ingress : .host)
        var endpoint = ServiceEndpoint(
            id: "svc-\(name)", name: name, mode: generator.chance(80) ? .vip : .dnsrr,
            virtualIPs: [Swarm.Endpoint.VirtualIP(networkID: "net-front", addresses: [CIDR(host: address(1))])],
            ports: generator.chance(70) ? [port] : [])
        if generator.chance(50) { endpoint.aliases["net-front"] = ["shop", "\(name)-too"] }
        if generator.chance(30) {
            endpoint.scopes[TransportPort(port.protocol, port.publishedPort ?? 0)] = PortScope(
                interfaces: ["eth0"], sources: [CIDR(host: address(9))])
        }
        assignment.services.append(endpoint)
        for _ in 0..<Int.random(in: 0...40, using: &generator) { addBackend(to: assignment.services.count - 1) }
    }

    private mutating func addBackend(to index: Int) {
        let isLocal = generator.chance(10)
        let slot = Int.random(in: 1..<100, using: &generator)
        let id = "t\(nextAddress)\(assignment.services[index].name)abcdefghijkl"
        var task = Shop.task(Shop.service(assignment.services[index].name), slot: slot, [:])
        task.id = id
        task.networks = ["ingress", "front"].map { network in
            Swarm.NetworkAttachment(
                networkID: "net-\(network)", addresses: [CIDR(host: address(network == "front" ? 1 : 0))])
        }
        if isLocal { assignment.tasks.append(task) }
        assignment.services[index].backends.append(
            ServiceEndpoint.Backend(
                taskID: id, taskName: task.name, slot: slot, nodeID: isLocal ? "node1" : "node2",
                networks: task.networks, isActive: true))
    }

    private mutating func address(_ second: UInt32) -> IPAddress {
        nextAddress += 1
        return .v4(IPv4Address(rawValue: 10 << 24 | second << 16 | nextAddress & 0xffff))
    }

    private mutating func removeService() {
        guard let index = pick() else { return }
        let gone = Set(assignment.services.remove(at: index).backends.map(\.taskID))
        assignment.tasks.removeAll { gone.contains($0.id) }
    }

    private mutating func drain() {
        guard let index = pick(), !assignment.services[index].backends.isEmpty else { return }
        assignment.services[index].backends[0].isActive.toggle()
    }

    private mutating func rename() {
        guard let index = pick() else { return }
        assignment.services[index].aliases["net-front"] = ["shop", "other\(assignment.revision)"]
    }

    private mutating func replaceBackend() {
        guard let index = pick() else { return }
        if let gone = assignment.services[index].backends.popLast() {
            assignment.tasks.removeAll { $0.id == gone.taskID }
        }
        addBackend(to: index)
    }
}
