import CausewayManager
import CausewayModel
import CausewayStore
import Foundation
import Logging
import Synchronization
import Testing

/// Time and names that only the test moves.
final class Script: Sendable {
    private let state = Mutex((now: Timestamp(seconds: 1_800_000_000), ids: 0, roots: 0))

    var now: Timestamp { state.withLock { $0.now } }

    func advance(_ duration: Nanoseconds) { state.withLock { $0.now = $0.now.advanced(by: duration) } }

    func advance(to moment: Timestamp) { state.withLock { $0.now = max($0.now, moment) } }

    /// Nothing for the first root certificate, then numbers.
    func newRoot() -> String {
        state.withLock { state in
            state.roots += 1
            return state.roots == 1 ? "" : "\(state.roots)"
        }
    }

    func newID() -> String {
        state.withLock { state in
            state.ids += 1
            let digits = String(state.ids, radix: 36)
            return String(repeating: "0", count: 25 - digits.count) + digits
        }
    }
}

/// A manager with a scripted clock and an agent that obeys it.
final class World: @unchecked Sendable {
    let script: Script
    let store: any Store
    let manager: SwarmManager
    var agent = FakeAgent()

    /// `missing`: what its kernel lacks for classic networks.
    init(
        store: any Store = MemoryStore(), routes: [String] = [], script: Script = Script(), missing: String? = nil
    ) {
        self.script = script
        let routes = routes.compactMap(CIDR.init)
        self.store = store
        manager = SwarmManager(
            store: store,
            environment: ManagerEnvironment(
                now: { script.now },
                sleep: { duration in
                    // Scripted time passes at once; the others still get their turn.
                    script.advance(duration)
                    try? await Task.sleep(for: .milliseconds(1))
                },
                newID: { script.newID() },
                describeNode: {
                    Swarm.Node.Description(
                        hostname: "n1", architecture: "x86_64", nanoCPUs: 2_000_000_000, memoryBytes: 1 << 30,
                        engineVersion: "20.10")
                },
                makeIdentity: { _ in
                    let root = script.newRoot()
                    return ClusterIdentity(
                        caCertificate: "cert\(root)", caKey: "key\(root)", workerToken: "w\(root)",
                        managerToken: "m\(root)", globalID: 0x11_2233_4455)
                },
                crossSign: { new, former, key, _ in "\(new) by \(former) with \(key)" },
                newToken: { _ in "SWMTKN-\(script.newID())" },
                newUnlockKey: {
                    var generator = SystemRandomNumberGenerator()
                    return Swarm.UnlockKey(using: &generator)
                }, hostRoutes: { routes },
                defaultAddress: { text in
                    guard let address = text.isEmpty ? IPAddress("192.0.2.1") : IPAddress(text) else {
                        throw SwarmError(.invalid, "no such interface: \(text)")
                    }
                    return address
                }, missingForClassic: { missing }),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// A swarm that has begun.
    static func started(store: any Store = MemoryStore(), routes: [String] = []) async throws -> World {
        let world = World(store: store, routes: routes)
        if store.snapshot().cluster == nil { _ = try await world.manager.initialize(SwarmInit()) }
        return world
    }

    var view: StoreSnapshot { store.snapshot() }

    /// Lets manager and agent talk until neither has anything to say; time stands still.
    @discardableResult
    func settle() async throws -> Timestamp? {
        for _ in 0..<200 {
            let next = await manager.step()
            let reports = agent.obey(assignment, at: script.now)
            if reports.isEmpty { return next }
            try await manager.report(reports)
        }
        Issue.record("manager and agent never come to rest")
        return nil
    }

    /// Settles, and lets time pass to each next event for as long as told.
    func run(_ seconds: Int64) async throws {
        let end = script.now.advanced(by: .seconds(seconds))
        while true {
            let next = [try await settle(), agent.next].compactMap(\.self).filter { $0 > script.now }.min()
            guard let next, next <= end else { break }
            script.advance(to: next)
        }
        script.advance(to: end)
        try await settle()
    }

    var assignment: NodeAssignment? {
        view.nodes.all.first { _ in true }.flatMap { node in
            var maker = AssignmentMaker()
            return maker.assignment(for: node.id, view)
        }
    }

    func tasks(_ service: Swarm.Service) -> [Swarm.Task] { view.tasks(of: service.id) }

    func running(_ service: Swarm.Service) -> [Swarm.Task] {
        tasks(service).filter { $0.status.state == .running && $0.desiredState == .running }
    }

    func current(_ service: Swarm.Service) throws -> Swarm.Service { try #require(view.services[service.id]) }

    @discardableResult
    func update(_ service: Swarm.Service, _ edit: (inout Swarm.ServiceSpec) -> Void) async throws -> Swarm.Service {
        let current = try current(service)
        var spec = current.spec
        edit(&spec)
        return try await manager.updateService(service.id, spec, version: current.meta.version, rollback: false)
    }
}

/// A specification with a good image.
func spec(
    _ name: String, image: String = "ok", replicas: UInt64 = 1, networks: [String] = [],
    ports: [Swarm.PortConfig] = []
) -> Swarm.ServiceSpec {
    var task = Swarm.TaskSpec(containerSpec: Swarm.ContainerSpec(image: image))
    task.networks = networks.map { Swarm.NetworkAttachmentConfig(target: $0) }
    return Swarm.ServiceSpec(
        name: name, taskTemplate: task, mode: .replicated(replicas),
        endpointSpec: ports.isEmpty ? nil : Swarm.EndpointSpec(ports: ports))
}

func network(_ name: String, subnet: String? = nil) -> Swarm.NetworkSpec {
    var spec = Swarm.NetworkSpec(name: name)
    if let subnet { spec.ipam = [Swarm.NetworkSpec.IPAMConfig(subnet: subnet)] }
    return spec
}
