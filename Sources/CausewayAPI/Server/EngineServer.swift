import CausewayEngine
import CausewayMetrics
import CausewayModel
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// The Engine API on a unix socket: swarm calls are answered here, all others by Docker Engine.
///
/// On one connection each request goes its own way, streams and hijacked connections included.
package final class EngineServer: Sendable {
    /// What may differ from one server to another.
    package struct Configuration: Sendable {
        package var socketPath: String
        /// May connect, beside root, if it exists.
        package var group = "docker"
        /// Causeway's own version, shown by `docker version`.
        package var version = Release.version
        /// What the node is called, if not as Docker Engine's host.
        package var hostname = ""
        /// The largest body of a call of ours.
        package var bodyLimit = 16 << 20
        /// Where the `/etc/hosts` of containers on networks of ours are kept.
        package var hostsFolder = "/var/lib/causeway/hosts"
        /// How long Docker Engine may take to ask a registry for an image's digest.
        package var registryLimit = Duration.seconds(3)

        /// Times the calls that are answered here.
        package var stopwatch = Stopwatch()

        package init(socketPath: String) { self.socketPath = socketPath }
    }

    private enum Stage {
        case new
        case listening(any Channel)
        case stopped
    }

    private let configuration: Configuration
    private let engine: EngineClient
    private let logger: Logger
    let routes: RouteTable
    private let stage = Mutex(Stage.new)

    /// `now`: The wall clock, for `until` of `/events`.
    package init(
        _ configuration: Configuration, control: any SwarmControl, membership: any SwarmMembership,
        containers: any ContainerControl, logs: any TaskLogs, engine: EngineClient, logger: Logger,
        now: @escaping @Sendable () -> Timestamp
    ) {
        self.configuration = configuration
        self.engine = engine
        self.logger = logger
        let backends = Backends(
            control: control, membership: membership, containers: containers, logs: logs, engine: engine, logger: logger
        )
        let files = HostsFiles(folder: configuration.hostsFolder)
        let facts = ContainerFacts(engine: engine)
        let events = NetworkEvents()
        let all =
            SystemRoutes(
                backends: backends, causewayVersion: configuration.version, hostname: configuration.hostname
            ).routes
            + SwarmRoutes(backends: backends).routes
            + NodeRoutes(backends: backends).routes
            + NetworkRoutes(backends: backends).routes
            + ConnectionRoutes(backends: backends, files: files, events: events, now: now).routes
            + ContainerRoutes(backends: backends, facts: facts, files: files, events: events, now: now).routes
            + ServiceRoutes(backends: backends).routes
            + LogRoutes(backends: backends).routes
            + TaskRoutes(backends: backends).routes
            + DependencyRoutes(backends: backends).routes
            + EventRoutes(backends: backends, networkEvents: events, now: now).routes
            + DistributionRoutes(backends: backends, limit: configuration.registryLimit).routes
        routes = RouteTable(all.map { $0.measured(by: configuration.stopwatch) })
    }

    /// Serves until the task is cancelled or ``shutdown()`` is called; then every connection is closed.
    ///
    /// `onListening`: Called once clients can connect.
    package func run(onListening: @escaping @Sendable () async -> Void = {}) async throws {
        let file = try SocketFile(claiming: configuration.socketPath)
        let listener = try await bind()
        defer { file.remove() }
        do {
            try file.open(to: configuration.group)
        } catch {
            try await listener.channel.close()
            throw error
        }
        guard begin(listener.channel) else { return try await listener.channel.close() }
        logger.info("serving the Engine API", metadata: ["socket": "\(configuration.socketPath)"])
        try await withTaskCancellationHandler {
            try await listener.executeThenClose { clients in
                await onListening()
                try await serve(clients)
            }
        } onCancel: {
            shutdown()
        }
    }

    /// Stops listening and closes every connection, so that `run` returns.
    ///
    /// May be called at any time.
    package func shutdown() {
        let listener: (any Channel)? = stage.withLock { stage in
            defer { stage = .stopped }
            if case .listening(let channel) = stage { return channel }
            return nil
        }
        listener?.close(promise: nil)
    }

    /// Returns `false` when the server was stopped before it listened.
    private func begin(_ channel: any Channel) -> Bool {
        stage.withLock { stage in
            guard case .new = stage else { return false }
            stage = .listening(channel)
            return true
        }
    }

    private func bind() async throws -> NIOAsyncChannel<ByteChannel, Never> {
        try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .bind(unixDomainSocketPath: configuration.socketPath) { channel in
                channel.eventLoop.makeCompletedFuture { try ByteChannel.wrap(channel) }
            }
    }

    private func serve(_ clients: NIOAsyncChannelInboundStream<ByteChannel>) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            defer { group.cancelAll() }
            for try await client in clients {
                let connection = ServerConnection(
                    front: client, routes: routes, engine: engine, logger: logger,
                    bodyLimit: configuration.bodyLimit)
                group.addTask { await connection.run() }
            }
            group.cancelAll()
        }
    }
}
