import CausewayKernel
import CausewayModel
import Testing

@Suite struct FakeKernelTests {
    private static let up = Rtnl.Link(name: "cw-a", kind: .veth(peer: "eth0", namespace: "n"))
    private static let down = Rtnl.Link(name: "cw-b", kind: .bridge, isUp: false)
    private static let route = Rtnl.Route(destination: cidr("10.0.1.5/32"), link: "cw-a")
    private static let neighbor = Rtnl.Neighbor(
        link: "cw-a", destination: ip("10.0.1.5"), address: MACAddress(derivedFrom: IPv4Address(rawValue: 5)))
    private static let element = Nft.Element(
        key: [.name("tcp"), .number(8080), .number(0)], data: [address("10.0.0.9"), .number(80)])

    private static let state = KernelState(
        links: ["cw-a": up, "cw-b": down, "lo": Rtnl.Link(name: "lo", kind: .loopback)],
        addresses: [Rtnl.Address(link: "cw-a", address: cidr("10.0.0.1/24"))], routes: [route], neighbors: [neighbor],
        tables: [Sample.table], forwardAccepts: [.ip])

    private static func change(_ set: String, delete: [Nft.Element] = [], add: [Nft.Element] = []) -> Plan.Step {
        .elementsChange(
            family: .inet, table: "causeway", delete: [Plan.SetElements(set: set, elements: delete)],
            add: [Plan.SetElements(set: set, elements: add)])
    }

    private static func table(_ rule: Nft.Expression) -> Plan.Step {
        .tableReplace(Nft.Table(family: .inet, name: "t", chains: [Nft.Chain(name: "c", rules: [Nft.Rule([rule])])]))
    }

    @Test(arguments: [
        (Plan.Step.linkAdd(up), KernelError.Reason.alreadyExists),
        (.linkAdd(Rtnl.Link(name: "cw-0123456789abc", kind: .bridge)), .invalid),
        (.linkAdd(Rtnl.Link(name: "", kind: .bridge)), .invalid),
        (.linkAdd(Rtnl.Link(name: "eth0", kind: .vethPeer)), .unsupported),
        (.linkSet(Rtnl.Link(name: "cw-z", kind: .bridge), from: up), .notFound),
        (.linkSet(Rtnl.Link(name: "cw-a", kind: .bridge), from: up), .unsupported),
        (.linkDelete(Rtnl.Link(name: "cw-z", kind: .bridge)), .notFound),
        (.linkDelete(Rtnl.Link(name: "lo", kind: .loopback)), .unsupported),
        (.addressAdd(Rtnl.Address(link: "cw-a", address: cidr("10.0.0.1/24"))), .alreadyExists),
        (.addressAdd(Rtnl.Address(link: "cw-z", address: cidr("10.0.0.1/24"))), .notFound),
        (.addressDelete(Rtnl.Address(link: "cw-a", address: cidr("10.0.0.1/32"))), .notFound),
        (.routeAdd(route), .alreadyExists),
        (.routeAdd(Rtnl.Route(destination: cidr("10.0.1.5/32"), link: "cw-a", scope: .link)), .alreadyExists),
        (.routeAdd(Rtnl.Route(destination: cidr("10.2.0.0/16"), link: "cw-b")), .invalid),
        (.routeAdd(Rtnl.Route(destination: cidr("10.2.0.0/16"), link: "cw-z")), .notFound),
        (.routeAdd(Rtnl.Route(destination: cidr("10.2.0.1/16"), link: "cw-a")), .invalid),
        (.routeAdd(Rtnl.Route(destination: cidr("10.2.0.0/16"), gateway: ip("10.3.0.1"), link: "cw-a")), .invalid),
        (.routeAdd(Rtnl.Route(destination: cidr("10.2.0.0/16"), link: "cw-a", source: ip("10.0.0.7"))), .invalid),
        (.routeDelete(Rtnl.Route(destination: cidr("10.2.0.0/16"), link: "cw-a")), .notFound),
        (.neighborAdd(neighbor), .alreadyExists),
        (
            .neighborDelete(Rtnl.Neighbor(link: "cw-b", destination: ip("10.0.1.5"), address: neighbor.address)),
            .notFound
        ),
        (.tableDelete(family: .ip, name: "causeway"), .notFound),
        (table(.match(.payload("ip", "daddr"), .equal, .set("nobody"))), .notFound),
        (table(.verdict(.jump("nobody"))), .notFound),
        (.elementsChange(family: .ip, table: "causeway", delete: [], add: []), .notFound),
        (change("nobody", add: [element]), .notFound),
        (change("published4", delete: [Nft.Element(key: [.name("udp"), .number(1), .number(1)])]), .notFound),
        (change("published4", add: [element]), .alreadyExists),
        (change("published4", add: [Nft.Element(key: [.name("tcp")])]), .invalid),
        (.sysctlSet(name: "net.ipv4.conf.cw-z.rp_filter", value: "0"), .notFound),
        (.forwardAcceptAdd(.ip), .alreadyExists),
        (.forwardAcceptDelete(.ip6), .notFound),
    ])
    func `what Linux refuses is refused, and nothing has changed`(
        _ step: Plan.Step, _ reason: KernelError.Reason
    ) async throws {
        let kernel = FakeKernel(Self.state)
        let error = await #expect(throws: KernelError.self) { try await kernel.take(step) }
        #expect(error?.reason == reason, "\(step): \(error?.description ?? "")")
        #expect(try await kernel.observe() == Self.state)
        #expect(await kernel.steps.isEmpty)
    }

