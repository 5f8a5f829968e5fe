import CausewayAgent
import CausewayEngine
import CausewayKeeper
import CausewayLinux
import CausewayModel
import Foundation
import Logging
import ServiceLifecycle
import UnixSignals

/// The parts of a node, connected.
///
/// What each does is its own business.
struct House: Sendable {
    let settings: Settings
    let logger: Logger

    /// Runs until SIGTERM or SIGINT.
    ///
    /// Tasks, namespaces and tables stay as they are.
    func run() async throws {
        try makeDirectories()
        let lock = try StateLock(directory: settings.stateDirectory)
        defer { lock.release() }

        let ground = try await Ground(settings)
        let swarm = SwarmParts(ground, settings)
        let hands = try await Hands(ground, swarm, settings)
        let doors = Doors(ground, swarm, hands, settings)

        try await swarm.role.resume()
        if await !swarm.role.isInSwarm() { try await hands.agent.cleanUp() }
        // Not waited for: the engine may be waiting for us, to make the namespaces of what it starts at boot.
        let preflight = Task {
            let found = await Outside.preflight(ground.runtime)
            for missing in found.obstacles { logger.error("missing and essential: \(missing)") }
            for missing in found.shortcomings { logger.warning("missing: \(missing)") }
        }
        defer { preflight.cancel() }
        let group = ServiceGroup(
            configuration: .init(
                services: (swarm.services + hands.services + doors.services).map { .init(service: $0) },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        logger.info("ready", metadata: ["socket": "\(settings.socket)"])
        try await group.run()
        await ground.keeper.close()
        await ground.engine.shutdown()
    }

    private func makeDirectories() throws {
        let files = FileManager.default
        try files.createDirectory(
            atPath: settings.stateDirectory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // One that was there already is closed as well.
        try files.setAttributes([.posixPermissions: 0o700], ofItemAtPath: settings.stateDirectory)
        // Group docker has to reach the socket in it.
        try files.createDirectory(
            atPath: settings.runDirectory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        try MemoryFolder.make(settings.memoryDirectory)
    }
}

/// One part of the house as a service: it runs until the house is asked to close, then it is cancelled.
struct Part: Service {
    let body: @Sendable () async throws -> Void

    init(_ body: @escaping @Sendable () async throws -> Void) { self.body = body }

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            // Closing the house is a cancellation, and no failure.
            do { try await body() } catch is CancellationError {}
        }
    }
}
