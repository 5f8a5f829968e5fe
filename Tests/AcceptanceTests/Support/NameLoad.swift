import CausewayLinux
import Foundation
import Glibc
import Synchronization

/// Asks for one name again and again, from inside a task's namespace, and counts what comes of it.
///
/// The socket is a task's own: 127.0.0.11:53 over UDP, each query once, each waited for.
final class NameLoad: Sendable {
    struct Result: Sendable, CustomStringConvertible {
        var asked = 0
        var answered = 0
        /// The longest time between two answers, in seconds.
        var longestGap = 0.0
        var lastFailure = ""

        var failed: Int { asked - answered }
        var description: String {
            "\(answered) of \(asked) answered, longest gap \(longestGap) s; last failure: \(lastFailure)"
        }
    }

    private let state = Mutex((result: Result(), isStopped: false))
    private let socket: Int32
    /// How long an answer may take: a client's own first patience is 5 s.
    private let patience: Double
    private let pause: UInt32

    convenience init(_ name: String, in namespace: String, patience: Double = 5) async throws {
        try await self.init(name, in: NetworkNamespace(name: namespace), patience: patience)
    }

    /// `pause`: microseconds from an answer to the next question.
    init(
        _ name: String, in namespace: NetworkNamespace, patience: Double = 5, pause: UInt32 = 200
    ) async throws {
        self.patience = patience
        self.pause = pause
        socket = try await namespace.perform { try Self.open(patience) }
        Thread.detachNewThread { [self] in run(Self.query(name)) }
    }

    /// Ends it, and says what came of it.
    func stop() async throws -> Result {
        state.withLock { $0.isStopped = true }
        try await Task.sleep(for: .seconds(0.2))
        return result
    }

    var result: Result { state.withLock { $0.result } }

    /// A socket to the resolver, in the calling thread's namespace.
    static func open(_ patience: Double) throws -> Int32 {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = UInt16(53).bigEndian
        name.sin_addr.s_addr = UInt32(0x7f00_000b).bigEndian
        var limit = timeval(tv_sec: Int(patience), tv_usec: Int((patience - patience.rounded(.down)) * 1_000_000))
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let status = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw CocoaError(.fileReadUnknown) }
        return socket
    }

    /// An A record, recursion desired; its identifier is filled in later.
    static func query(_ name: String) -> [UInt8] {
        var bytes: [UInt8] = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
        return bytes + [0, 0, 1, 0, 1]
    }

    private func run(_ query: [UInt8]) {
        var id: UInt16 = 0
        var last = ContinuousClock.now
        while !state.withLock({ $0.isStopped }) {
            id &+= 1
            let failure = ask([UInt8(id >> 8), UInt8(id & 255)] + query.dropFirst(2))
            let now = ContinuousClock.now
            let gap = Double((now - last).components.attoseconds) / 1e18 + Double((now - last).components.seconds)
            state.withLock { state in
                state.result.asked += 1
                if let failure {
                    state.result.lastFailure = failure
                } else {
                    state.result.answered += 1
                    state.result.longestGap = max(state.result.longestGap, gap)
                }
            }
            if failure == nil { last = now }
            // Refused at once, a client would wait too.
            usleep(failure == nil ? pause : max(pause, 5_000))
        }
        close(socket)
    }

    /// Returns why there is no good answer.
    private func ask(_ query: [UInt8]) -> String? {
        guard send(socket, query, query.count, 0) == query.count else { return "send: errno \(errno)" }
        var reply = [UInt8](repeating: 0, count: 512)
        while true {
            let count = recv(socket, &reply, reply.count, 0)
            guard count > 0 else { return "recv: errno \(errno)" }
            guard count >= 12, reply[0] == query[0], reply[1] == query[1] else { continue }
            return reply[3] & 15 == 0 && reply[7] > 0 ? nil : "code \(reply[3] & 15), \(reply[7]) answers"
        }
    }
}
