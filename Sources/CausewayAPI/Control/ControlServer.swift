import CausewayModel
import FoundationEssentials
import Glibc
import Hummingbird
import Logging
import NIOCore

/// Answers the `causeway` command on a unix socket of its own: what the agent would change, and how it stands.
///
/// Apart from Docker's API, because these are not Docker's words. Routes: `GET /plan`, `GET /status`, both JSON;
/// `GET /inventories`, those of all nodes that this one can speak for; `GET /metrics`, for Prometheus. And
/// `POST /containers/ID/start`, by which `causeway-oci` says that a container is about to run: 204, 404 for one that is
/// not on our networks, 409 with the reason as text when it may not run now.
package struct ControlServer: Sendable {
    /// What would be changed in one namespace.
    package struct NamespacePlan: Codable, Sendable {
        /// `host`, or the namespace's name under /run/netns.
        package var namespace: String
        /// In the operator's words, in order.
        package var steps: [String]

        package init(namespace: String, steps: [String]) {
            self.namespace = namespace
            self.steps = steps
        }
    }

    /// How this node reaches another one through the tunnel.
    package struct PeerStatus: Codable, Sendable {
        package var node: Swarm.ID
        package var hostname: String
        package var reachable: Bool
        /// The largest packet inside the tunnel that arrives, bytes; absent until it is measured.
        package var mtu: UInt32?
        /// Whether checksums left to the hardware arrive; absent until it is measured.
        package var offload: Bool?
        /// What is wrong, and what was done; empty when nothing is.
        package var note: String

        package init(hostname: String, _ observation: PeerObservation) {
            node = observation.nodeID
            self.hostname = hostname
            reachable = observation.isReachable
            mtu = observation.mtu
            offload = observation.takesChecksumOffload
            note = observation.note
        }
    }

    package struct Status: Codable, Sendable {
        /// The newest assignment's revision; absent before the first one.
        package var revision: UInt64?
        /// What the kernel refused, and why.
        package var failures: [String]
        /// Steps taken because somebody else had changed something.
        package var repairs: Int
        /// `manager`, `worker`, or `none`.
        package var role: String
        /// The revision that the kernel agrees with; absent before the first one.
        package var applied: UInt64?
        /// The other nodes; sorted by their numbers.
        package var peers: [PeerStatus]

        package init(
            revision: UInt64?, failures: [String], repairs: Int, role: String, applied: UInt64?,
            peers: [PeerStatus] = []
        ) {
            self.revision = revision
            self.failures = failures
            self.repairs = repairs
            self.role = role
            self.applied = applied
            self.peers = peers
        }
    }

    private let socketPath: String
    private let logger: Logger
    private let plan: @Sendable () async throws -> [NamespacePlan]
    private let status: @Sendable () async -> Status
    private let starting: @Sendable (String) async throws(SwarmError) -> Bool

    private let inventories: (@Sendable () async throws -> Data)?
    private let metrics: (@Sendable () async -> String)?

    package init(
        socketPath: String, logger: Logger, plan: @escaping @Sendable () async throws -> [NamespacePlan],
        status: @escaping @Sendable () async -> Status,
        starting: @escaping @Sendable (String) async throws(SwarmError) -> Bool = { _ in false },
        inventories: (@Sendable () async throws -> Data)? = nil, metrics: (@Sendable () async -> String)? = nil
    ) {
        self.socketPath = socketPath
        self.logger = logger
        self.plan = plan
        self.status = status
        self.starting = starting
        self.inventories = inventories
        self.metrics = metrics
    }

    /// Serves until cancelled or shut down gracefully.
    package func run() async throws {
        let router = Router()
        let plan = plan
        let status = status
        router.get("plan") { _, _ in
            do {
                return try Self.json(try await plan())
            } catch {
                throw HTTPError(.internalServerError, message: "\(error)")
            }
        }
        router.get("status") { _, _ in try Self.json(await status()) }
        if let inventories {
            router.get("inventories") { _, _ in
                do {
                    return Self.json(ByteBuffer(bytes: try await inventories()))
                } catch {
                    throw HTTPError(.internalServerError, message: "\(error)")
                }
            }
        }
        let starting = starting
        router.post("containers/:id/start") { _, context in
            do throws(SwarmError) {
                let isKnown = try await starting(context.parameters.get("id") ?? "")
                return isKnown ? Response(status: .noContent) : Response(status: .notFound)
            } catch {
                return Response(status: .conflict, body: .init(byteBuffer: ByteBuffer(string: error.message)))
            }
        }
        if let metrics { MetricsServer.addRoute(to: router, metrics) }
        let socketPath = socketPath
        let logger = logger
        let application = Application(
            router: router, configuration: .init(address: .unixDomainSocket(path: socketPath)),
            onServerRunning: { _ in
                // Until then the daemon's umask keeps everybody else out.
                if chmod(socketPath, 0o600) != 0 {
                    logger.error(
                        "cannot set the mode of the control socket; stop who else may reach its folder",
                        metadata: ["socket": "\(socketPath)", "error": "\(String(cString: strerror(errno)))"])
                }
            }, logger: logger.quieter)
        try await application.run()
    }

    private static func json(_ value: some Encodable) throws -> Response {
        json(try JSON.bytes(value))
    }

    private static func json(_ body: ByteBuffer) -> Response {
        Response(status: .ok, headers: [.contentType: "application/json"], body: .init(byteBuffer: body))
    }
}
