import CausewayModel
import Testing

@testable import CausewayManager
@testable import CausewayStore

@Suite struct `A swarm's unlock key` {
    private func update(
        _ world: World, locks: Bool, rotating: Set<Swarm.Rotation> = []
    ) async throws -> Swarm.UnlockKey? {
        let before = try await world.manager.cluster()
        var spec = before.spec
        spec.encryptionConfig?.autoLockManagers = locks
        try await world.manager.updateCluster(spec, version: before.meta.version, rotating: rotating)
        return try await world.manager.cluster().unlockKey
    }

    @Test func `is drawn with the lock, kept by other changes, rotated when asked, and gone with the lock`()
        async throws
    {
        let world = try await World.started()
        #expect(try await world.manager.cluster().unlockKey == nil)
        #expect(try await update(world, locks: false, rotating: [.unlockKey]) == nil, "there is none to rotate")

        let first = try #require(try await update(world, locks: true))
        #expect(try await update(world, locks: true, rotating: [.workerToken]) == first)
        let second = try #require(try await update(world, locks: true, rotating: [.unlockKey]))
        #expect(second != first)
        #expect(try await update(world, locks: false) == nil)
        let third = try await update(world, locks: true)
        #expect(third != nil && third != second)
    }

    @Test func `is there from the beginning if the swarm begins with it`() async throws {
        let world = World()
        var request = SwarmInit()
        request.spec.encryptionConfig?.autoLockManagers = true
        _ = try await world.manager.initialize(request)
        #expect(try await world.manager.cluster().unlockKey != nil)
    }

    @Test func `brings a locked manager back with all that it had`() async throws {
        let path = temporaryPath()
        let world = try await World.started(store: try SQLiteStore(path: path))
        _ = try await world.manager.createService(spec("web", replicas: 2))
        try await world.settle()
        let key = try #require(try await update(world, locks: true))

        let locked = World(store: try SQLiteStore(path: path), script: world.script)
        let manager = locked.manager
        #expect(await !manager.isActive())
        #expect(await manager.membership().state == .locked)
        await #expect(throws: SwarmError.locked) { _ = try await manager.services() }
        await #expect(throws: SwarmError.locked) { _ = try await manager.createService(spec("other")) }
        await #expect(throws: SwarmError.self) { _ = try await manager.initialize(SwarmInit()) }
        await #expect(throws: SwarmError.lockedNeedsForce) { try await manager.leave(force: false) }
        #expect(await manager.step() == nil)
        // A task that ends while nobody can write it down is no error: the node says it again.
        try await manager.report([
            TaskReport(taskID: "t", status: .init(timestamp: .zero, state: .shutdown, message: ""))
        ])

        try await manager.unlock(key)

        #expect(await manager.isActive())
        #expect(try await manager.services().map(\.spec.name) == ["web"])
        #expect(try await manager.tasks().count == 2)
        await #expect(throws: SwarmError.notLocked) { try await manager.unlock(key) }
        #expect(try await update(locked, locks: true) == key)
    }
}
