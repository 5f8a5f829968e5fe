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
                EngineServer.Configuration(socketPath: house.socket), control: house.control, engine: client,
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
        try await House.with(script: OwnRoutesTests.engine) { house in
            let client = try RawSocket.connect(house.socket)
            kept.withLock { $0 = client }
            try await blocking {
                try client.send("GET /v1.50/events HTTP/1.1\r\nHost: d\r\n\r\n")
                _ = try client.receive(until: "{}\n\r\n")
            }
        }
        // The server is gone, and its client never left. Nor did it wait for the engine: whose end would have been
        // passed on as the stream's own.
        let client = try #require(kept.withLock { $0 })
        let rest = try await blocking { try client.receiveToEnd() }
        #expect(!rest.hasSuffix("0\r\n\r\n"))
    }
}
