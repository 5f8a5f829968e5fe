import CausewayModel
import Foundation
import GRPCCore
import NIOCore
import NIOPosix
import NIOSSL
import SwiftProtobuf
import Testing

@testable import CausewaySession

/// Who has no business at a manager's door: each is refused, it is logged, and nothing changes.
struct RefusalTests {
    @Test func `a forged join token is refused`() async throws {
        let bed = try Bed()
        let forged = String(bed.dispatch.workerToken.dropLast(25)) + String(repeating: "0", count: 25)
        try await bed.serving(bed.server()) { port in
            let error = await #expect(throws: SwarmError.self) { try await bed.join(port: port, token: forged) }
            #expect(error?.reason == .forbidden)
            #expect(bed.refusals { $0.contains("call=Issue") && $0.contains("join token") })
            try await bed.expectNothingChanged()
        }
    }

    @Test func `a token of another cluster is never shown to this one`() async throws {
        let bed = try Bed()
        let other = try FakeDispatch(at: bed.clock.now, heartbeatPeriod: .seconds(1))
        try await bed.serving(bed.server()) { port in
            let error = await #expect(throws: SwarmError.self) {
                try await bed.join(port: port, token: other.workerToken)
            }
            #expect(error?.message.contains("does not match fingerprint") == true)
            try await bed.expectNothingChanged()
        }
    }

    @Test func `a manager that shows a root of its own making gets no token`() async throws {
        // It hands out the right root certificate, but has none of that root to show.
        let bed = try Bed()
        let impostor = Impostor(
            real: bed.dispatch, own: try FakeDispatch(at: bed.clock.now, heartbeatPeriod: .seconds(1)))
        let server = SessionServer(
            .init(address: .v4(.loopback), port: 0, nodeID: bed.dispatch.managerID, managers: { [] }),
            dispatch: impostor, environment: bed.environment)
        try await bed.serving(server) { port in
            let error = await #expect(throws: SwarmError.self) { try await bed.join(port: port) }
            #expect(error?.reason == .unavailable)
            #expect(await impostor.own.members.count == 1)
            try await bed.expectNothingChanged()
        }
    }

    @Test(arguments: [
        "", "SWMTKN-1-x", "SWMTKN-2-" + String(repeating: "a", count: 50) + "-" + String(repeating: "a", count: 25),
    ])
    func `what is no token is refused before anybody is called`(token: String) async throws {
        let bed = try Bed()
        let error = await #expect(throws: SwarmError.self) { try await bed.join(port: 9, token: token) }
        #expect(error?.reason == .invalid)
    }

    @Test func `a certificate of another cluster is refused`() async throws {
        let bed = try Bed()
        let strange = try Bed()
        _ = try await strange.serving(strange.server()) { port in try await strange.join(port: port) }
        let stranger = try strange.credentials()
        try await bed.serving(bed.server()) { port in
            for call in AnyCall.allCases {
                let error = await #expect(throws: RPCError.self) { try await call.make(bed, port, as: stranger) }
                #expect(error?.code == .unauthenticated)
                #expect(
                    bed.refusals { $0.contains("call=\(call)") && $0.contains("not signed by this cluster's root") })
            }
            try await bed.expectNothingChanged()
        }
    }

    @Test func `a certificate that a node has signed itself opens nothing but the authority`() async throws {
        let bed = try Bed()
        let key = try NodeKey(at: bed.clock.now)
        let own = NodeCredentials(
            key: key.pem, certificate: key.ownCertificate, root: "", issuedAt: bed.clock.now, managers: [])
        try await bed.serving(bed.server()) { port in
            for call in AnyCall.allCases {
                let error = await #expect(throws: RPCError.self) { try await call.make(bed, port, as: own) }
                #expect(error?.code == .unauthenticated)
            }
            try await bed.expectNothingChanged()
        }
    }

    @Test func `an expired certificate is refused`() async throws {
        let bed = try Bed()
        await bed.dispatch.set(validity: .seconds(60))
        let credentials = try await bed.serving(bed.server()) { port in try await bed.join(port: port) }
        bed.clock.advance(.seconds(61))
        await bed.dispatch.set(validity: .seconds(3600))
        try await bed.serving(bed.server()) { port in
            try bed.write(credentials, root: credentials.root, port: port)
            let end = try await bed.end()
            #expect(end?.description.contains("has expired") == true)
            #expect(bed.refusals { $0.contains("call=Session") && $0.contains("has expired") })
            #expect(await bed.dispatch.hellos.isEmpty)
        }
    }

    @Test func `a session ends when its certificate expires`() async throws {
        let bed = try Bed()
        try await bed.serving(bed.server()) { port in
            // The manager's own holds longer.
            await bed.dispatch.set(validity: .seconds(3600))
            try await bed.join(port: port)
            let remote = try bed.remote()
            try await bed.running(remote) {
                try await awaited("connected") { await remote.isConnected }
                await bed.dispatch.stopRenewing()
                bed.clock.advance(.seconds(3601))
                let end = try await awaited("the end") { await remote.end }
                #expect(end.description.contains("its certificate has expired"))
                #expect(bed.refusals { $0.contains("call=Session") && $0.contains("has expired") })
            }
        }
    }

    @Test func `the certificate of a removed node is refused, and a new join is needed`() async throws {
        let bed = try Bed()
        let dispatch = bed.dispatch
        try await bed.serving(bed.server()) { port in
            try await bed.join(port: port)
            await dispatch.remove(Bed.worker)
            guard case .removed(let reason) = try await bed.end() else {
                Issue.record("not told that it was removed")
                return
            }
            #expect(reason.contains("is not of this swarm"))
            #expect(bed.refusals { $0.contains("call=Session") && $0.contains("is not of this swarm") })
            try await bed.expectNothingChanged()

            try await bed.join(port: port)
            #expect(await dispatch.members[Bed.worker] == .worker)
        }
    }

    @Test func `a node that is removed while it is here is told so`() async throws {
        let bed = try Bed()
        try await bed.serving(bed.server()) { port in
            try await bed.join(port: port)
            let remote = try bed.remote()
            try await bed.running(remote) {
                try await awaited("connected") { await remote.isConnected }
                await bed.dispatch.remove(Bed.worker)
                let end = try await awaited("the end") { await remote.end }
                #expect(end.description.contains("not of the cluster any more"))
            }
        }
    }

    @Test func `a worker's question that is a manager's to ask is refused, and its session goes on`() async throws {
        let bed = try Bed()
        try await bed.serving(bed.server(requests: Echo())) { port in
            try await bed.join(port: port)
            let remote = try bed.remote()
            try await bed.running(remote) {
                try await awaited("connected") { await remote.isConnected }
                for kind in ["secret", "nonsense"] {
                    await #expect(throws: SwarmError.self) { try await remote.ask(kind) }
                    #expect(bed.refusals { $0.contains("call=Ask") && $0.contains(kind) && $0.contains("peer=") })
                }
                #expect(await remote.isConnected)
            }
        }
    }

    @Test func `a manager's node may ask what a worker may not`() async throws {
        let bed = try Bed()
        try await bed.serving(bed.server(requests: Echo())) { port in
            let credentials = try await bed.join(port: port, token: bed.dispatch.managerToken)
            #expect(try credentials.identity().role == .manager)
            let remote = try bed.remote()
            try await bed.running(remote) {
                try await awaited("connected") { await remote.isConnected }
                #expect(String(decoding: try await remote.ask("secret"), as: UTF8.self).contains("manager"))
            }
        }
    }

    @Test(arguments: Knock.allCases.filter { $0 != .resets })
    func `what does not speak TLS is refused`(knock: Knock) async throws {
        let bed = try Bed()
        // Who says nothing is sent away in time; the others have time enough to say something wrong.
        let patience = knock == .silence ? Nanoseconds(1_000_000_000) : .seconds(10)
        try await bed.serving(bed.server(handshakePatience: patience)) { port in
            try await knock.knock(port)
            try await awaited("the log says why") {
                bed.log.all.contains { $0.contains("refused a connection: no TLS") && $0.contains("127.0.0.1") }
            }
            try await bed.expectNothingChanged()
            // And the door still opens for who may come in.
            try await bed.join(port: port)
        }
    }

    @Test func `many who come and go do not keep others out`() async throws {
        let bed = try Bed()
        try await bed.serving(bed.server()) { port in
            for _ in 0..<10 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for knock in [Knock.closesAtOnce, .plainText, .garbage, .resets] {
                        for _ in 0..<5 { group.addTask { try await knock.knock(port) } }
                    }
                    try await group.waitForAll()
                }
            }
            try await bed.join(port: port)
        }
    }

    @Test func `a client that shows no certificate at all is refused`() async throws {
        let bed = try Bed()
        try await bed.serving(bed.server()) { port in
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.certificateVerification = .none
            configuration.applicationProtocols = ["h2"]
            let context = try NIOSSLContext(configuration: configuration)
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: context, serverHostname: nil))
                    }
                }
                .connect(host: "127.0.0.1", port: Int(port)).get()
            // TLS 1.3 tells the client only when it reads; writing makes it notice.
            try? await channel.writeAndFlush(ByteBuffer(string: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
            try? await channel.closeFuture.get()
            try await awaited("the log says why") {
                bed.log.all.contains { $0.contains("refused a connection: no TLS") }
            }
            try await bed.expectNothingChanged()
        }
    }
}

