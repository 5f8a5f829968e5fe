import Dispatch
import Glibc
import Testing

/// A unix stream socket, with nothing between the test and the bytes.
///
/// Every call blocks its thread.
final class RawSocket: Sendable {
    struct Failed: Error, CustomStringConvertible {
        var description: String
        init(_ call: String) { description = "\(call): \(String(cString: strerror(errno)))" }
    }

    let fd: Int32

    init(fd: Int32) {
        self.fd = fd
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { Glibc.close(fd) }

    static func connect(_ path: String) throws -> RawSocket {
        let result = RawSocket(fd: socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        guard withAddress(path, { Glibc.connect(result.fd, $0, $1) }) == 0 else { throw Failed("connect \(path)") }
        return result
    }

    static func listen(_ path: String) throws -> RawSocket {
        let result = RawSocket(fd: socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        unlink(path)
        guard withAddress(path, { bind(result.fd, $0, $1) }) == 0 else { throw Failed("bind \(path)") }
        guard Glibc.listen(result.fd, 128) == 0 else { throw Failed("listen") }
        return result
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var at = 0
        while at < bytes.count {
            let count = bytes[at...].withUnsafeBytes { Glibc.send(fd, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw Failed("send") }
            at += count
        }
    }

    /// At least one byte, or none at the end of the stream.
    func receive(_ limit: Int = 65536) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = recv(fd, &bytes, limit, 0)
        guard count >= 0 else { throw Failed("receive") }
        return Array(bytes.prefix(count))
    }

    func receive(until end: String) throws -> String {
        var text = ""
        while !text.hasSuffix(end) {
            let bytes = try receive(1)
            guard !bytes.isEmpty else { return text }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return text
    }

    func receive(count: Int) throws -> String {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let part = try receive(count - bytes.count)
            guard !part.isEmpty else { break }
            bytes += part
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    func receiveToEnd() throws -> String {
        var all: [UInt8] = []
        while true {
            let bytes = try receive()
            guard !bytes.isEmpty else { return String(decoding: all, as: UTF8.self) }
            all += bytes
        }
    }

    func finishSending() { shutdown(fd, Int32(SHUT_WR)) }

    func hangUp() { shutdown(fd, Int32(SHUT_RDWR)) }
}

/// Runs blocking work off Swift's own threads.
func blocking<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue(label: "blocking").async { continuation.resume(with: Result(catching: work)) }
    }
}