    @Test(arguments: [
        Plan.Step.routeAdd(Rtnl.Route(destination: cidr("10.2.0.0/16"), gateway: ip("10.0.0.7"), link: "cw-a")),
        .routeAdd(Rtnl.Route(destination: cidr("10.2.0.0/16"), gateway: ip("10.3.0.1"), link: "cw-a", isOnLink: true)),
        .routeAdd(Rtnl.Route(destination: cidr("10.0.1.5/32"), link: "cw-a", metric: 5)),
        .routeAdd(Rtnl.Route(kind: .blackhole, destination: cidr("10.2.0.0/16"))),
        .neighborAdd(Rtnl.Neighbor(link: "cw-b", destination: ip("10.0.1.5"), address: neighbor.address)),
        .addressAdd(Rtnl.Address(link: "cw-a", address: cidr("10.0.0.1/32"))),
        .addressAdd(Rtnl.Address(link: "cw-b", address: cidr("10.0.0.1/24"))),
        change("published4", delete: [element], add: [element]),
        change("published4", add: [Sample.table.sets[0].elements[0]]),
        .tableReplace(Sample.table),
    ])
    func `what Linux takes is taken`(_ step: Plan.Step) async throws {
        let kernel = FakeKernel(Self.state)
        try await kernel.take(step)
        #expect(await kernel.steps == [step])
    }

    @Test func `deleting a link removes all that was on it`() async throws {
        let kernel = FakeKernel(Self.state)
        try await kernel.take(.linkDelete(Self.up))
        let state = try await kernel.observe()
        #expect(state.links.keys.sorted() == ["cw-b", "lo"])
        #expect(state.routes.isEmpty && state.neighbors.isEmpty && state.addresses.isEmpty)
    }

    @Test func `a source that is gone takes the IPv4 route with it, and leaves the IPv6 route without one`()
        async throws
    {
        let v4 = Rtnl.Route(destination: cidr("10.9.0.0/16"), link: "cw-a", source: ip("10.0.0.1"))
        var v6 = Rtnl.Route(destination: cidr("fd09::/64"), link: "cw-a", source: ip("fd00::1"), metric: 1024)
        let addresses = [cidr("10.0.0.1/32"), cidr("fd00::1/128")].map { Rtnl.Address(link: "cw-a", address: $0) }
        let kernel = FakeKernel(KernelState(links: ["cw-a": Self.up], addresses: Set(addresses), routes: [v4, v6]))
        for address in addresses { try await kernel.take(.addressDelete(address)) }
        v6.source = nil
        #expect(try await kernel.observe().routes == [v6])
    }

    @Test func `the other end of a veth pair comes and goes with it`() async throws {
        let host = FakeKernel()
        let task = FakeKernel()
        await host.connect("n", to: task)
        try await host.take(.linkAdd(Self.up))
        #expect(try await task.observe().links == ["eth0": Rtnl.Link(name: "eth0", kind: .vethPeer, isUp: false)])
        let second = Rtnl.Link(name: "cw-c", kind: Self.up.kind)
        await #expect(throws: KernelError.self) { try await host.take(.linkAdd(second)) }
        try await host.take(.linkDelete(Self.up))
        #expect(try await task.observe().links.isEmpty)
    }

    @Test func `a refusal that a test asks for is given`() async throws {
        let kernel = FakeKernel()
        await kernel.refuse { KernelError(step: $0.description, reason: .busy) }
        let error = await #expect(throws: KernelError.self) { try await kernel.take(.linkAdd(Self.up)) }
        #expect(error?.reason == .busy)
    }
}