/// The calls that need a certificate of the cluster, made without the node's own client.
enum AnyCall: String, CaseIterable, CustomStringConvertible {
    case session = "Session"
    case leave = "Leave"
    case ask = "Ask"
    case renew = "Issue"

    var description: String { rawValue }

    func make(_ bed: Bed, _ port: UInt16, as credentials: NodeCredentials) async throws {
        let now = bed.clock.now
        let connection = ManagerConnection(
            address: ManagerAddress(host: "127.0.0.1", port: port), certificate: credentials.certificate,
            key: credentials.key, trust: .cluster(try ClusterTrust(root: bed.dispatch.authority.certificate)),
            now: { now })
        let request = try NodeKey(at: now).signingRequest
        let hello = try JSONEncoder().encode(Bed.hello)
        try await connection.withClient { client in
            let dispatcher = ClientSession.Dispatcher(wrapping: client)
            switch self {
            case .leave: _ = try await dispatcher.leave(.init())
            case .ask: _ = try await dispatcher.ask(.with { $0.kind = "echo" })
            case .renew:
                _ = try await ClientSession.Authority(wrapping: client).issue(.with { $0.signingRequest = request })
            case .session:
                try await dispatcher.session { writer in
                    try await writer.write(.with { $0.helloJson = hello })
                } onResponse: { response in
                    for try await _ in response.messages {}
                }
            }
        }
    }
}

