import CausewayManager
import CausewayModel
import CausewayStore
import Testing

/// A world with two attachable networks, one that is not, and their identifiers.
private func shop() async throws -> (world: World, app: Swarm.ID, other: Swarm.ID, closed: Swarm.ID) {
    let world = try await World.started()
    var ids: [Swarm.ID] = []
    for (name, subnet) in [("app", "10.1.0.0/24"), ("other", "10.2.0.0/24"), ("closed", "10.3.0.0/24")] {
        var wanted = network(name, subnet: subnet)
        wanted.isAttachable = name != "closed"
        ids.append(try await world.manager.createNetwork(wanted).id)
    }
    return (world, ids[0], ids[1], ids[2])
}

private func request(
    _ name: String, on networks: [Swarm.ID], ip: String? = nil, ports: [AttachedContainer.Port] = []
) -> AttachedContainer {
    let requested = ip.flatMap { IPAddress($0) }.map { [$0] } ?? []
    return AttachedContainer(
        id: "", createdAt: Timestamp(seconds: 0), nodeID: "", name: name,
        networks: networks.map { .init(networkID: $0, aliases: ["al"], requested: requested) }, ports: ports)
}

private func web(_ port: UInt16) -> AttachedContainer.Port {
    .init(protocol: .tcp, targetPort: 80, publishedPort: port)
}

/// `docker run` as far as the manager sees it.
extension World {
    fileprivate func run(_ request: AttachedContainer, as containerID: String) async throws -> AttachedContainer {
        let attached = try await manager.attach(request)
        try await manager.bind(attached.id, containerID: containerID)
        #expect(try await manager.starting(containerID: containerID))
        return try #require(view.containers[attached.id]?.container)
    }
}

@Suite struct `A container of a user` {
    @Test func `gets an address of each network, and is in the node's assignment`() async throws {
        let (world, app, other, _) = try await shop()

        let shell = try await world.run(request("shell", on: [app, other]), as: "abcdef0123456789")

        #expect(shell.networks.flatMap(\.addresses).map(\.description) == ["10.1.0.2/24", "10.2.0.2/24"])
        #expect(shell.ingress.isEmpty)
        let assignment = try #require(world.assignment)
        #expect(assignment.containers == [shell])
        let endpoint = try #require(assignment.services.first)
        #expect(endpoint.name == "shell" && endpoint.mode == .dnsrr)
        #expect(endpoint.aliases == [app: ["al", "abcdef012345"], other: ["al", "abcdef012345"]])
        #expect(endpoint.backends.first?.networks.count == 2)
        #expect(AddressLedger.doubles(in: world.view).isEmpty)
    }

    @Test func `has an address for its published ports, and a free port for 0`() async throws {
        let (world, app, _, _) = try await shop()

        let shop = try await world.run(request("shop", on: [app], ports: [web(8080), web(0)]), as: "c1")

        #expect(!shop.ingress.isEmpty)
        #expect(shop.ports.map(\.publishedPort) == [8080, 32768])
        #expect(world.assignment?.services.first?.ports.map(\.publishedPort) == [8080, 32768])
    }

