import CausewayManager
import CausewayModel
import CausewayStore
import Foundation
import Logging

/// One run of the bench.
struct ClusterBench: Sendable {
    struct Result: Codable, Sendable {
        var nodes: Int
        var services: Int
        var tasks: Int
        /// From the first `service create` until every task was reported running.
        var placing: Double
        /// From a request's start until every node has applied what follows from it: p50 and p99 of all changes.
        var median: Double
        var late: Double
        /// The most memory that the process ever had.
        var memory: Double

        enum CodingKeys: String, CodingKey {
            case nodes, services, tasks
            case placing = "place_all_ms"
            case median = "change_p50_ms"
            case late = "change_p99_ms"
            case memory = "memory_mib"
        }
    }

    let nodes: Int
    let services: Int
    let replicas: Int
    let changes: Int

    func run(storePath: String) async throws -> Result {
        let store = try SQLiteStore(path: storePath)
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let manager = SwarmManager(store: store, environment: Self.environment, logger: logger)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await manager.run() }
            let ledger = Ledger()
            let admission = try await start(manager, ledger)
            for number in 2...max(2, nodes) { try await join(number, manager, ledger, token: admission, &group) }
            let own = await manager.localNodeID() ?? ""
            group.addTask {
                var node = SimulatedNode(id: own, ledger: ledger)
                try await node.follow(manager)
            }
            let result = try await measure(manager, store, ledger)
            group.cancelAll()
            return result
        }
    }

    // MARK: the cluster

    /// Returns the token that lets workers in.
    private func start(_ manager: SwarmManager, _ ledger: Ledger) async throws -> String {
        var request = SwarmInit()
        request.advertiseAddress = "198.18.0.1"
        // Room for every task on one network.
        request.subnetSize = 16
        request.spec.taskDefaults = [:]
        _ = try await manager.initialize(request)
        return try await manager.cluster().workerToken
    }

    private func join(
        _ number: Int, _ manager: SwarmManager, _ ledger: Ledger, token: String,
        _ group: inout ThrowingTaskGroup<Void, any Error>
    ) async throws {
        let hello = SimulatedNode.hello(number)
        let id = Self.newID()
        _ = try await manager.admit(JoinRequest(token: token, nodeID: id, hello: hello))
        let grant = try await manager.open(hello, from: id)
        group.addTask {
            var node = SimulatedNode(id: id, ledger: ledger)
            try await node.follow(grant, of: manager)
        }
        group.addTask {
            while await Task.pause(for: .seconds(2)) { try await manager.heartbeat(grant.session) }
        }
    }

    // MARK: what is measured

    private func measure(_ manager: SwarmManager, _ store: SQLiteStore, _ ledger: Ledger) async throws -> Result {
        let begin = ContinuousClock.now
        var created: [Swarm.Service] = []
        for number in 0..<services { created.append(try await manager.createService(spec(number))) }
        while store.snapshot().tasks.all.lazy.filter({ $0.status.state == .running }).count < services * replicas {
            try await Task.sleep(for: .milliseconds(10))
        }
        let placed = begin.duration(to: .now)
        var times: [Double] = []
        for change in 0..<changes {
            times.append(try await time(of: change, created[change % created.count].id, manager, store, ledger))
        }
        times.sort()
        return Result(
            nodes: nodes, services: services, tasks: services * replicas, placing: placed.milliseconds,
            median: times[times.count / 2], late: times[min(times.count - 1, times.count * 99 / 100)],
            memory: Self.peakMemory())
    }

    /// One change that every node has to hear of: who may connect to a published port.
    private func time(
        of change: Int, _ id: Swarm.ID, _ manager: SwarmManager, _ store: SQLiteStore, _ ledger: Ledger
    ) async throws -> Double {
        guard let service = store.snapshot().services[id] else { return .infinity }
        var spec = service.spec
        spec.labels["causeway.publish.\(spec.endpointSpec?.ports?.first?.publishedPort ?? 0).from"] =
            "198.18.\(change % 256).0/24"
        let begin = ContinuousClock.now
        let changed = try await manager.updateService(id, spec, version: service.meta.version, rollback: false)
        await ledger.wait(for: changed.meta.version.index, by: nodes)
        return begin.duration(to: .now).milliseconds
    }

    private func spec(_ number: Int) -> Swarm.ServiceSpec {
        var template = Swarm.TaskSpec()
        template.containerSpec = Swarm.ContainerSpec(image: "causeway-bench")
        var spec = Swarm.ServiceSpec(name: "service\(number)", taskTemplate: template)
        spec.mode = .replicated(UInt64(replicas))
        spec.endpointSpec = Swarm.EndpointSpec()
        spec.endpointSpec?.ports = [
            Swarm.PortConfig(targetPort: 80, publishedPort: UInt16(10_000 + number))
        ]
        return spec
    }

    private static func peakMemory() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_maxrss) / 1024
    }

    // MARK: what a manager needs from outside

    private static let environment = ManagerEnvironment(
        now: { now() },
        sleep: { _ = await Task.pause(for: $0.duration) },
        newID: { newID() },
        describeNode: { SimulatedNode.hello(1).description },
        makeIdentity: { _ in
            ClusterIdentity(
                caCertificate: "none: nothing goes over a wire", caKey: "none",
                workerToken: "SWMTKN-1-worker", managerToken: "SWMTKN-1-manager", globalID: 0x11_2233_4455)
        },
        crossSign: { _, _, _, _ in throw SwarmError(.unsupported, "nothing is signed here") },
        newToken: { _ in "SWMTKN-1-new" },
        newUnlockKey: {
                var generator = SystemRandomNumberGenerator()
                return Swarm.UnlockKey(using: &generator)
            },
            hostRoutes: { [] },
        defaultAddress: { text in
            guard let address = IPAddress(text) else { throw SwarmError(.invalid, "'\(text)' is no address") }
            return address
        })

    @Sendable private static func newID() -> Swarm.ID {
        let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz")
        return String((0..<25).map { _ in digits[Int.random(in: 0..<digits.count)] })
    }

    @Sendable private static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }
}

extension Duration {
    fileprivate var milliseconds: Double {
        Double(components.seconds) * 1e3 + Double(components.attoseconds) / 1e15
    }
}
