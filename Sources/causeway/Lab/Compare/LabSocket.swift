import CausewayKernel
import CausewayLinux
import CausewayModel
import Foundation
import Glibc

/// A TCP connection over IPv4 that never blocks, made in the calling thread's namespace, where it stays.
final class LabSocket: @unchecked Sendable {
    // Only ever used by one thread at a time: the one that made it, and after that the one that is handed it.
    let descriptor: Int32

    /// Begins to connect.
    init(_ address: IPv4Address, _ port: UInt16) throws(KernelError) {
        let step = "connect to \(address):\(port)"
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        descriptor = socket(AF_INET, flags, 0)
        guard descriptor >= 0 else { throw KernelError(step, errno: errno) }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        target.sin_addr.s_addr = address.rawValue.bigEndian
        let status = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        // A refusal that comes at once is found by the first write.
        guard status == 0 || errno == EINPROGRESS || errno == ECONNREFUSED else {
            let failure = errno
            close(descriptor)
            throw KernelError(step, errno: failure)
        }
    }

    deinit { close(descriptor) }

    /// What became of a request.
    enum Outcome: String, Codable, CaseIterable {
        case answered, refused, reset, timedOut

        init(_ errno: Int32) {
            switch errno {
            case ECONNREFUSED: self = .refused
            case ETIMEDOUT: self = .timedOut
            default: self = .reset
            }
        }
    }

    /// Sends a small request; an outcome when the connection has failed.
    func ask(keepsOpen: Bool) -> Outcome? {
        let text = "GET / HTTP/1.1\r\nHost: web\r\nConnection: \(keepsOpen ? "keep-alive" : "close")\r\n\r\n"
        let bytes = Array(text.utf8)
        return send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count ? nil : Outcome(errno)
    }

    /// Looks for an answer: `nil` while there is none.
    func answer() -> Outcome? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count > 0 { return .answered }
        if count < 0, errno == EAGAIN || errno == EINTR { return nil }
        return count == 0 ? .reset : Outcome(errno)
    }

    /// Waits until it can be written, or read, at most so long.
    func wait(for events: Int32, milliseconds: Int32) -> Bool {
        var one = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return poll(&one, 1, milliseconds) > 0
    }

    /// One request and its answer, waited for.
    func exchange(milliseconds: Int32) -> Outcome {
        guard wait(for: POLLOUT, milliseconds: milliseconds) else { return .timedOut }
        if let failed = ask(keepsOpen: true) { return failed }
        guard wait(for: POLLIN, milliseconds: milliseconds) else { return .timedOut }
        return answer() ?? .timedOut
    }

    /// The port that the kernel gave it; 0 when it has none.
    var localPort: UInt16 {
        var own = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &own) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        return status == 0 ? UInt16(bigEndian: own.sin_port) : 0
    }
}
