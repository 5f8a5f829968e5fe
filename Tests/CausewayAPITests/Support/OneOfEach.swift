import CausewayManager
import CausewayModel
import CausewayStore
import CausewayTestKit
import Synchronization

@testable import CausewayAPI

/// A swarm behind a server, with one object of each kind.
final class OneOfEach: Sendable {
    let house: House
    private let store: MemoryStore
    private let manager: SwarmManager
    /// The store's revision, and the names of what is there by the first word of its path.
    private let settled = Mutex<(revision: UInt64, names: [String: String])>((0, [:]))

    private init(_ house: House, _ store: MemoryStore, _ manager: SwarmManager) {
        (self.house, self.store, self.manager) = (house, store, manager)
    }

    /// Docker Engine that knows the few calls of ``OwnRoutesTests/engine`` and nothing else.
    private static let engine: FakeEngine.Script = { head, socket in
        let words = head.split(separator: " ")
        // What is left of a body: it reads none.
        guard words.count > 2 else { return socket.hangUp() }
        guard !words[1].contains("/logs") else { return try socket.answer("{}") }
        try OwnRoutesTests.engine(head, socket)
    }

    static func with(_ body: @escaping @Sendable (OneOfEach) async throws -> Void) async throws {
        let store = MemoryStore()
        let manager = try await RealManager.make(store)
        try await House.with(manager: manager, bodyLimit: DocumentedRequest.bodyLimit, script: engine) { house in
            try await body(OneOfEach(house, store, manager))
        }
    }

    /// Counts what has been written.
    var revision: UInt64 { store.snapshot().revision }

    /// Makes everything anew when a request has changed something.
    func settle() async throws {
        guard settled.withLock({ $0.revision != revision }) else { return }
        try await store.write(at: Timestamp(seconds: 1_800_000_000)) { $0.removeAll() }
        _ = try await manager.initialize(SwarmInit())
        var spec = Swarm.ServiceSpec(name: "web", taskTemplate: Swarm.TaskSpec(containerSpec: .init(image: "i")))
        spec.mode = .replicated(1)
        let service = try await manager.createService(spec)
        let network = try await manager.createNetwork(Swarm.NetworkSpec(name: "net"))
        for kind in Swarm.Dependency.Kind.allCases {
            _ = try await manager.createDependency(kind, Swarm.DependencySpec(name: "held", data: Swarm.Payload("x")))
        }
        try await store.write(at: Timestamp(seconds: 1_800_000_000)) { transaction throws(SwarmError) in
            try transaction.create(Swarm.Task(id: "task1", meta: service.meta, service: service, slot: 1))
        }
        let view = store.snapshot()
        let node = view.nodes.sorted.first
        let names = [
            "services": "web", "networks": network.id, "secrets": "held", "configs": "held", "tasks": "task1",
            "nodes": node?.id ?? "", "containers": "c1", "distribution": "slow:1",
        ]
        settled.withLock { $0 = (view.revision, names) }
    }

    /// A request to what is there, in the version that it has.
    func request(
        to call: EngineAPI.Call, with fault: DocumentedRequest.Fault, _ dice: inout SeededGenerator
    ) -> DocumentedRequest {
        let names = settled.withLock { $0.names }
        var query: [String] = []
        if let version = version(of: call.path) { query.append("version=\(version)") }
        return DocumentedRequest(
            to: call, with: fault, names: names, minimal: Self.minimal(call.path, names), query: query, &dice)
    }

    private func version(of path: String) -> UInt64? {
        let view = store.snapshot()
        let kind: Swarm.Dependency.Kind = path.hasPrefix("/secrets") ? .secret : .config
        return switch path {
        case "/services/{id}/update": view.services.sorted.first?.meta.version.index
        case "/nodes/{id}/update": view.nodes.sorted.first?.meta.version.index
        case "/swarm/update": view.cluster?.meta.version.index
        case "/secrets/{id}/update", "/configs/{id}/update":
            view.dependencies.sorted.first { $0.kind == kind }?.meta.version.index
        default: nil
        }
    }

    /// The least that a call's body has to hold.
    private static func minimal(_ path: String, _ names: [String: String]) -> Sketch {
        let image = Sketch.object([("ContainerSpec", .object([("Image", .text(#""i""#))]))])
        return switch path {
        case "/services/create": .object([("Name", .text(#""new""#)), ("TaskTemplate", image)])
        case "/services/{id}/update": .object([("Name", .text(#""web""#)), ("TaskTemplate", image)])
        case "/networks/create": .object([("Name", .text(#""new""#)), ("Driver", .text(#""overlay""#))])
        case "/secrets/create", "/configs/create": .object([("Name", .text(#""new""#)), ("Data", .text(#""eA==""#))])
        case "/secrets/{id}/update", "/configs/{id}/update": .object([("Name", .text(#""held""#))])
        case "/nodes/{id}/update":
            .object([("Role", .text(#""manager""#)), ("Availability", .text(#""active""#))])
        case "/swarm/update": .object([("Name", .text(#""default""#))])
        default: .object([])
        }
    }
}
