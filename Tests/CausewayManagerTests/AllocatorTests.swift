import CausewayManager
import CausewayModel
import CausewayStore
import Testing

@Suite struct `An address pool` {
    private func pool(_ subnet: String, range: String? = nil, gateway: String? = nil) throws -> AddressPool {
        let subnet = try #require(CIDR(subnet))
        let first = try #require(subnet.address.advanced(by: 1))
        return AddressPool(
            Swarm.Subnet(
                subnet: subnet, gateway: gateway.flatMap { IPAddress($0) } ?? first,
                range: range.flatMap { CIDR($0) }))
    }

    @Test func `gives all but the subnet's own, the gateway and the broadcast address, in order`() throws {
        var pool = try pool("10.0.0.0/29")

        let given = (0..<6).map { _ in pool.take()?.description }

        #expect(given == ["10.0.0.2/29", "10.0.0.3/29", "10.0.0.4/29", "10.0.0.5/29", "10.0.0.6/29", nil])
        #expect((pool.usedCount, pool.capacity) == (5, 5))
    }

    @Test(arguments: [("10.0.0.0/24", 253), ("10.0.0.0/30", 1), ("10.0.0.0/16", 65533)])
    func `knows how many there are`(subnet: String, count: UInt64) throws {
        #expect(try pool(subnet).capacity == count)
    }

