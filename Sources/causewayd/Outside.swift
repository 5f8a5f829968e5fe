import CausewayAPI
import CausewayAgent
import CausewayEngine
import CausewayKeeper
import CausewayKernel
import CausewayLinux
import CausewayManager
import CausewayModel
import CausewayRuntime
import CausewaySession
import CausewayStore
import Foundation
import Logging
import Synchronization

/// What the manager needs from outside, taken from this host.
enum Outside {
    static func environment(
        _ settings: Settings, nodeID: Swarm.ID, engine: EngineClient, runtime: DockerRuntime, keeper: KeeperClient
    ) -> ManagerEnvironment {
        ManagerEnvironment(
            now: { .now },
            sleep: { try? await Task.sleep(for: $0.duration) },
            newID: newID,
            nodeID: nodeID,
            describeNode: { await describeNode(settings, engine) },
            makeIdentity: makeIdentity, crossSign: crossSign,
            newToken: { certificate in
                var generator = SystemRandomNumberGenerator()
                return JoinToken(certificate: certificate, using: &generator).description
            },
            newUnlockKey: {
                var generator = SystemRandomNumberGenerator()
                return Swarm.UnlockKey(using: &generator)
            },
            hostRoutes: { try await HostFacts.read().routes.map(\.destination).filter { $0.prefixLength > 0 } },
            defaultAddress: address,
            obstacles: { await preflight(runtime).obstacles.map(\.description) },
            portHolder: { await portHolder($0, $1, keeper) },
            links: { LinkAddresses.all() }, missingForClassic: { await Preflight.missingForClassic() },
            evictionAfter: settings.evictionAfter)
    }

    /// What this host has of what a node needs; nothing of it is remembered, because a remedy may have been found.
    static func preflight(_ runtime: DockerRuntime) async -> Preflight {
        let kernel = await Preflight.kernel()
        return Preflight(kernel.results + Preflight.engine(await runtime.preflight()).results)
    }

    /// 25 characters of `[0-9a-z]`: 129 random bits, so that none comes twice.
    @Sendable static func newID() -> Swarm.ID {
        let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz")
        return String((0..<25).map { _ in digits[Int.random(in: 0..<digits.count)] })
    }

    /// A port that this node's keeper holds for a service is not somebody else's.
    static func portHolder(
        _ protocol: Swarm.TransportProtocol, _ port: UInt16, _ keeper: KeeperClient
    ) async -> String? {
        let own = keeper.processID.withLock { $0 }
        let holder = try? await PortHolder.find(`protocol`, port: port, exceptProcesses: [getpid(), own ?? getpid()])
        return holder?.description
    }

    @Sendable static func makeIdentity(_ now: Timestamp) throws -> ClusterIdentity {
        var generator = SystemRandomNumberGenerator()
        let authority = try CertificateAuthority(at: now, using: &generator)
        return ClusterIdentity(
            caCertificate: authority.certificate, caKey: authority.key,
            workerToken: JoinToken(certificate: authority.certificate, using: &generator).description,
            managerToken: JoinToken(certificate: authority.certificate, using: &generator).description,
            globalID: UInt64.random(in: 0..<1 << 40, using: &generator))
    }

    @Sendable static func crossSign(
        _ new: String, _ former: String, _ key: String, _ now: Timestamp
    ) throws -> String {
        var generator = SystemRandomNumberGenerator()
        return try CertificateAuthority(certificate: former, key: key).crossSign(new, at: now, using: &generator)
    }

    private struct EngineInfo: Decodable, Sendable {
        var serverVersion: String?
        var labels: [String]?
        var genericResources: [Swarm.GenericResource]?
        /// `Authorization` is null where there is none.
        var plugins: [String: [String]?]?

        enum CodingKeys: String, CodingKey {
            case serverVersion = "ServerVersion"
            case labels = "Labels"
            case genericResources = "GenericResources"
            case plugins = "Plugins"
        }
    }

    private static func describeNode(_ settings: Settings, _ engine: EngineClient) async -> Swarm.Node.Description {
        let host = try? await HostFacts.read()
        let info: EngineInfo? = try? await engine.get("/info")
        let labels = (info?.labels ?? []).map { $0.split(separator: "=", maxSplits: 1) }
        var description = Swarm.Node.Description(
            hostname: settings.nodeName,
            architecture: HostFacts.architecture, nanoCPUs: host?.nanoCPUs ?? 0, memoryBytes: host?.memoryBytes ?? 0,
            engineVersion: info?.serverVersion ?? "",
            engineLabels: labels.reduce(into: [:]) { $0[String($1[0])] = $1.count > 1 ? String($1[1]) : "" })
        description.genericResources = info?.genericResources
        description.plugins = info?.plugins?.compactMapValues { $0 }
        return description
    }

    /// An address as it is; an interface's first address; or, asked for nothing, the default route's source.
    @Sendable static func address(_ text: String) async throws -> IPAddress {
        if let address = IPAddress(text) { return address }
        if text.isEmpty {
            let sources = try await HostFacts.read().sourceAddresses
            if let source = sources[.ip] ?? sources[.ip6] { return source }
            throw SwarmError(
                .invalid,
                "could not choose an IP address to advertise since this system has no default route; "
                    + "specify one with --advertise-addr")
        }
        guard let first = LinkAddresses.read(text).sorted().first(where: { !($0.v6?.isLinkLocal ?? false) }) else {
            throw SwarmError(.invalid, "interface \(text) has no address; give one that has, or an IP address")
        }
        return first
    }
}

extension Timestamp {
    /// The wall clock's present.
    static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }
}

/// This node's identifier: drawn once for its state folder, kept across restarts and across swarms, so that its
/// containers are known for its own whatever happened in between.
enum NodeIdentity {
    static func path(_ stateDirectory: String) -> String { "\(stateDirectory)/node-id" }

    static func read(stateDirectory: String) throws -> Swarm.ID {
        let path = path(stateDirectory)
        if let data = FileManager.default.contents(atPath: path), let text = String(bytes: data, encoding: .utf8) {
            let id = text.trimmingCharacters(in: .whitespacesAndNewlines)
            guard id.count == 25, id.allSatisfy({ $0.isASCII && ($0.isNumber || $0.isLowercase) }) else {
                throw SwarmError(
                    .internal,
                    "\(path) does not hold a node's identifier; remove it, and the containers of this node's tasks")
            }
            return id
        }
        let id = Outside.newID()
        try write(id, stateDirectory: stateDirectory)
        return id
    }

    static func write(_ id: Swarm.ID, stateDirectory: String) throws {
        try Data("\(id)\n".utf8).write(to: URL(fileURLWithPath: path(stateDirectory)), options: .atomic)
    }
}
