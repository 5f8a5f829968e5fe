import CausewayDNS
import CausewayModel
import Glibc

/// A blocking client on a loopback address; every wait ends after five seconds.
final class Client {
    struct Failure: Error { var errno: CInt }

    private let socket: CInt
    private let isStream: Bool

    init(stream: Bool, to address: UInt32 = 0x7f00_0001, port: UInt16) throws {
        isStream = stream
        socket = Glibc.socket(AF_INET, CInt((stream ? SOCK_STREAM : SOCK_DGRAM).rawValue), 0)
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = address.bigEndian
        let status = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw Failure(errno: errno) }
    }

    deinit { close(socket) }

    func send(_ bytes: [UInt8]) throws {
        let framed = isStream ? [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes : bytes
        try sendRaw(framed)
    }

    func sendRaw(_ bytes: [UInt8]) throws {
        guard Glibc.send(socket, bytes, bytes.count, CInt(MSG_NOSIGNAL)) == bytes.count else {
            throw Failure(errno: errno)
        }
    }

    /// Says that nothing more will be sent.
    func finish() { shutdown(socket, CInt(SHUT_WR)) }

    /// The next message, or `nil` where the other side has closed.
    func receive() throws -> [UInt8]? {
        guard isStream else { return try some(DNS.largestLimit) }
        guard let length = try exactly(2) else { return nil }
        return try exactly(Int(length[0]) << 8 | Int(length[1]))
    }

    func ask(_ name: String, _ type: DNS.RecordType, id: UInt16 = 1, payload: UInt16? = nil) throws -> DNS.Message? {
        try send(Client.query(name, type, id: id, payload: payload))
        return try receive().map { try DNS.Message(decoding: $0) }
    }

    static func query(_ name: String, _ type: DNS.RecordType, id: UInt16 = 1, payload: UInt16? = nil) -> [UInt8] {
        DNS.Message(
            id: id, questions: [DNS.Question(DNS.Name(name)!, type)],
            extended: payload.map { DNS.ExtendedDNS(payloadSize: $0) }
        ).encoded()
    }

    private func some(_ count: Int) throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = recv(socket, &buffer, count, 0)
        guard got >= 0 else { throw Failure(errno: errno) }
        return got == 0 ? nil : Array(buffer.prefix(got))
    }

    private func exactly(_ count: Int) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            guard let more = try some(count - bytes.count) else { return nil }
            bytes += more
        }
        return bytes
    }
}