    @Test func `lets a freed address rest until the cursor has wrapped`() throws {
        var pool = try pool("10.0.0.0/29")
        let first = pool.take()
        _ = pool.take()

        pool.giveBack(try #require(first).address)

        let given = (0..<4).map { _ in pool.take()?.description }
        #expect(given == ["10.0.0.4/29", "10.0.0.5/29", "10.0.0.6/29", "10.0.0.2/29"])
    }

    @Test func `keeps to its range, and to a gateway in the middle`() throws {
        var pool = try pool("10.0.0.0/24", range: "10.0.0.128/30", gateway: "10.0.0.130")

        let given = (0..<4).map { _ in pool.take()?.description }

        #expect(given == ["10.0.0.128/24", "10.0.0.129/24", "10.0.0.131/24", nil])
    }

    @Test func `gives IPv6 addresses from two on, the last of them too`() throws {
        var small = try pool("fd00::/126")
        var large = try pool("fd00:0:0:1::/64")

        let given = (0..<3).map { _ in small.take()?.description }
        let next = large.take()?.description

        #expect(given == ["fd00::2/126", "fd00::3/126", nil])
        #expect(next == "fd00:0:0:1::2/64")
    }
}

@Suite struct `A subnet pool` {
    @Test func `skips what overlaps, whatever its size`() throws {
        let pool = SubnetPool(pools: [try #require(CIDR("10.0.0.0/8"))], size: 24)
        let taken = ["10.0.0.0/24", "10.0.1.128/25", "10.0.2.7/32", "10.0.3.0/22", "10.0.4.0/22"].compactMap(CIDR.init)

        #expect(pool.first(avoiding: [])?.description == "10.0.0.0/24")
        #expect(pool.first(avoiding: taken)?.description == "10.0.8.0/24")
    }

    @Test func `goes on to the next pool, and ends`() throws {
        let pool = SubnetPool(pools: ["10.9.0.0/24", "10.8.0.0/23"].compactMap(CIDR.init), size: 24)
        var taken: [CIDR] = []
        while let next = pool.first(avoiding: taken) { taken.append(next) }

        #expect(taken.map(\.description) == ["10.9.0.0/24", "10.8.0.0/24", "10.8.1.0/24"])
    }

    @Test func `ends at the end of the address space`() throws {
        let pool = SubnetPool(pools: [try #require(CIDR("255.255.255.0/24"))], size: 25)

        let all = try #require(CIDR("255.255.255.0/24"))

        #expect(pool.first(avoiding: [all]) == nil)
    }
}

@Suite struct `Allocation` {
    @Test func `gives a virtual IP first, then the tasks' addresses, by the order of networks`() async throws {
        let world = try await World.started()
        _ = try await world.manager.createNetwork(network("onet"))
        var six = network("six")
        six.enableIPv6 = true
        _ = try await world.manager.createNetwork(six)
        let service = try await world.manager.createService(spec("web", networks: ["onet", "six"]))

        try await world.settle()

        let virtual = try world.current(service).endpoint.virtualIPs.map { $0.addresses.map(\.description) }
        #expect(virtual == [["10.0.1.2/24"], ["10.0.2.2/24", "fd11:2233:4455:2::2/64"]])
        let own = try #require(world.running(service).first).networks.map { $0.addresses.map(\.description) }
        #expect(own == [["10.0.1.3/24"], ["10.0.2.3/24", "fd11:2233:4455:2::3/64"]])
    }

    @Test func `joins ingress for a published port, or where there is no network at all`() async throws {
        let world = try await World.started()
        var inside = network("inside")
        inside.isInternal = true
        _ = try await world.manager.createNetwork(inside)
        _ = try await world.manager.createNetwork(network("onet"))
        let ports = [Swarm.PortConfig(targetPort: 80, publishedPort: 80)]
        let cases = [
            (spec("bare"), ["ingress"]), (spec("a", networks: ["onet"]), ["onet"]),
            (spec("b", networks: ["onet"], ports: ports), ["ingress", "onet"]),
            (spec("c", networks: ["inside"]), ["inside"]),
            (spec("d", networks: ["inside", "onet"]), ["inside", "onet"]),
        ]
        for (wanted, names) in cases {
            let service = try await world.manager.createService(wanted)
            try await world.settle()
            let task = try #require(world.running(service).first)
            #expect(task.networks.map { world.view.networks[$0.networkID]?.spec.name } == names, "\(wanted.name)")
        }
    }

    @Test func `says on task and service what has run out, and goes on when some is freed`() async throws {
        let world = try await World.started()
        _ = try await world.manager.createNetwork(network("tiny", subnet: "172.30.0.0/29"))
        let service = try await world.manager.createService(spec("web", replicas: 6, networks: ["tiny"]))

        try await world.settle()

        // Five addresses: one is virtual, four are for tasks.
        let words = "no free address on network tiny: 5 of 5 used"
        #expect(world.running(service).count == 4)
        let waiting = world.tasks(service).filter { $0.status.state == .pending }
        #expect(waiting.map(\.status.error) == [words, words])
        #expect(try world.current(service).allocationError == words)

        try await world.update(service) { $0.mode = .replicated(4) }
        try await world.settle()
        #expect(try world.current(service).allocationError == nil)
        #expect(world.tasks(service).count == 4)

        let other = try await world.manager.createService(spec("other", networks: ["tiny"]))
        try await world.settle()
        #expect(try world.current(other).allocationError == words)
        #expect(world.tasks(other).map(\.status.error) == [words])
        try await world.manager.removeService(service.id)
        try await world.settle()
        #expect(world.running(other).count == 1)
        #expect(try world.current(other).allocationError == nil)
    }

    @Test func `cuts published ports serially, by protocol, and keeps them over updates`() async throws {
        let world = try await World.started()
        let ports = [
            Swarm.PortConfig(targetPort: 80, publishedPort: nil), Swarm.PortConfig(targetPort: 81, publishedPort: 0),
            Swarm.PortConfig(protocol: .udp, targetPort: 80, publishedPort: nil),
        ]
        let service = try await world.manager.createService(spec("web", ports: ports))
        try await world.settle()
        #expect(try world.current(service).endpoint.ports.map(\.publishedPort) == [30000, 30001, 30000])
        #expect(try world.current(service).spec.endpointSpec?.ports?.map(\.publishedPort) == [nil, 0, nil])

        try await world.update(service) {
            $0.endpointSpec?.ports?.remove(at: 0)
            $0.endpointSpec?.ports?.append(.init(targetPort: 82, publishedPort: nil))
        }
        try await world.settle()
        #expect(try world.current(service).endpoint.ports.map(\.publishedPort) == [30001, 30000, 30002])
    }

    @Test func `does not give the address of a task that is still stopping`() async throws {
        let world = try await World.started()
        _ = try await world.manager.createNetwork(network("tiny", subnet: "172.30.0.0/29"))
        let slow = try await world.manager.createService(
            spec("slow", image: "slowstop", replicas: 4, networks: ["tiny"]))
        try await world.settle()
        try await world.manager.removeService(slow.id)
        let next = try await world.manager.createService(spec("next", networks: ["tiny"]))

        try await world.run(2)
        #expect(world.tasks(next).map(\.status.state) == [.pending])
        #expect(AddressLedger.doubles(in: world.view) == [])

        try await world.run(3)
        #expect(world.running(next).count == 1)
    }

    @Test func `frees the virtual IP of a network that a service leaves`() async throws {
        let world = try await World.started()
        let one = try await world.manager.createNetwork(network("one"))
        let two = try await world.manager.createNetwork(network("two"))
        let service = try await world.manager.createService(spec("web", networks: ["one"]))
        try await world.settle()

        try await world.update(service) { $0.taskTemplate.networks = [.init(target: "two")] }
        try await world.run(10)

        #expect(try world.current(service).endpoint.virtualIPs.map(\.networkID) == [two.id])
        #expect(world.running(service).first?.networks.map(\.networkID) == [two.id])
        try await world.manager.removeNetwork(one.id)
    }

    @Test func `keeps the virtual IP on a network that a service leaves until its last task there has ended`()
        async throws
    {
        let world = try await World.started()
        let one = try await world.manager.createNetwork(network("one"))
        let two = try await world.manager.createNetwork(network("two"))
        let service = try await world.manager.createService(spec("web", image: "slowstop", networks: ["one"]))
        try await world.settle()
        let before = try world.current(service).endpoint.virtualIPs

        try await world.update(service) { $0.taskTemplate.networks = [.init(target: "two")] }
        try await world.run(2)

        let during = try world.current(service).endpoint.virtualIPs
        #expect(during.map(\.networkID) == [one.id, two.id])
        #expect(during.first == before.first)
        // Only what it is still attached to is named.
        #expect(world.assignment?.services.first { $0.id == service.id }?.aliases == [two.id: []])

        try await world.run(30)
        #expect(try world.current(service).endpoint.virtualIPs.map(\.networkID) == [two.id])
        #expect(AddressLedger.doubles(in: world.view) == [])
    }

    @Test func `finds double holders`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web", replicas: 2))
        try await world.settle()
        #expect(AddressLedger.doubles(in: world.view) == [])

        let tasks = world.tasks(service)
        try await world.store.write(at: world.script.now) { (tx) throws(SwarmError) in
            var thief = try present(tx.view.tasks[tasks[0].id])
            thief.networks = tasks[1].networks
            try tx.update(thief)
        }

        #expect(AddressLedger.doubles(in: world.view).count == 2)
    }

    @Test func `is the same after a restart in the middle`() async throws {
        let path = temporaryPath()
        let world = try await World.started(store: try SQLiteStore(path: path))
        _ = try await world.manager.createNetwork(network("onet"))
        let ports = [Swarm.PortConfig(targetPort: 80, publishedPort: nil)]
        let service = try await world.manager.createService(spec("web", replicas: 5, networks: ["onet"], ports: ports))
        await world.manager.step()
        let before = world.tasks(service).map(\.networks)

        let again = World(store: try SQLiteStore(path: path), script: world.script)
        try await again.settle()
        #expect(again.running(service).map(\.networks) == before)
        let more = try await again.manager.createService(spec("more", replicas: 3, networks: ["onet"]))
        try await again.settle()

        #expect(again.running(more).count == 3)
        #expect(AddressLedger.doubles(in: again.view) == [])
    }
}
