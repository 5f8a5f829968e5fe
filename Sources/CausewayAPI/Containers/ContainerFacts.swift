import CausewayEngine
import CausewayModel
import NIOCore
import NIOHTTP1
import Synchronization

/// What Docker Engine is asked once, because it does not change.
final class ContainerFacts: Sendable {
    private let engine: EngineClient
    private let runtime = Mutex<String?>(nil)
    /// Ports that a container exposes, by its identifier.
    private let exposed = Mutex<[String: [String]]>([:])

    init(engine: EngineClient) { self.engine = engine }

    /// The name of the engine's default runtime: `runc`.
    func defaultRuntime() async throws(APIError) -> String {
        struct Info: Decodable {
            var runtime: String?
            enum CodingKeys: String, CodingKey { case runtime = "DefaultRuntime" }
        }
        if let known = runtime.withLock({ $0 }) { return known }
        let info: Info = try await askingEngine { () async throws(EngineError) in try await engine.get("/info") }
        let name = info.runtime ?? "runc"
        runtime.withLock { $0 = name }
        return name
    }

    /// The ports that a container exposes (`80/tcp`); none when it is gone.
    func exposedPorts(of container: String) async throws(APIError) -> [String] {
        if let known = exposed.withLock({ $0[container] }) { return known }
        let reply = try await askingEngine { () async throws(EngineError) in
            try await engine.raw(.GET, "/containers/\(container)/json")
        }
        guard reply.status == 200, let object = JSONText(reply.body)?.object else { return [] }
        let ports = object.object("Config").object("ExposedPorts").named.map(\.name).sorted()
        exposed.withLock { $0[container] = ports }
        return ports
    }

    /// The ports that an image exposes; none when the engine does not have it.
    func exposedPorts(ofImage image: String) async throws(APIError) -> [String] {
        let reply = try await askingEngine { () async throws(EngineError) in
            try await engine.raw(.GET, "/images/\(image)/json")
        }
        guard reply.status == 200, let object = JSONText(reply.body)?.object else { return [] }
        return object.object("Config").object("ExposedPorts").named.map(\.name)
    }

    /// What `host-gateway` stands for: the host's address on Docker's default bridge.
    func hostGateway() async throws(APIError) -> String {
        let reply = try await askingEngine { () async throws(EngineError) in
            try await engine.raw(.GET, "/networks/bridge")
        }
        let configurations = JSONText(reply.body)?.object?.object("IPAM")["Config"]?.list ?? []
        guard let gateway = configurations.lazy.compactMap({ $0.object?["Gateway"]?.text }).first else {
            throw APIError(
                400, "unable to derive the IP value for host-gateway: Docker's network bridge has no gateway")
        }
        return gateway
    }

    /// Forgets containers that are gone, now and then.
    func keep(_ containers: [String]) {
        exposed.withLock { exposed in
            guard exposed.count > 2 * containers.count + 64 else { return }
            let kept = Set(containers)
            exposed = exposed.filter { kept.contains($0.key) }
        }
    }
}
