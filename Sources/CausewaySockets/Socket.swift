import CLinux
import Glibc

/// Calls on sockets by their descriptors; none of them waits.
package enum Socket {
    package enum Kind: Sendable {
        case stream
        case datagram
    }

    /// Opens one that does not block and that no other program inherits.
    package static func open(_ family: CInt, _ kind: Kind) throws(SocketError) -> CInt {
        let type = CInt((kind == .stream ? SOCK_STREAM : SOCK_DGRAM).rawValue)
        let flags = CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let socket = socket(family, type | flags, 0)
        guard socket >= 0 else { throw SocketError(doing: "open a socket", errno: errno) }
        return socket
    }

    /// Sets an option that is a number, such as SO_REUSEADDR; returns 0 or errno.
    @discardableResult
    package static func set(_ socket: CInt, _ level: CInt, _ option: CInt, _ value: CInt) -> CInt {
        var value = value
        return setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<CInt>.size)) == 0 ? 0 : errno
    }

    /// Returns 0 or errno.
    package static func bind(_ socket: CInt, _ name: SocketName) -> CInt {
        name.withSocketAddress { Glibc.bind(socket, $0, $1) } == 0 ? 0 : errno
    }

    /// Returns 0, EINPROGRESS or another errno.
    package static func connect(_ socket: CInt, _ name: SocketName) -> CInt {
        name.withSocketAddress { Glibc.connect(socket, $0, $1) } == 0 ? 0 : errno
    }

    /// What became of a connect(2) that was in progress: 0 or errno.
    package static func takeError(_ socket: CInt) -> CInt {
        var error: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) == 0 else { return errno }
        return error
    }

    /// Makes close(2) answer with a reset instead of an orderly end.
    package static func resetOnClose(_ socket: CInt) {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }

    /// Takes a connection that waits; `nil` when there is none (any more).
    ///
    /// - Throws: when there is one and it cannot be had, for want of descriptors for instance.
    package static func accept(_ listener: CInt) throws(SocketError) -> (socket: CInt, peer: SocketName?)? {
        while true {
            let (socket, peer) = SocketName.read { clinux_accept(listener, $0, $1) }
            if socket >= 0 { return (socket, peer) }
            switch errno {
            case EAGAIN: return nil
            // What befell one connection is no failure of the listener (accept(2)).
            case EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENONET: continue
            default: throw SocketError(doing: "accept a connection", errno: errno)
            }
        }
    }

    /// How a read or a write ended.
    package enum Outcome: Hashable, Sendable {
        case bytes(Int)
        case end
        case wouldBlock
        case failed(CInt)
    }

    package static func receive(_ socket: CInt, into buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        while true {
            let count = recv(socket, buffer.baseAddress, buffer.count, CInt(MSG_DONTWAIT))
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            if errno == EAGAIN { return .wouldBlock }
            if errno != EINTR { return .failed(errno) }
        }
    }

    package static func send(_ socket: CInt, _ bytes: UnsafeRawBufferPointer) -> Outcome {
        while true {
            let count = Glibc.send(
                socket, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
            if count >= 0 { return .bytes(count) }
            if errno == EAGAIN { return .wouldBlock }
            if errno != EINTR { return .failed(errno) }
        }
    }
}
