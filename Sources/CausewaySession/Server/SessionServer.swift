import CausewayModel
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import NIOCore
import NIOSSL
import Synchronization

/// Where nodes of the cluster call: the manager's end of all sessions.
///
/// TLS with certificates at both ends. A node that has none yet shows one that it has signed itself, and may call
/// nothing but the certificate authority. Who calls is what the certificate says; every refusal is logged.
package final class SessionServer: Sendable {
    /// Where to listen, and who listens.
    package struct Configuration: Sendable {
        package var address: IPAddress
        /// 0: any that is free, see ``SessionServer/listeningPort``.
        package var port: UInt16
        /// The manager's own node.
        package var nodeID: Swarm.ID
        /// `ADDRESS:PORT` of each manager, as nodes are to call them.
        package var managers: @Sendable () async -> [String]
        /// How long a connection may take to shake hands.
        package var handshakePatience: Nanoseconds
        /// How long a node may take to answer a question.
        package var answerPatience: Nanoseconds

        package init(
            address: IPAddress, port: UInt16 = ManagerAddress.defaultPort, nodeID: Swarm.ID,
            managers: @escaping @Sendable () async -> [String], handshakePatience: Nanoseconds = .seconds(10),
            answerPatience: Nanoseconds = .seconds(10)
        ) {
            self.address = address
            self.port = port
            self.nodeID = nodeID
            self.managers = managers
            self.handshakePatience = handshakePatience
            self.answerPatience = answerPatience
        }
    }

    private let configuration: Configuration
    private let environment: SessionEnvironment
    private let dispatch: any NodeDispatch
    private let requests: any SessionRequests
    private let lines = SessionLines()
    private let port = Mutex<UInt16?>(nil)

    package init(
        _ configuration: Configuration, dispatch: any NodeDispatch,
        requests: any SessionRequests = NoSessionRequests(), environment: SessionEnvironment
    ) {
        self.configuration = configuration
        self.dispatch = dispatch
        self.requests = requests
        self.environment = environment
    }

    /// The port that is listened on; `nil` while there is none.
    package var listeningPort: UInt16? { port.withLock { $0 } }

    /// Asks a node something over its session; refused with `unavailable` when it has none.
    package func request(_ nodeID: Swarm.ID, kind: String, body: Data = Data()) async throws(SwarmError) -> Data {
        guard let line = lines.line(to: nodeID) else {
            throw SwarmError(.unavailable, "node \(nodeID) has no session with this manager: it is down or away")
        }
        let late = SwarmError(
            .unavailable, "node \(nodeID) has not answered \"\(kind)\" within \(configuration.answerPatience.duration)")
        let answer = await withTaskGroup(of: Result<Data, SwarmError>.self) { group in
            group.addTask { await line.ask(kind, body) }
            group.addTask { [environment, configuration] in
                _ = await environment.sleep(configuration.answerPatience)
                return .failure(late)
            }
            let first = await group.next() ?? .failure(late)
            group.cancelAll()
            return first
        }
        return try answer.get()
    }

    /// Asks a node for something that comes in parts, each handed on when the one before was taken.
    ///
    /// Returns at its end; throws what `take` threw, or why the node gives no more: `unavailable` when it has no session,
    /// or has lost it.
    package func stream(
        from nodeID: Swarm.ID, kind: String, body: Data, _ take: @escaping @Sendable (Data) async throws -> Void
    ) async throws {
        guard let line = lines.line(to: nodeID) else {
            throw SwarmError(.unavailable, "node \(nodeID) has no session with this manager: it is down or away")
        }
        try await line.follow(
            kind, body,
            patience: { [environment, configuration] in _ = await environment.sleep(configuration.answerPatience) },
            take)
    }

    /// Serves until the task is cancelled; throws when it cannot listen, or cannot get a certificate for itself.
    package func run() async throws(SwarmError) {
        let credentials = ServerCredentials(try await newCredentials())
        let server = GRPCServer(transport: try transport(credentials), services: services(credentials))
        defer { port.withLock { $0 = nil } }
        let failure: SwarmError? = await withTaskGroup(of: SwarmError?.self) { group in
            group.addTask { await self.serve(server) }
            group.addTask {
                await self.keepRenewed(credentials)
                return nil
            }
            group.addTask {
                await self.followRoots(credentials)
                return nil
            }
            group.addTask { await self.announce(server) }
            // Listening ends with an error or with the task; the others end with it.
            var failure: SwarmError?
            for await one in group where failure == nil {
                failure = one
                if failure != nil { group.cancelAll() }
            }
            return failure
        }
        if let failure, !Task.isCancelled { throw failure }
    }

    private func serve(_ server: GRPCServer<HTTP2ServerTransport.Posix>) async -> SwarmError? {
        let place = ManagerAddress(host: "\(configuration.address)", port: configuration.port)
        do {
            try await server.serve()
            return SwarmError(.internal, "listening on \(place) has ended")
        } catch {
            return SwarmError(
                .unavailable,
                "cannot listen on \(place): \(error); is another swarm's manager on this host, or is the address not its own?"
            )
        }
    }

    private func announce(_ server: GRPCServer<HTTP2ServerTransport.Posix>) async -> SwarmError? {
        // Without an address there is an error from `serve`, and it says more.
        guard let address = try? await server.transport.listeningAddress,
            let bound = address.ipv4?.port ?? address.ipv6?.port
        else { return nil }
        port.withLock { $0 = UInt16(exactly: bound) }
        environment.logger.info(
            "listening for nodes", metadata: ["address": "\(configuration.address)", "port": "\(bound)"])
        return nil
    }

    private func services(_ credentials: ServerCredentials) -> [any RegistrableRPCService] {
        let door = SessionDoor(credentials: credentials, environment: environment)
        return [
            CertificateService(door: door, dispatch: dispatch, lines: lines, managers: configuration.managers),
            DispatcherService(
                door: door, dispatch: dispatch, requests: requests, lines: lines, managers: configuration.managers),
        ]
    }

    // MARK: The server's own certificate

    private func newCredentials() async throws(SwarmError) -> ServerCredentials.Content {
        let admission = try await dispatch.renew(configuration.nodeID)
        guard admission.role == .manager else {
            throw SwarmError(.forbidden, "node \(configuration.nodeID) is no manager: it cannot listen for nodes")
        }
        return try ServerCredentials.Content(of: admission, at: environment.now())
    }

    private func keepRenewed(_ credentials: ServerCredentials) async {
        while !Task.isCancelled {
            let current = credentials.current
            let schedule = RenewalSchedule(
                issuedAt: current.issuedAt, notAfter: current.notAfter, chance: environment.chance())
            while let wait = schedule.wait(at: environment.now()) {
                guard await environment.sleep(wait) else { return }
            }
            do throws(SwarmError) {
                credentials.replace(try await newCredentials())
                environment.logger.info("renewed this manager's certificate")
            } catch {
                environment.logger.error(
                    "cannot renew this manager's certificate", metadata: ["error": "\(error)"])
                guard await environment.sleep(schedule.retry(at: environment.now())) else { return }
            }
        }
    }

    /// Shows a certificate of the newest root, and has the nodes that are here get theirs.
    ///
    /// By looking, not by being told: a rotation goes on as nodes come, and who is here is in memory. Between rotations a look
    /// is one comparison.
    private func followRoots(_ credentials: ServerCredentials) async {
        var wait = Nanoseconds(250_000_000)
        while await environment.sleep(wait) {
            do throws(SwarmError) {
                if try await dispatch.roots() != credentials.current.roots {
                    credentials.replace(try await newCredentials())
                    environment.logger.info("this manager has a certificate of the cluster's newest root")
                }
                try await certify(lines.lines(notOf: credentials.current.roots.certificate))
                wait = Nanoseconds(250_000_000)
            } catch {
                guard !Task.isCancelled else { return }
                environment.logger.warning(
                    "the rotation of the root certificate has to wait", metadata: ["reason": "\(error)"])
                wait = .seconds(5)
            }
        }
    }

    /// Has each of these nodes ask for its next certificate now; they come back with it.
    private func certify(_ lines: [SessionLine]) async throws(SwarmError) {
        let failures = await withTaskGroup(of: SwarmError?.self) { group in
            for line in lines {
                group.addTask {
                    do throws(SwarmError) {
                        _ = try await self.request(line.peer.nodeID, kind: SessionQuestion.renewCertificate)
                        return nil
                    } catch { return error }
                }
            }
            return await group.reduce(into: [SwarmError]()) { if let error = $1 { $0.append(error) } }
        }
        if let first = failures.first { throw first }
    }

    // MARK: The transport

    private func transport(_ credentials: ServerCredentials) throws(SwarmError) -> HTTP2ServerTransport.Posix {
        let address: GRPCNIOTransportHTTP2Posix.SocketAddress =
            switch configuration.address {
            case .v4: .ipv4(host: "\(configuration.address)", port: Int(configuration.port))
            case .v6: .ipv6(host: "\(configuration.address)", port: Int(configuration.port))
            }
        do {
            let security = try HTTP2ServerTransport.Posix.TransportSecurity.mTLS(certificateReloader: credentials) {
                $0.requireALPN = true
                // A handshake proves that the peer has the certificate's key, and nothing else is asked of it here:
                // a joining node's certificate is its own work. `SessionDoor` judges each call by it.
                $0.customVerificationCallback = { _, promise in
                    promise.succeed(.certificateVerified(VerificationMetadata(nil)))
                }
            }
            return HTTP2ServerTransport.Posix(
                address: address, transportSecurity: security, config: transportConfiguration)
        } catch {
            throw SwarmError(.internal, "cannot set up TLS for \(configuration.address): \(error)")
        }
    }

    /// How many calls a node can have open: one for each log that somebody follows, at 128 KiB each if they do not read.
    private static let callsOfANode = 1_024

    private var transportConfiguration: HTTP2ServerTransport.Posix.Config {
        .defaults { config in
            config.http2.targetWindowSize = 1 << 20
            // Each followed log is a call of its node's; a client that is told nothing stops at a hundred.
            config.http2.maxConcurrentStreams = Self.callsOfANode
            // Finds a node's host that is gone without a word; the manager's heartbeats are another matter.
            config.connection.keepalive.time = .seconds(20)
            config.connection.keepalive.timeout = .seconds(10)
            let (logger, patience) = (environment.logger, configuration.handshakePatience)
            config.channelDebuggingCallbacks.onAcceptTCPConnection = { channel in
                HandshakeWatch.install(on: channel, logger: logger, patience: patience)
            }
        }
    }
}
