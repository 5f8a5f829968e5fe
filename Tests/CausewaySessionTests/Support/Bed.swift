import CausewayModel
import CausewaySession
import Foundation
import Logging
import Synchronization
import Testing

/// A manager on the loopback, a clock that a test sets, and a log that it reads.
final class Bed: Sendable {
    let dispatch: FakeDispatch
    let log: Lines
    let clock: SettableClock
    /// State folders of the nodes are below it.
    let folder: String

    init(heartbeatPeriod: Nanoseconds = Nanoseconds(300_000_000)) throws {
        clock = SettableClock(Timestamp(seconds: 1_800_000_000, nanoseconds: 0))
        dispatch = try FakeDispatch(at: clock.now, heartbeatPeriod: heartbeatPeriod)
        log = Lines()
        folder = NSTemporaryDirectory() + "causeway-session-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// No sleep is longer than a heartbeat, so that nobody waits for a renewal to come; the clock does not move.
    var environment: SessionEnvironment {
        SessionEnvironment(
            now: { [clock] in clock.now },
            sleep: { await Task.pause(for: .nanoseconds(min($0.rawValue, 300_000_000))) },
            chance: { 0.5 }, logger: log.logger)
    }

    func server(
        _ dispatch: FakeDispatch? = nil, port: UInt16 = 0, requests: any SessionRequests = NoSessionRequests(),
        handshakePatience: Nanoseconds = .seconds(5)
    ) -> SessionServer {
        let dispatch = dispatch ?? self.dispatch
        var environment = environment
        // Patience is for real: an answer takes its time.
        environment.sleep = { await Task.pause(for: $0.duration) }
        return SessionServer(
            .init(
                address: .v4(.loopback), port: port, nodeID: dispatch.managerID, managers: { [] },
                handshakePatience: handshakePatience, answerPatience: .seconds(5)),
            dispatch: dispatch, requests: requests, environment: environment)
    }

    /// Serves while `body` runs.
    func serving<Value: Sendable>(
        _ server: SessionServer, _ body: @escaping @Sendable (UInt16) async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask {
                try await server.run()
                return nil
            }
            let port = try await awaited("the server listens") { server.listeningPort }
            group.addTask { try await body(port) }
            defer { group.cancelAll() }
            while let value = try await group.next() {
                if let value { return value }
            }
            throw Unfinished()
        }
    }

    func folder(of node: Swarm.ID) throws -> String {
        let path = "\(folder)/\(node)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    @discardableResult
    func join(_ node: Swarm.ID = Bed.worker, port: UInt16, token: String? = nil) async throws -> NodeCredentials {
        let request = JoinRequest(token: token ?? dispatch.workerToken, nodeID: node, hello: Bed.hello)
        return try await Joining(environment: environment).join(
            request, through: ["127.0.0.1:\(port)"], folder: try folder(of: node))
    }

    func remote(
        _ node: Swarm.ID = Bed.worker,
        answer: @escaping @Sendable (String, Data) async throws -> Data = { _, body in body }
    ) throws -> RemoteManager {
        try RemoteManager(
            node: .init(folder: try folder(of: node), hello: { Bed.hello }, answer: answer), environment: environment,
            backoff: Backoff(first: Nanoseconds(10_000_000), longest: Nanoseconds(20_000_000)), patience: .seconds(5))
    }

    /// Runs a node's sessions while `body` runs.
    func running<Value: Sendable>(
        _ remote: RemoteManager, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask {
                try? await remote.run()
                return nil
            }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            while let value = try await group.next() {
                if let value { return value }
            }
            throw Unfinished()
        }
    }

    struct Unfinished: Error {}

    static let worker = "worker00000000000000000001"

    static let hello = NodeHello(
        description: Swarm.Node.Description(
            hostname: "n2", architecture: "x86_64", nanoCPUs: 2_000_000_000, memoryBytes: 1 << 30,
            engineVersion: "20.10.24"),
        address: .v4(.loopback))

    static func assignment(_ revision: UInt64, node: Swarm.ID = Bed.worker, peers: Int = 0) -> NodeAssignment {
        NodeAssignment(
            revision: revision, nodeID: node, nodeNumber: 2, hostname: "n2",
            uniqueLocalPrefix: CIDR("fd00:1:2::/48")!,
            peers: (0..<peers).map {
                Peer(id: "peer\($0)", hostname: "p\($0)", number: 10 + $0, dataAddress: .v4(.loopback))
            })
    }
}

extension IPv4Address {
    static let loopback = IPv4Address(rawValue: 0x7f00_0001)
}

/// A clock that stands still until it is set.
final class SettableClock: Sendable {
    private let time: Mutex<Timestamp>

    init(_ start: Timestamp) { time = Mutex(start) }

    var now: Timestamp { time.withLock { $0 } }

    func advance(_ by: Nanoseconds) { time.withLock { $0 = $0.advanced(by: by) } }
}

/// What was logged, a line each: level, message, metadata sorted by key.
final class Lines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func add(_ line: String) { lines.withLock { $0.append(line) } }

    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.MetadataValue? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let details = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            lines.add(([event.level.rawValue, "\(event.message)"] + details).joined(separator: " "))
        }
    }
}

extension RemoteManager {
    var isConnected: Bool { if case .connected = state { true } else { false } }
    var isLost: Bool { if case .lost = state { true } else { false } }
    var end: SessionEnd? { if case .ended(let end) = state { end } else { nil } }
}

/// Waits until something is there; fails by name when it does not come.
func awaited<Value: Sendable>(
    _ what: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ look: @Sendable () async throws -> Value?
) async throws -> Value {
    let end = ContinuousClock.now + .seconds(20)
    while ContinuousClock.now < end {
        if let value = try await look() { return value }
        guard await Task.pause(for: .milliseconds(3)) else { break }
    }
    Issue.record("never: \(what)", sourceLocation: sourceLocation)
    throw NeverCame(what: what)
}

func awaited(
    _ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ holds: @Sendable () async throws -> Bool
) async throws {
    _ = try await awaited(what, sourceLocation: sourceLocation) { try await holds() ? true : nil }
}

struct NeverCame: Error { var what: String }
