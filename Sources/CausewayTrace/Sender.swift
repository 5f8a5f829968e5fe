import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
import Foundation
import Glibc

/// Sends packets of our own from a namespace: connections, datagrams or echo requests, as a client there would.
///
/// The sockets are made first, so that the filter can know their ports; then they are used.
package final class Sender: Sendable {
    /// What came of one of them, in words.
    package struct Outcome: Hashable, Codable, Sendable {
        package var port: UInt16
        package var text: String
        package var microseconds: UInt64
    }

    private let namespaces: LiveNamespaces
    private let namespace: NetworkNamespace
    private let transport: Packet.Transport
    private let sockets: [(descriptor: Int32, port: UInt16)]

    /// How long one waits for its answer.
    private let patience: Int32
    private static let between: UInt32 = 20_000

    package init(
        _ count: Int, _ transport: Packet.Transport, _ family: IPFamily, in inode: UInt64,
        of namespaces: LiveNamespaces, patience: Duration
    ) async throws(KernelError) {
        guard let namespace = namespaces[inode] else {
            throw KernelError("enter namespace net:[\(inode)]", errno: ENOENT)
        }
        (self.namespaces, self.namespace) = (namespaces, namespace)
        self.patience = Int32(patience / .milliseconds(1))
        self.transport = transport
        sockets = try await namespace.performStep { () throws(KernelError) in
            var made: [(Int32, UInt16)] = []
            for _ in 0..<count { made.append(try Self.make(transport, family)) }
            return made
        }
    }

    deinit { for socket in sockets { close(socket.descriptor) } }

    /// The ports from which it sends; none where the protocol has none.
    package var ports: Set<UInt16> { Set(sockets.map(\.port).filter { $0 != 0 }) }

    private static func make(
        _ transport: Packet.Transport, _ family: IPFamily
    ) throws(KernelError) -> (Int32, UInt16) {
        let domain = family == .ip ? AF_INET : AF_INET6
        let (type, number): (__socket_type, Int) =
            switch transport {
            case .tcp: (SOCK_STREAM, 0)
            case .udp: (SOCK_DGRAM, 0)
            case .icmp: (SOCK_RAW, Int(IPPROTO_ICMP))
            case .icmpv6: (SOCK_RAW, Int(IPPROTO_ICMPV6))
            }
        let flags = Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(domain, Int32(type.rawValue) | flags, Int32(number))
        guard descriptor >= 0 else { throw KernelError("make a socket for a packet", errno: errno) }
        guard transport.hasPorts else { return (descriptor, 0) }
        var address = SocketAddress(any: family)
        guard address.withPointer({ bind(descriptor, $0, $1) }) == 0,
            address.withMutablePointer({ getsockname(descriptor, $0, $1) }) == 0
        else {
            let failure = errno
            close(descriptor)
            throw KernelError("bind a socket for a packet", errno: failure)
        }
        return (descriptor, address.port)
    }

    /// Sends them one after the other, and waits for each answer.
    package func send(to target: IPAddress, _ port: UInt16) async throws(KernelError) -> [Outcome] {
        let (sockets, transport, patience) = (sockets, transport, patience)
        return try await namespace.performStep { () throws(KernelError) in
            var outcomes: [Outcome] = []
            for (number, socket) in sockets.enumerated() {
                if number > 0 { usleep(Self.between) }
                let start = MonotonicClock.now
                let text = Self.use(socket.descriptor, transport, SocketAddress(target, port), number, patience)
                outcomes.append(
                    Outcome(port: socket.port, text: text, microseconds: (MonotonicClock.now - start) / 1000))
            }
            return outcomes
        }
    }

    private static func use(
        _ descriptor: Int32, _ transport: Packet.Transport, _ target: SocketAddress, _ number: Int, _ patience: Int32
    ) -> String {
        var target = target
        func words(_ code: Int32) -> String { String(cString: strerror(code)) }
        var polled = pollfd(fd: descriptor, events: 0, revents: 0)
        if transport == .tcp {
            // Ended by a reset: nothing stays behind, neither here nor there.
            var abort = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
            guard target.withPointer({ connect(descriptor, $0, $1) }) != 0, errno == EINPROGRESS else {
                return errno == 0 ? "connected" : words(errno)
            }
            polled.events = Int16(POLLOUT)
            guard poll(&polled, 1, patience) > 0 else { return "no answer" }
            var (failure, size) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size)
            shutdown(descriptor, Int32(SHUT_RDWR))
            return failure == 0 ? "connected" : words(failure)
        }
        guard target.withPointer({ connect(descriptor, $0, $1) }) == 0 else { return words(errno) }
        let payload = transport == .udp ? datagram() : echo(transport, number)
        guard Glibc.send(descriptor, payload, payload.count, 0) >= 0 else { return words(errno) }
        polled.events = Int16(POLLIN)
        guard poll(&polled, 1, patience) > 0 else { return "no answer" }
        var buffer = [UInt8](repeating: 0, count: 2048)
        return recv(descriptor, &buffer, buffer.count, 0) >= 0 ? "answered" : words(errno)
    }

    /// Bytes by chance, so that each can be told from all others.
    private static func datagram() -> [UInt8] {
        Array("causeway".utf8) + (0..<8).map { _ in UInt8.random(in: 0 ... .max) }
    }

    private static func echo(_ transport: Packet.Transport, _ number: Int) -> [UInt8] {
        let id = UInt16.random(in: 1 ... .max)
        var bytes: [UInt8] = [transport == .icmp ? 8 : 128, 0, 0, 0]
        bytes += [UInt8(id >> 8), UInt8(id & 0xff), 0, UInt8(truncatingIfNeeded: number)]
        bytes += Array("causeway".utf8)
        guard transport == .icmp else { return bytes }
        // The kernel does ICMPv6's.
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1])
        }
        while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
        bytes[2] = UInt8(truncatingIfNeeded: ~sum >> 8)
        bytes[3] = UInt8(truncatingIfNeeded: ~sum)
        return bytes
    }
}
