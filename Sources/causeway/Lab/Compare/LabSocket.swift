import CausewayModel
import CausewaySockets
import Glibc

/// A TCP connection that never blocks, made in the calling thread's namespace, where it stays.
final class LabSocket: Sendable {
    /// What became of a request.
    enum Outcome: String, Codable, CodingKeyRepresentable, CaseIterable {
        case answered, refused, reset, timedOut

        init(_ errno: CInt) {
            switch errno {
            case ECONNREFUSED: self = .refused
            case ETIMEDOUT: self = .timedOut
            default: self = .reset
            }
        }
    }

    let descriptor: CInt

    /// Begins to connect.
    init(_ name: SocketName) throws(SocketError) {
        descriptor = try Socket.open(name.family, .stream)
        let failure = Socket.connect(descriptor, name)
        // A refusal that comes at once is found by the first write.
        guard failure == 0 || failure == EINPROGRESS || failure == ECONNREFUSED else {
            close(descriptor)
            throw SocketError(doing: "connect to \(name)", errno: failure)
        }
    }

    deinit { close(descriptor) }

    /// Sends a small request; an outcome when the connection has failed.
    func ask(keepsOpen: Bool) -> Outcome? {
        let text = "GET / HTTP/1.1\r\nHost: web\r\nConnection: \(keepsOpen ? "keep-alive" : "close")\r\n\r\n"
        // So few bytes have a place in the socket's buffer, or in none.
        switch Array(text.utf8).withUnsafeBytes({ Socket.send(descriptor, $0) }) {
        case .bytes: return nil
        case .end, .wouldBlock: return .reset
        case .failed(let errno): return Outcome(errno)
        }
    }

    /// Looks for an answer: `nil` while there is none.
    func answer() -> Outcome? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        switch buffer.withUnsafeMutableBytes({ Socket.receive(descriptor, into: $0) }) {
        case .bytes: return .answered
        case .wouldBlock: return nil
        case .end: return .reset
        case .failed(let errno): return Outcome(errno)
        }
    }

    /// Waits until it can be written, or read, at most so long.
    func wait(for events: CInt, milliseconds: CInt) -> Bool {
        var one = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return poll(&one, 1, milliseconds) > 0
    }

    /// One request and its answer, waited for.
    func exchange(milliseconds: CInt) -> Outcome {
        guard wait(for: POLLOUT, milliseconds: milliseconds) else { return .timedOut }
        if let failed = ask(keepsOpen: true) { return failed }
        guard wait(for: POLLIN, milliseconds: milliseconds) else { return .timedOut }
        return answer() ?? .timedOut
    }
}
