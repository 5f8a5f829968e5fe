import Foundation
import Glibc

/// A blocking socket on one of this machine's addresses; every wait ends after ten seconds.
final class LocalSocket {
    struct Failure: Error, CustomStringConvertible {
        var doing: String
        var errno: Int32
        var description: String { "cannot \(doing): \(String(cString: strerror(errno)))" }
    }

    private let descriptor: Int32

    /// Connects.
    init(stream: Bool, to address: String, port: UInt16) throws {
        descriptor = try Self.open(stream, address)
        try call("connect to \(address) port \(port)", address, port) { connect(descriptor, $0, $1) }
    }

    /// Binds, and listens where that is asked for.
    init(stream: Bool, bound address: String, port: UInt16, reuse: Bool, listens: Bool = false) throws {
        descriptor = try Self.open(stream, address)
        var (yes, only): (Int32, Int32) = (1, 1)
        if reuse { setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size)) }
        if address.contains(":") {
            setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &only, socklen_t(MemoryLayout<Int32>.size))
        }
        try call("bind \(address) port \(port)", address, port) { bind(descriptor, $0, $1) }
        if listens, listen(descriptor, 8) != 0 { throw Failure(doing: "listen on port \(port)", errno: errno) }
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw Failure(doing: "send", errno: errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// Says that nothing more will be sent.
    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// At most so many bytes; none at the end.
    func receive(_ most: Int = 65_536) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: most)
        let count = recv(descriptor, &buffer, most, 0)
        guard count >= 0 else { throw Failure(doing: "receive", errno: errno) }
        return Array(buffer.prefix(count))
    }

    /// Everything up to the end.
    func receiveAll() throws -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let more = try receive()
            if more.isEmpty { return all }
            all += more
        }
    }

    private static func open(_ stream: Bool, _ address: String) throws -> Int32 {
        let descriptor = socket(
            address.contains(":") ? AF_INET6 : AF_INET, Int32((stream ? SOCK_STREAM : SOCK_DGRAM).rawValue), 0)
        guard descriptor >= 0 else { throw Failure(doing: "open a socket", errno: errno) }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        return descriptor
    }

    private func call(
        _ doing: String, _ address: String, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws {
        var v4 = sockaddr_in()
        var v6 = sockaddr_in6()
        let status: Int32
        if address.contains(":") {
            v6.sin6_family = sa_family_t(AF_INET6)
            v6.sin6_port = port.bigEndian
            inet_pton(AF_INET6, address, &v6.sin6_addr)
            status = withUnsafePointer(to: &v6) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        } else {
            v4.sin_family = sa_family_t(AF_INET)
            v4.sin_port = port.bigEndian
            inet_pton(AF_INET, address, &v4.sin_addr)
            status = withUnsafePointer(to: &v4) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        guard status == 0 else { throw Failure(doing: doing, errno: errno) }
    }
}
