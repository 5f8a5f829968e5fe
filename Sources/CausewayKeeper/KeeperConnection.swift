import CLinux
import CausewayModel
import CausewaySockets
import FoundationEssentials
import Glibc
import Synchronization

/// One connection to a keeper: a request, its reply, the next request; on a thread of its own, because both may block.
final class KeeperConnection: Sendable {
    private struct Asked: Sendable {
        var request: KeeperRequest
        var answer: CheckedContinuation<KeeperReply, any Error>
    }

    private struct State {
        var waiting: [Asked] = []
        var isEnded = false
    }

    private let socket: CInt
    private let wakeup: CInt
    private let state = Mutex(State())
    private let ended: @Sendable () -> Void

    /// Seconds within which a keeper answers; it never waits for others.
    private static let patience = 30

    /// `ended` is called once, when the keeper has closed the connection or it broke.
    init(path: String, ended: @escaping @Sendable () -> Void) throws {
        socket = try UnixSocket.connect(path)
        wakeup = clinux_event()
        self.ended = ended
        var limit = timeval(tv_sec: Self.patience, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(socket, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        do {
            try Detached.start { self.work() }
        } catch {
            Glibc.close(socket)
            Glibc.close(wakeup)
            throw error
        }
    }

    func ask(_ request: KeeperRequest) async throws -> KeeperReply {
        let reply = try await withCheckedThrowingContinuation { continuation in
            let isTaken = state.withLock { state in
                guard !state.isEnded else { return false }
                state.waiting.append(Asked(request: request, answer: continuation))
                // Under the lock: the thread closes the descriptor once it has ended.
                clinux_event_signal(wakeup)
                return true
            }
            if !isTaken { continuation.resume(throwing: Self.gone) }
        }
        if let error = reply.error { throw KeeperError(description: "the keeper refuses: \(error)") }
        return reply
    }

    /// Ends the connection; the keeper goes on with what it was told.
    func close() { state.withLock { state in if !state.isEnded { shutdown(socket, Int32(SHUT_RDWR)) } } }

    var isEnded: Bool { state.withLock { $0.isEnded } }

    func waitForEnd(atMost limit: Duration) async {
        let deadline = ContinuousClock.now + limit
        while !isEnded, ContinuousClock.now < deadline {
            guard await Task.pause(for: .milliseconds(2)) else { return }
        }
    }

    private static let gone = KeeperError(description: "the keeper is gone; it is started anew")

    // MARK: the thread

    private func work() {
        while waitForWork() {
            while let asked = state.withLock({ $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }) {
                do {
                    asked.answer.resume(returning: try exchange(asked.request))
                } catch {
                    asked.answer.resume(throwing: error)
                    return end()
                }
            }
        }
        end()
    }

    private func end() {
        let left = state.withLock { state in
            defer { state.waiting = [] }
            state.isEnded = true
            Glibc.close(socket)
            Glibc.close(wakeup)
            return state.waiting
        }
        for asked in left { asked.answer.resume(throwing: Self.gone) }
        ended()
    }

    /// Returns `false` when the keeper has closed: between requests it says nothing.
    private func waitForWork() -> Bool {
        var polled = [
            pollfd(fd: wakeup, events: Int16(POLLIN), revents: 0),
            pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&polled, 2, -1) < 0 { guard errno == EINTR else { return false } }
        guard polled[1].revents == 0 else { return false }
        var count: UInt64 = 0
        return read(wakeup, &count, 8) == 8
    }

    private func exchange(_ request: KeeperRequest) throws -> KeeperReply {
        try write(MessageStream.framed(request))
        var stream = MessageStream()
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(socket, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count != 0 else { throw Self.gone }
            guard count > 0 else { throw SocketError(doing: "hear the keeper", errno: errno) }
            stream.append(buffer[..<count])
            if let message = try stream.next() { return try JSONDecoder().decode(KeeperReply.self, from: message) }
        }
    }

    private func write(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SocketError(doing: "tell the keeper", errno: errno) }
            rest = rest.dropFirst(count)
        }
    }
}
