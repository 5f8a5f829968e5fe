import CausewayKernel
import CausewayModel
import Logging
import Testing

@testable import CausewayAgent

@Suite struct CompileTests {
    let desired = AssignmentCompiler().compile(Shop.assignment(), facts: NodeFacts())

    @Test func `every task has its namespace, its link and a route to each address`() {
        #expect(
            desired.namespaces.keys.sorted() == [
                "cw-db.1.db1abcde", "cw-web.1.web1abcd", "cw-web.2.web2abcd", "cw-web.3.web3abcd",
            ])
        #expect(desired.host.links.keys.filter { $0 != Rtnl.goneLink }.count == 4)
        #expect(
            desired.host.routes.filter { $0.link == "cw-web1abcdef" }.map(\.destination.description).sorted() == [
                "10.0.0.5/32", "10.0.1.5/32", "10.0.2.5/32", "fd12:3456:789a:1::5/128",
            ])
    }

    @Test func `a task speaks to each network from its address there, and to the world from the first open one`() throws
    {
        let routes = try #require(desired.namespaces["cw-web.1.web1abcd"]).routes

        let sources = Dictionary(
            uniqueKeysWithValues: routes.map { ($0.destination.description, $0.source?.description) })
        #expect(
            sources == [
                "10.0.1.0/24": "10.0.1.5", "10.0.2.0/24": "10.0.2.5", "0.0.0.0/0": "10.0.1.5",
                "::/0": "fd12:3456:789a:1::5",
            ])
    }

    @Test func `a task on internal networks only has no way to the world`() throws {
        let routes = try #require(desired.namespaces["cw-db.1.db1abcde"]).routes

        #expect(routes.map(\.destination.description) == ["10.0.2.0/24"])
    }

    @Test func `backends share a service's slots evenly`() throws {
        let map = try #require(desired.host.tables.first?.sets.first { $0.name == "published4_64" })

        let shares = Dictionary(grouping: map.elements.compactMap(\.data?.first), by: { $0 }).mapValues(\.count)
        #expect(map.elements.count == 64)
        #expect(shares.values.sorted() == [21, 21, 22])
    }

    @Test func `above 32 backends a service has 256 slots`() {
        #expect(Slots.deal(Array(0..<32)).count == 64)
        #expect(Slots.deal(Array(0..<33)).count == 256)
        #expect(Slots.deal([Int]()).isEmpty)
    }

    @Test func `a task that does not run yet is reachable by nobody, and its namespace is complete`() throws {
        let desired = AssignmentCompiler().compile(Shop.assignment(running: 2), facts: NodeFacts())

        let map = try #require(desired.host.tables.first?.sets.first { $0.name == "published4_64" })
        #expect(Set(map.elements.compactMap(\.data?.first)).count == 2)
        #expect(desired.namespaces["cw-web.3.web3abcd"] != nil)
    }

    @Test func `names resolve to the virtual address, tasks to their own`() throws {
        let names = try #require(desired.names["web2abcdefghijklmnop"]).names

        #expect(names["web"]?.addresses == [IPAddress("10.0.1.2")!])
        #expect(names["tasks.web"]?.addresses.count == 3)
        #expect(names["web.front"]?.addresses == [IPAddress("10.0.1.2")!])
        #expect(names["db"] == nil)
    }

    @Test func `after leaving there is nothing`() async throws {
        let node = FakeNode()
        let source = FakeSource()
        let keeper = FakeKeeper()
        let agent = Agent(source: source, node: node, keeper: keeper, logger: .init(label: "test"))
        let running = Task { try await agent.run() }

        await source.send(Shop.assignment())
        try await source.waitApplied(1)
        await source.send(Shop.make([], [], [], revision: 2))
        try await source.waitApplied(2)
        running.cancel()

        #expect(await node.host.state.links.isEmpty)
        #expect(await node.host.state.tables.isEmpty)
        #expect(await node.kernels.isEmpty)
        #expect(await keeper.kept == KeptSockets())
    }
}
