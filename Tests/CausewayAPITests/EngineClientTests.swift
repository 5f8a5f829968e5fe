import CausewayEngine
import Foundation
import NIOHTTP1
import Synchronization
import Testing

/// The client of Docker Engine, where many ask at once.
@Suite(.timeLimit(.minutes(1))) struct EngineClientTests {
    @Test func `streams that never end leave connections for every other call`() async throws {
        let path = NSTemporaryDirectory() + "/capi-\(UUID().uuidString.prefix(8)).sock"
        let open = Mutex(true)
        let fake = try FakeEngine(path) { head, socket in
            guard head.contains("/events") else { return try socket.answer(#"["an answer"]"#) }
            try socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n")
            while open.withLock({ $0 }) { Thread.sleep(forTimeInterval: 0.01) }
        }
        let client = EngineClient(socketPath: path)
        var streams: [EngineStream] = []
        let answer: Result<[String], EngineError>
        do throws(EngineError) {
            for _ in 0..<100 { streams.append(try await client.stream(.GET, "/events")) }
            answer = .success(try await client.get("/info", timeout: .seconds(15)))
        } catch { answer = .failure(error) }

        #expect(answer == .success(["an answer"]))
        #expect(streams.count == 100)
        open.withLock { $0 = false }
        streams = []
        fake.stop()
        await client.shutdown()
    }
}
