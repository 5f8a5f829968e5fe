import CausewayModel
import CausewaySession
import Foundation
import Synchronization
import Testing

/// Many readers of one node's streams who do not read.
@Suite(.serialized) struct StuckReaderTests {
    /// With no bound of its own for each stream the node writes nearly all of it, and for as long as that takes no heartbeat
    /// comes through: four seconds and more, measured with 90 readers and `ahead` 0.
    ///
    /// Two hundred: more than the hundred calls at once that HTTP/2's libraries begin with.
    @Test func `heartbeats pass while 200 readers are stuck, and each costs the node a few parts`() async throws {
        let bed = try Bed()
        let server = bed.server()
        let (sent, started) = (Tally(), Tally())
        let count = 200
        try await bed.with(server) { _, _, write in
            for _ in 0..<64 {
                try await write(Data(repeating: 7, count: 64 << 10))
                sent.add(64 << 10)
            }
        } during: {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<count {
                    group.addTask {
                        try await server.stream(from: Bed.worker, kind: "x", body: Data()) { _ in
                            started.add(1)
                            // Reads no more, until it is cancelled: longer than the test may take.
                            try await Task.sleep(for: .seconds(600))
                        }
                    }
                }
                try await awaited("a part for every reader") { started.sum == count }
                let beats = await bed.dispatch.heartbeats
                try await awaited("heartbeats") { await bed.dispatch.heartbeats > beats + 3 }
                group.cancelAll()
                while await group.nextResult() != nil {}
            }
            // Two parts of each are on their way, and a third waits to be.
            #expect(sent.sum <= count * 3 * (64 << 10), "the node has sent \(sent.sum >> 10) KiB to nobody")
            #expect(await bed.dispatch.hellos.count == 1, "the session was lost")
        }
    }
}

/// A sum that several tasks add to.
private final class Tally: Sendable {
    private let total = Mutex(0)

    var sum: Int { total.withLock { $0 } }

    func add(_ count: Int) { total.withLock { $0 += count } }
}
