import CausewayManager
import CausewayModel
import CausewaySession
import CausewayStore
import Foundation
import Logging
import Synchronization

/// Where a manager's nodes call, for as long as this node is a manager.
final class ManagerDoor: Sendable {
    private let store: any Store
    private let manager: SwarmManager
    private let environment: SessionEnvironment
    private let nodeID: Swarm.ID
    private let server = Mutex<SessionServer?>(nil)

    init(store: any Store, manager: SwarmManager, nodeID: Swarm.ID, environment: SessionEnvironment) {
        self.store = store
        self.manager = manager
        self.nodeID = nodeID
        self.environment = environment
    }

    /// Listens whenever there is a cluster, until cancelled.
    func run() async {
        while !Task.isCancelled {
            guard let cluster = await first({ $0 }) else { return }
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.serve(cluster) }
                group.addTask { _ = await self.first { $0?.id == cluster.id ? nil : true } }
                await group.next()
                group.cancelAll()
            }
            server.withLock { $0 = nil }
        }
    }

    /// Asks a node something over its session.
    func ask(_ node: Swarm.ID, kind: String) async throws(SwarmError) -> Data {
        try await open().request(node, kind: kind)
    }

    /// Asks a node for something in parts, each handed on when the one before was taken.
    func stream(
        from node: Swarm.ID, kind: String, body: Data, _ take: @escaping @Sendable (Data) async throws -> Void
    ) async throws {
        try await open().stream(from: node, kind: kind, body: body, take)
    }

    private func open() throws(SwarmError) -> SessionServer {
        guard let server = server.withLock({ $0 }) else {
            throw SwarmError(.unavailable, "this node is no manager, and has no sessions with others")
        }
        return server
    }

    /// Waits for something of the cluster; `nil` when the task was cancelled.
    private func first<Found: Sendable>(
        _ look: @Sendable (Swarm.Cluster?) -> Found?
    ) async -> Found? {
        let events = store.watch()
        if let found = look(store.snapshot().cluster) { return found }
        for await _ in events {
            if let found = look(store.snapshot().cluster) { return found }
        }
        return nil
    }

    private func serve(_ cluster: Swarm.Cluster) async {
        let place = ManagerAddress(cluster.listenAddress)
        guard let place, let address = IPAddress(place.host) else {
            environment.logger.error(
                "cannot listen for nodes: '\(cluster.listenAddress)' is no address; leave the swarm and make it anew")
            return await Bell().wait()
        }
        let advertised = "\(ManagerAddress(host: "\(cluster.advertiseAddress)", port: place.port))"
        let configuration = SessionServer.Configuration(
            address: address, port: place.port, nodeID: nodeID, managers: { [advertised] })
        while !Task.isCancelled {
            let server = SessionServer(configuration, dispatch: manager, environment: environment)
            self.server.withLock { $0 = server }
            do throws(SwarmError) {
                try await server.run()
            } catch {
                environment.logger.error("no node can join or call: \(error)")
            }
            guard await environment.sleep(.seconds(2)) else { return }
        }
    }
}
