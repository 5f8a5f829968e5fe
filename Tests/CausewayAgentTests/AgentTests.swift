import CausewayKernel
import CausewayModel
import Logging
import Synchronization
import Testing

@testable import CausewayAgent

@Suite struct AgentTests {
    let node = FakeNode()
    let source = FakeSource()
    let keeper = FakeKeeper()

    private func withAgent(_ body: (Agent) async throws -> Void) async throws {
        let agent = Agent(
            source: source, node: node, keeper: keeper, logger: Logger(label: "test"),
            auditInterval: .milliseconds(20), readyPatience: 1)
        let running = Task { try await agent.run() }
        defer { running.cancel() }
        try await body(agent)
    }

    @Test func `an applied assignment leaves nothing to do`() async throws {
        try await withAgent { agent in
            await source.send(Shop.assignment())
            try await source.waitApplied(1)

            #expect(try await agent.plan().isEmpty)
            #expect(await keeper.kept.resolvers.count == 4)
            #expect(await keeper.kept.ports.map(\.port) == [8080])
        }
    }

    @Test func `a task is ready once its namespace is complete, and not before`() async throws {
        try await withAgent { agent in
            let task = Shop.assignment().tasks[0]
            await #expect(throws: KernelError.self) { try await agent.ready(task) }

            await source.send(Shop.assignment())
            try await source.waitApplied(1)

            #expect(try await agent.ready(task) == "/run/netns/cw-web.1.web1abcd")
        }
    }

    @Test func `a task is waited for until it listens on what it publishes`() async throws {
        try await withAgent { agent in
            var task = Shop.assignment().tasks[0]
            task.ports = [.init(targetPort: 80, publishedPort: 8080), .init(targetPort: 81, publishedPort: 8081)]
            await node.listen([80])
            let hasWaited = Mutex(false)
            let waiting = Task {
                await agent.listening(task)
                hasWaited.withLock { $0 = true }
            }
            try await Task.sleep(for: .milliseconds(50))
            #expect(!hasWaited.withLock { $0 })

            await node.listen([80, 81])

            await waiting.value
            #expect(hasWaited.withLock { $0 })
        }
    }

    @Test func `the network of a task that has ended is gone before its end is told`() async throws {
        try await withAgent { agent in
            let task = Shop.assignment().tasks[0]
            await source.send(Shop.assignment())
            try await source.waitApplied(1)
            #expect(try await agent.ready(task) == "/run/netns/cw-web.1.web1abcd")

            await agent.letGo(of: [task.id])

            await #expect(throws: KernelError.self) { try await agent.ready(task) }
            // It stays away while the assignments do not know of the end.
            await source.send(Shop.assignment(revision: 2))
            try await source.waitApplied(2)
            await #expect(throws: KernelError.self) { try await agent.ready(task) }
            #expect(try await agent.plan().isEmpty)
        }
    }

    @Test func `one more backend costs its elements and no more`() async throws {
        try await withAgent { _ in
            await source.send(Shop.assignment(running: 2))
            try await source.waitApplied(1)
            let before = await node.host.steps.count
            await source.send(Shop.assignment(revision: 2))
            try await source.waitApplied(2)

            let steps = await node.host.steps.dropFirst(before)
            #expect(steps.count == 1)
            guard case .elementsChange(_, _, let deleted, let added)? = steps.first else {
                Issue.record("not a change of elements: \(steps)")
                return
            }
            #expect(Set(deleted.map(\.set)).isSubset(of: ["published4_64", "published6_64", "backends4_64"]))
            #expect(added.flatMap(\.elements).count <= 3 * 64)
        }
    }

    @Test func `what somebody else takes away comes back, and is counted`() async throws {
        try await withAgent { agent in
            await source.send(Shop.assignment())
            try await source.waitApplied(1)
            let table = await node.host.state.tables
            await node.host.meddle { $0.tables = [] }
            for _ in 0..<500 where await agent.repairs.total == 0 { try await Task.sleep(for: .milliseconds(5)) }

            #expect(await agent.repairs.byKind[.table] == 1)
            #expect(await node.host.state.tables == table)
        }
    }

    @Test func `a backend that goes takes its datagram flows along`() async throws {
        try await withAgent { _ in
            await source.send(Shop.assignment())
            try await source.waitApplied(1)
            await source.send(Shop.assignment(revision: 2, running: 2))
            try await source.waitApplied(2)

            #expect(await node.forgotten.contains(IPAddress("10.0.0.7")!))
        }
    }

    @Test func `a step that the kernel refuses is said, not applied, and tried again`() async throws {
        try await withAgent { agent in
            await node.host.refuse { step in
                if case .linkAdd(let link) = step, link.name.hasPrefix("cw-web1") {
                    KernelError(step: step.description, reason: .notPermitted, errno: 1)
                } else {
                    nil
                }
            }
            await source.send(Shop.assignment())
            for _ in 0..<500 where await agent.status().failures.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            #expect(await agent.status().failures.isEmpty == false)
            #expect(await source.applied.isEmpty)

            await node.host.refuse(nil)
            try await source.waitApplied(1)

            #expect(await agent.status().failures.isEmpty)
            #expect(try await agent.plan().isEmpty)
        }
    }
}