    @Test func `has the address that it asks for, and nobody else has it`() async throws {
        let (world, app, _, _) = try await shop()

        let first = try await world.run(request("first", on: [app], ip: "10.1.0.77"), as: "c1")

        #expect(first.networks[0].addresses.map(\.description) == ["10.1.0.77/24"])
        for address in ["10.1.0.77", "10.1.0.1", "10.1.0.0", "10.1.0.255"] {
            await #expect(throws: SwarmError(.forbidden, "Address already in use")) {
                try await world.manager.attach(request("second", on: [app], ip: address))
            }
        }
        await #expect(throws: SwarmError.self) {
            try await world.manager.attach(request("second", on: [app], ip: "10.9.0.1"))
        }
    }

    @Test func `is refused on a network that is not attachable, with Docker's words`() async throws {
        let (world, _, _, closed) = try await shop()

        await #expect(
            throws: SwarmError(
                .forbidden,
                "Could not attach to network closed: rpc error: code = PermissionDenied desc = network closed not "
                    + "manually attachable")
        ) {
            try await world.manager.attach(request("shell", on: [closed]))
        }
        #expect(world.view.containers.isEmpty)
    }

    @Test func `with a port of a running one can be made, and not run`() async throws {
        let (world, app, _, _) = try await shop()
        let old = try await world.run(request("old", on: [app], ports: [web(8080)]), as: "c1")

        let new = try await world.manager.attach(request("new", on: [app], ports: [web(8080)]))
        try await world.manager.bind(new.id, containerID: "c2")
        let error = await #expect(throws: SwarmError.self) { try await world.manager.starting(containerID: "c2") }
        #expect(error?.message.contains("port is already allocated: container 'old' holds tcp port 8080") == true)

        // As compose does it: the old one stops, the new one takes its place and its name.
        try await world.manager.report(
            ["c1": SeenContainer(name: "old", isRunning: false), "c2": SeenContainer(name: "new", isRunning: false)],
            of: [old.id, new.id])
        #expect(try await world.manager.starting(containerID: "c2"))
        try await world.manager.detach(old.id)
        try await world.manager.rename(new.id, name: "old")
        #expect(world.assignment?.services.map(\.name) == ["old"])
        #expect(world.assignment?.containers.first?.firstName == "new")
    }

    @Test func `and a service do not share a port`() async throws {
        let (world, app, _, _) = try await shop()
        _ = try await world.manager.createService(
            spec("taken", ports: [Swarm.PortConfig(targetPort: 80, publishedPort: 9090)]))
        _ = try await world.run(request("shop", on: [app], ports: [web(8080)]), as: "c1")

        let first = await #expect(throws: SwarmError.self) {
            try await world.manager.attach(request("other", on: [app], ports: [web(9090)]))
        }
        #expect(first?.message.contains("service 'taken'") == true)
        let second = await #expect(throws: SwarmError.self) {
            try await world.manager.createService(
                spec("late", ports: [Swarm.PortConfig(targetPort: 80, publishedPort: 8080)]))
        }
        #expect(second?.message.contains("container 'shop'") == true)
    }

    @Test func `comes onto a network and leaves it again`() async throws {
        let (world, app, other, _) = try await shop()
        let shell = try await world.run(request("shell", on: [app]), as: "c1")

        let connected = try await world.manager.connect(shell.id, to: .init(networkID: other, aliases: ["x"]))
        #expect(connected.networks.map(\.networkID) == [app, other])
        await #expect(throws: SwarmError(.forbidden, "endpoint with name shell already exists in network other")) {
            try await world.manager.connect(shell.id, to: .init(networkID: other))
        }
        await #expect(throws: SwarmError.self) { try await world.manager.removeNetwork(other) }
        try await world.manager.disconnect(shell.id, from: other)
        try await world.manager.removeNetwork(other)
        #expect(world.view.containers[shell.id]?.container.networks.map(\.networkID) == [app])
    }

    @Test func `that is not seen any more gives everything back`() async throws {
        let (world, app, _, _) = try await shop()
        let gone = try await world.run(request("gone", on: [app]), as: "c1")
        let kept = try await world.run(request("kept", on: [app]), as: "c2")
        let unbound = try await world.manager.attach(request("unbound", on: [app]))
        let late = try await world.manager.attach(request("late", on: [app]))
        try await world.manager.bind(late.id, containerID: "c3")

        // `late` was bound after the look began.
        let known: Set = [gone.id, kept.id, unbound.id]
        let seen = ["c2": SeenContainer(name: "renamed", isRunning: true)]
        try await world.manager.report(seen, of: known)
        #expect(world.view.containers.sorted.map(\.container.name) == ["renamed", "unbound", "late"])

        // Its command died between making the container and saying so.
        try await world.manager.report(
            seen.merging(["c4": SeenContainer(name: "unbound", isRunning: true, attachment: unbound.id)]) { a, _ in a },
            of: known)
        #expect(world.view.containers[unbound.id]?.container.containerID == "c4")
        let never = try await world.manager.attach(request("never", on: [app]))

        world.script.advance(.seconds(601))
        try await world.manager.report(seen, of: known.union([never.id]))
        #expect(world.view.containers.sorted.map(\.container.name) == ["renamed", "late"])
    }

    @Test func `is still there after a restart`() async throws {
        let path = temporaryPath()
        let world = try await World.started(store: try SQLiteStore(path: path))
        var wanted = network("app")
        wanted.isAttachable = true
        let app = try await world.manager.createNetwork(wanted).id
        let shell = try await world.run(request("shell", on: [app]), as: "c1")

        let again = try SQLiteStore(path: path).snapshot()

        #expect(again.containers.sorted.map(\.container) == [shell])
    }
}
