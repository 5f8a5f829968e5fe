import CausewayEngine
import CausewayManager
import CausewayModel
import Foundation
import Logging
import Testing

@testable import CausewayAPI

/// A server with its engine and its manager, on sockets of its own.
struct House {
    let control: FakeControl
    let containers = FakeContainers()
    let engine: FakeEngine?
    let socket: String
    /// Every call that the server answers itself.
    private(set) var calls: [(method: String, path: String)] = []
    /// In the place of ``control`` and ``containers``.
    private var manager: SwarmManager?

    private init(control: FakeControl, engine: FakeEngine?, socket: String) {
        (self.control, self.engine, self.socket) = (control, engine, socket)
    }

    /// Runs `body` against a server before `script`, and takes everything down.
    static func with(
        active: Bool = true, bodyLimit: Int = 16 << 20, script: FakeEngine.Script? = nil,
        during body: @escaping @Sendable (House) async throws -> Void
    ) async throws {
        let folder = NSTemporaryDirectory() + "/capi-\(UUID().uuidString.prefix(8))"
        let fake = try script.map { script in
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            return try FakeEngine(folder + "/engine.sock", script)
        }
        let house = House(
            control: FakeControl(active: active), engine: fake, socket: folder + "/docker.sock")
        defer {
            fake?.stop()
            try? FileManager.default.removeItem(atPath: folder)
        }
        try await house.run(engineAt: folder + "/engine.sock", bodyLimit, body)
    }

    /// The same before the machine's own Docker Engine.
    static func withRealEngine(_ body: @escaping @Sendable (House) async throws -> Void) async throws {
        let folder = NSTemporaryDirectory() + "/capi-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let house = House(control: FakeControl(), engine: nil, socket: folder + "/docker.sock")
        try await house.run(engineAt: "/var/run/docker.sock", 16 << 20, body)
    }

    /// Where the server keeps files for `/etc/hosts`.
    var hostsFolder: String { (socket as NSString).deletingLastPathComponent + "/hosts" }

    /// The same with a real manager; ``control`` and ``containers`` are not asked then.
    static func with(
        manager: SwarmManager, bodyLimit: Int = 16 << 20, script: @escaping FakeEngine.Script,
        during body: @escaping @Sendable (House) async throws -> Void
    ) async throws {
        let folder = NSTemporaryDirectory() + "/capi-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let fake = try FakeEngine(folder + "/engine.sock", script)
        defer {
            fake.stop()
            try? FileManager.default.removeItem(atPath: folder)
        }
        var house = House(control: FakeControl(), engine: fake, socket: folder + "/docker.sock")
        house.manager = manager
        try await house.run(engineAt: folder + "/engine.sock", bodyLimit, body)
    }

    private func run(
        engineAt path: String, _ bodyLimit: Int, _ body: @escaping @Sendable (House) async throws -> Void
    ) async throws {
        let client = EngineClient(socketPath: path)
        var configuration = EngineServer.Configuration(socketPath: socket)
        configuration.bodyLimit = bodyLimit
        configuration.hostsFolder = hostsFolder
        configuration.registryLimit = .milliseconds(300)
        let server = EngineServer(
            configuration, control: manager ?? control, membership: manager ?? control,
            containers: manager ?? containers, logs: EngineLogs(engine: client), engine: client,
            logger: Logger(label: "test"),
            now: { Timestamp(seconds: Int64(Date().timeIntervalSince1970)) })
        var house = self
        house.calls = server.routes.calls.sorted { ($0.method, $0.path) < ($1.method, $1.path) }
        let (listening, listens) = AsyncStream.makeStream(of: Void.self)
        do {
            try await withThrowingTaskGroup(of: Void.self) { [house] group in
                group.addTask { try await server.run { listens.yield() } }
                for await _ in listening { break }
                try await body(house)
                server.shutdown()
                try await group.waitForAll()
            }
        } catch {
            server.shutdown()
            await client.shutdown()
            throw error
        }
        await client.shutdown()
    }

    /// One request on a connection of its own.
    func call(
        _ method: String, _ target: String, _ body: String? = nil, type: String = "application/json",
        headers: [String] = []
    ) async throws -> Reply {
        try await blocking {
            let client = try RawSocket.connect(socket)
            let more = headers.map { "\($0)\r\n" }.joined()
            let length = body.map { "Content-Type: \(type)\r\nContent-Length: \($0.utf8.count)\r\n" } ?? ""
            try client.send(
                "\(method) \(target) HTTP/1.1\r\nHost: d\r\n\(length)\(more)Connection: close\r\n\r\n\(body ?? "")")
            return try Reply(client.receiveToEnd())
        }
    }
}

/// An answer, taken apart.
struct Reply: Sendable {
    struct Unreadable: Error { var text: String }

    var status: Int
    var head: String
    var body: String

    init(_ text: String) throws {
        let parts = text.components(separatedBy: "\r\n\r\n")
        guard let status = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) }), parts.count > 1 else {
            throw Unreadable(text: text)
        }
        self.status = status
        head = parts[0]
        body = parts.dropFirst().joined(separator: "\r\n\r\n")
    }

    var message: String { (json as? [String: Any])?["message"] as? String ?? "no message: \(body)" }

    var json: Any? { try? JSONSerialization.jsonObject(with: Data(body.utf8)) }

    var object: [String: Any] { json as? [String: Any] ?? [:] }

    var list: [[String: Any]] { json as? [[String: Any]] ?? [] }

    func header(_ name: String) -> String? {
        head.components(separatedBy: "\r\n").first { $0.lowercased().hasPrefix(name.lowercased() + ":") }
            .map { String($0.dropFirst(name.count + 1)).trimmingCharacters(in: .whitespaces) }
    }
}
