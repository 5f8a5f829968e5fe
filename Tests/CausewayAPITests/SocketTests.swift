import CausewayEngine
import Foundation
import Logging
import Synchronization
import Testing

@testable import CausewayAPI

/// Who may serve a path, and what is left of it.
@Suite struct SocketTests {
    @Test func `the socket is its owner's and its group's, and goes with its server`() async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            let found = try FileManager.default.attributesOfItem(atPath: house.socket)
            #expect(found[.posixPermissions] as? Int == 0o660)
            #expect(found[.ownerAccountID] as? Int == 0)
            if let group = getgrnam("docker") {
                #expect(found[.groupOwnerAccountID] as? Int == Int(group.pointee.gr_gid))
            }
        }
    }

    @Test func `two servers do not fight for one path`() async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            let client = EngineClient(socketPath: "/nowhere")
            let second = EngineServer(
                EngineServer.Configuration(socketPath: house.socket), control: house.control,
                membership: house.control, containers: house.containers, logs: EngineLogs(engine: client),
                engine: client,
                logger: Logger(label: "second"), now: { FakeControl.moment })

            let error = await #expect(throws: SocketFile.Refused.self) { try await second.run() }
            await client.shutdown()
            let still = try await house.call("GET", "/_ping")

            #expect(error?.description.contains("is served by another process") == true)
            #expect(still.status == 200)
        }
    }

    @Test func `a socket that nobody serves is replaced, and another file is not`() throws {
        let folder = NSTemporaryDirectory() + "/capi-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        do { _ = try RawSocket.listen(folder + "/stale.sock") }
        #expect(FileManager.default.fileExists(atPath: folder + "/stale.sock"))
        _ = try SocketFile(claiming: folder + "/stale.sock")
        #expect(!FileManager.default.fileExists(atPath: folder + "/stale.sock"))

        try Data("precious".utf8).write(to: URL(fileURLWithPath: folder + "/file"))
        #expect(throws: SocketFile.Refused.self) { _ = try SocketFile(claiming: folder + "/file") }
        #expect(try String(contentsOfFile: folder + "/file", encoding: .utf8) == "precious")
    }

    @Test func `shutdown ends streams that would go on for ever`() async throws {
        let kept = Mutex<RawSocket?>(nil)
        let hasWaited = Mutex(false)
        let engine: FakeEngine.Script = { head, socket in
            // Streams until the server hangs up, or the socket's own limit is reached.
            do { try OwnRoutesTests.engine(head, socket) } catch { hasWaited.withLock { $0 = true } }
            socket.hangUp()
        }
        try await House.with(script: engine) { house in
            let client = try RawSocket.connect(house.socket)
            kept.withLock { $0 = client }
            try await blocking {
                try client.send("GET /v1.50/events HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
                _ = try client.receive(until: "{}\n\r\n")
            }
        }
        // The server is gone; it waited neither for the engine nor for the client, which is still there.
        #expect(!hasWaited.withLock { $0 })
        let client = try #require(kept.withLock { $0 })
        #expect(try await blocking { try client.receiveToEnd() }.isEmpty)
    }
}
