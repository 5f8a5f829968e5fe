import CausewayModel
import CausewaySession
import Foundation
import Synchronization
import Testing

/// What a manager asks of a node in parts.
struct StreamTests {
    @Test func `a stream arrives whole and in order, beside the questions of the session`() async throws {
        let bed = try Bed()
        let server = bed.server()
        let whole = Data((0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 7) })
        try await bed.with(server) { kind, body, write in
            #expect(kind == "count" && body == Data("from one".utf8))
            for start in stride(from: 0, to: whole.count, by: 100_000) {
                try await write(whole[start..<(start + 100_000)])
            }
        } during: {
            let got = Mutex(Data())
            try await server.stream(from: Bed.worker, kind: "count", body: Data("from one".utf8)) { part in
                got.withLock { $0 += part }
                let answer = try await server.request(Bed.worker, kind: "echo", body: Data("x".utf8))
                #expect(answer == Data("x".utf8))
            }
            #expect(got.withLock { $0 } == whole)
        }
    }

    @Test func `a reader that stops stops the node, and neither the session nor another stream`() async throws {
        let bed = try Bed()
        let server = bed.server()
        let sent = Mutex(0)
        try await bed.with(server) { kind, _, write in
            guard kind == "large" else { return try await write(Data("small".utf8)) }
            for _ in 0..<1024 {
                try await write(Data(repeating: 7, count: 64 << 10))
                sent.withLock { $0 += 64 << 10 }
            }
        } during: {
            let (opened, open) = AsyncStream.makeStream(of: Void.self)
            let got = Mutex(0)
            async let large: Void = server.stream(from: Bed.worker, kind: "large", body: Data()) { part in
                if got.withLock({ $0 }) == 0 { for await _ in opened {} }
                got.withLock { $0 += part.count }
            }
            try await awaited("the node to write") { sent.withLock { $0 } > 0 }
            let beats = await bed.dispatch.heartbeats
            try await awaited("heartbeats") { await bed.dispatch.heartbeats > beats + 2 }
            let small = Mutex("")
            try await server.stream(from: Bed.worker, kind: "small", body: Data()) { part in
                small.withLock { $0 += String(decoding: part, as: UTF8.self) }
            }
            #expect(small.withLock { $0 } == "small")
            #expect(sent.withLock { $0 } < 8 << 20, "the node has sent \(sent.withLock { $0 }) bytes to nobody")

            open.finish()
            try await large
            #expect(got.withLock { $0 } == 64 << 20)
        }
    }

    @Test func `a node ends a stream that nobody wants any more, although it has nothing to say`() async throws {
        let bed = try Bed()
        let server = bed.server()
        let ended = Mutex(0)
        try await bed.with(server) { _, _, write in
            defer { ended.withLock { $0 += 1 } }
            try await write(Data("one".utf8))
            try await Task.sleep(for: .seconds(600))
        } during: {
            // One whose reader is cancelled, one whose reader throws.
            let (heard, hear) = AsyncStream.makeStream(of: Void.self)
            let reading = Task {
                try await server.stream(from: Bed.worker, kind: "x", body: Data()) { _ in hear.yield() }
            }
            for await _ in heard { break }
            reading.cancel()
            await #expect(throws: CancellationError.self) { try await reading.value }
            try await awaited("the first to end") { ended.withLock { $0 } == 1 }

            struct Full: Error {}
            await #expect(throws: Full.self) {
                try await server.stream(from: Bed.worker, kind: "x", body: Data()) { _ in throw Full() }
            }
            try await awaited("the second to end") { ended.withLock { $0 } == 2 }
        }
    }

    @Test func `a refusal is told in the node's words, a lost node as unavailable`() async throws {
        let bed = try Bed()
        let server = bed.server()
        let (heard, hear) = AsyncStream.makeStream(of: Void.self)
        try await bed.serving(server) { port in
            try await bed.join(port: port)
            let away = await #expect(throws: SwarmError.self) {
                try await server.stream(from: Bed.worker, kind: "x", body: Data()) { _ in }
            }
            #expect(away?.reason == .unavailable)
            let remote = try bed.remote { kind, _, write in
                guard kind == "endless" else { throw SwarmError(.unsupported, "no \(kind) here") }
                try await write(Data("one".utf8))
                try await Task.sleep(for: .seconds(600))
            }
            let lost = Task {
                try await awaited("connected") { await remote.isConnected }
                let refused = await #expect(throws: SwarmError.self) { () async throws in
                    try await server.stream(from: Bed.worker, kind: "y", body: Data()) { _ in }
                }
                #expect(refused?.message.contains("no y here") == true)
                try await server.stream(from: Bed.worker, kind: "endless", body: Data()) { _ in hear.yield() }
            }
            try await bed.running(remote) { for await _ in heard { break } }
            let error = await #expect(throws: SwarmError.self) { try await lost.value }
            #expect(error?.reason == .unavailable, "\(String(describing: error))")
        }
    }
}

extension Bed {
    func remote(stream: @escaping RemoteManager.Node.Stream) throws -> RemoteManager {
        try RemoteManager(
            node: .init(
                folder: try folder(of: Bed.worker), hello: { Bed.hello }, answer: { _, body in body }, stream: stream),
            environment: environment,
            backoff: Backoff(first: Nanoseconds(10_000_000), longest: Nanoseconds(20_000_000)), patience: .seconds(5))
    }

    /// Serves, with a node that streams, while `body` runs.
    func with(
        _ server: SessionServer, stream: @escaping RemoteManager.Node.Stream,
        during body: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await serving(server) { port in
            try await self.join(port: port)
            let remote = try self.remote(stream: stream)
            try await self.running(remote) {
                try await awaited("connected") { await remote.isConnected }
                try await body()
            }
        }
    }
}
