import CausewayKernel
import CausewayModel
import Logging
import Testing

@testable import CausewayAgent

@Suite struct RepairTests {
    let node = FakeNode()
    let source = FakeSource()

    /// The slow look never comes by itself: what is repaired is repaired because it was told.
    private func withAgent(_ body: (Agent) async throws -> Void) async throws {
        let agent = Agent(
            source: source, node: node, keeper: FakeKeeper(), logger: Logger(label: "test"),
            auditInterval: .seconds(600))
        let running = Task { try await agent.run() }
        defer { running.cancel() }
        await source.send(Shop.assignment())
        try await source.waitApplied(1)
        try await body(agent)
    }

    private func waitFor(_ isSo: () async throws -> Bool) async throws {
        for _ in 0..<1000 where try await !isSo() { try await Task.sleep(for: .milliseconds(2)) }
        #expect(try await isSo())
    }

    @Test func `what is told is looked at, in its namespace and nowhere else`() async throws {
        try await withAgent { agent in
            let names = await node.kernels.keys.sorted()
            let kernels = await node.kernels
            for name in names.prefix(2) { await kernels[name]?.meddle { $0.addresses = [] } }

            await node.tell(NodeChange(.task(names[0]), .links))
            try await waitFor { await agent.repairs.total > 0 }

            #expect(try await kernels[names[0]]?.observe().addresses.isEmpty == false)
            #expect(try await kernels[names[1]]?.observe().addresses.isEmpty == true)
            #expect(await Array(agent.repairs.byNamespace.keys) == [names[0]])
        }
    }

    @Test func `a part that was not told of is not looked at`() async throws {
        try await withAgent { agent in
            await node.host.meddle {
                $0.tables = []
                $0.neighbors = []
            }
            await node.tell(NodeChange(.host, .tables))
            try await waitFor { await agent.repairs.byKind[.table] == 1 }
            #expect(await node.host.state.neighbors.isEmpty)

            await node.tell(NodeChange(nil, .all))
            try await waitFor { await agent.repairs.byKind[.neighbour] != nil }
            #expect(try await agent.plan().isEmpty)
        }
    }

    @Test func `a link whose end in the task has another name is made anew`() async throws {
        try await withAgent { agent in
            let name = await node.kernels.keys.sorted()[0]
            let kernel = try #require(await node.kernels[name])
            await kernel.meddle { state in
                guard var link = state.links.removeValue(forKey: "eth0") else { return }
                link.name = "eth7"
                state.links["eth7"] = link
                (state.addresses, state.routes, state.neighbors) = ([], [], [])
            }
            await node.tell(NodeChange(.task(name), .links))
            try await waitFor { try await agent.plan().isEmpty }
            #expect(try await kernel.observe().links.keys.sorted() == ["eth0", "lo"])
        }
    }

    @Test func `a namespace whose name is gone is made again, with all that is in it`() async throws {
        try await withAgent { agent in
            let name = await node.kernels.keys.sorted()[0]
            try await node.deleteNamespace(name)
            await node.tell(NodeChange(.task(name), .all))
            try await waitFor { await agent.repairs.byKind[.namespace] == 1 }
            try await waitFor { try await agent.plan().isEmpty }
        }
    }

    @Test func `what was left of a swarm goes when there is none, and only if something was`() async throws {
        let agent = Agent(source: source, node: node, keeper: FakeKeeper(), logger: Logger(label: "test"))
        try await node.createNamespace("cw-left.1.abcdefgh")
        try await agent.cleanUp()
        #expect(await node.kernels.count == 1)

        await node.leaveBehind()
        try await agent.cleanUp()
        #expect(await node.kernels.isEmpty)
    }

    // MARK: damping

    @Test func `the same repair again and again is spaced, up to a second`() {
        var damping = Damping()
        let start = ContinuousClock.now
        for index in 1...Damping.patience {
            let isSpaced = damping.note("table replace", .host, at: start + .milliseconds(index))
            #expect(!isSpaced)
        }
        #expect(damping.delay(.host, at: start + .milliseconds(10)) == .zero)

        var now = start + .milliseconds(20)
        var delays: [Duration] = []
        for _ in 0..<8 {
            let isSpaced = damping.note("table replace", .host, at: now)
            #expect(isSpaced)
            delays.append(damping.delay(.host, at: now))
            now += damping.delay(.host, at: now) + .milliseconds(1)
        }
        #expect(delays == delays.sorted())
        #expect(delays.last == Damping.longest)
        #expect(damping.delay(.task("cw-a"), at: now) == .zero)
    }

    @Test func `after a quiet while, and for another repair, there is no wait`() {
        var damping = Damping()
        let start = ContinuousClock.now
        for _ in 0..<20 { _ = damping.note("a", .host, at: start) }
        let isOther = damping.note("b", .host, at: start + .seconds(1))
        #expect(!isOther)
        for _ in 0..<20 { _ = damping.note("b", .host, at: start + .seconds(1)) }
        let isLate = damping.note("b", .host, at: start + .seconds(20))
        #expect(!isLate)
        #expect(damping.delay(.host, at: start + .seconds(20)) == .zero)
    }
}
