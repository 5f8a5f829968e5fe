import CausewayManager
import CausewayModel
import Foundation
import Testing

/// Credentials for pulling are kept beside a service's specification, and go with its tasks.
struct PullCredentialsTests {
    private let first = Swarm.PullCredentials(header: "Zmlyc3Q=")
    private let second = Swarm.PullCredentials(header: "c2Vjb25k")

    @Test func `a task has its service's, and an update keeps them, changes them, or takes those before`() async throws
    {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web"), credentials: first)
        try await world.settle()
        #expect(world.running(service).map(\.pullCredentials) == [first])
        #expect(world.assignment?.tasks.map(\.pullCredentials) == [first])

        func update(_ image: String, _ change: Swarm.CredentialsChange) async throws -> Swarm.PullCredentials? {
            let current = try world.current(service)
            var wanted = current.spec
            wanted.taskTemplate.containerSpec?.image = image
            _ = try await world.manager.updateService(
                service.id, wanted, version: current.meta.version, rollback: false, credentials: change)
            try await world.run(10)
            #expect(world.running(service).map(\.pullCredentials) == [try world.current(service).pullCredentials])
            return try world.current(service).pullCredentials
        }
        #expect(try await update("ok2", .keep) == first)
        #expect(try await update("ok3", .set(second)) == second)
        #expect(try await update("ok4", .previous) == first)
        #expect(try await update("ok5", .set(nil)) == nil)
    }

    @Test func `a rollback puts the credentials of before back with their specification`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web"), credentials: first)
        try await world.settle()
        var current = try world.current(service)
        _ = try await world.manager.updateService(
            service.id, spec("web", image: "ok2"), version: current.meta.version, rollback: false,
            credentials: .set(second))
        try await world.run(10)
        current = try world.current(service)
        #expect(current.pullCredentials == second)

        _ = try await world.manager.updateService(
            service.id, current.spec, version: current.meta.version, rollback: true)

        #expect(try world.current(service).pullCredentials == first)
        #expect(try world.current(service).previousPullCredentials == second)
    }

    @Test func `new credentials alone replace no task`() async throws {
        let world = try await World.started()
        let service = try await world.manager.createService(spec("web", replicas: 2), credentials: first)
        try await world.settle()
        let before = world.running(service).map(\.id)
        let current = try world.current(service)
        _ = try await world.manager.updateService(
            service.id, current.spec, version: current.meta.version, rollback: false, credentials: .set(second))
        try await world.run(10)
        #expect(world.running(service).map(\.id) == before)
    }

    @Test func `nothing prints them`() throws {
        var task = Swarm.Task(
            id: "t", meta: .init(createdAt: .zero, updatedAt: .zero),
            service: .init(id: "s", meta: .init(createdAt: .zero, updatedAt: .zero), spec: spec("web")), slot: 1)
        task.pullCredentials = first
        var dumped = ""
        dump(task, to: &dumped)
        #expect(!"\(task) \(String(reflecting: task)) \(dumped)".contains(first.header))
        let again = try JSONDecoder().decode(Swarm.Task.self, from: JSONEncoder().encode(task))
        #expect(again == task)
    }
}