/// Those who do not speak TLS.
enum Knock: CaseIterable {
    case silence, plainText, http2WithoutTLS, garbage, closesAtOnce
    /// May be gone before it is accepted: then the kernel does not say any more who it was.
    case resets

    func knock(_ port: UInt16) async throws {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: Int(port)).get()
        switch self {
        case .silence: break
        case .plainText: try? await channel.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
        case .http2WithoutTLS:
            var preface = ByteBuffer(string: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            preface.writeBytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
            try? await channel.writeAndFlush(preface)
        case .garbage:
            var generator = SystemRandomNumberGenerator()
            let bytes = (0..<4_096).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            // The first byte of a handshake record and nonsense after it gets furthest.
            try? await channel.writeAndFlush(ByteBuffer(bytes: [0x16, 3, 1, 0, 64] + bytes))
        case .closesAtOnce: try await channel.close()
        case .resets:
            // With a linger of nothing, closing is a reset.
            try await (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
            try await channel.close()
        }
        // How it ends, with a reset or in order, is the kernel's affair.
        try? await channel.closeFuture.get()
    }
}

/// Shows another cluster's root certificate as its own; everything else is of a cluster of its own.
struct Impostor: NodeDispatch {
    let real: FakeDispatch
    let own: FakeDispatch

    func roots() async throws(SwarmError) -> Swarm.Roots { try await real.roots() }
    func certified(_ nodeID: Swarm.ID, by root: String) async throws(SwarmError) {}
    func admit(_ request: JoinRequest) async throws(SwarmError) -> Admission { try await own.admit(request) }
    func renew(_ nodeID: Swarm.ID) async throws(SwarmError) -> Admission { try await own.renew(nodeID) }
    func open(_ hello: NodeHello, from nodeID: Swarm.ID) async throws(SwarmError) -> NodeSessionGrant {
        try await own.open(hello, from: nodeID)
    }
    func heartbeat(_ session: NodeSessionID) async throws(SwarmError) {}
    func report(_ reports: [TaskReport], in session: NodeSessionID) async throws(SwarmError) {}
    func applied(_ revision: UInt64, in session: NodeSessionID) async throws(SwarmError) {}
    func observed(_ peers: [PeerObservation], in session: NodeSessionID) async throws(SwarmError) {}
    func close(_ session: NodeSessionID) async {}
    func left(_ nodeID: Swarm.ID) async throws(SwarmError) {}
}

extension Bed {
    /// Whether a refusal of such a kind was logged.
    func refusals(_ matches: (String) -> Bool) -> Bool {
        log.all.contains { $0.hasPrefix("warning refused a call") && $0.contains("127.0.0.1") && matches($0) }
    }

    func expectNothingChanged(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        #expect(await dispatch.members == [dispatch.managerID: .manager], sourceLocation: sourceLocation)
        #expect(await dispatch.hellos.isEmpty, sourceLocation: sourceLocation)
        #expect(await dispatch.gone.isEmpty, sourceLocation: sourceLocation)
    }

    func credentials(of node: Swarm.ID = Bed.worker) throws -> NodeCredentials {
        try #require(try NodeCredentials.read(in: try folder(of: node)))
    }

    func write(_ credentials: NodeCredentials, root: String, port: UInt16) throws {
        var credentials = credentials
        credentials.root = root
        credentials.managers = ["127.0.0.1:\(port)"]
        try credentials.write(in: try folder(of: Bed.worker))
    }

    /// How the worker's session ends, by itself.
    func end() async throws -> SessionEnd? {
        let remote = try remote()
        do throws(SessionEnd) {
            try await remote.run()
            return nil
        } catch {
            return error
        }
    }
}
