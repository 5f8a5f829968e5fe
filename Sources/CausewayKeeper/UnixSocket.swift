import CausewaySockets
import Glibc

/// Sockets with a path.
enum UnixSocket {
    /// Listens on a path that only root can open; a file that was left there is taken away.
    static func listen(_ path: String) throws(SocketError) -> CInt {
        let socket = try Socket.open(AF_UNIX, .stream)
        unlink(path)
        // The mask, not a chmod afterwards: nobody else comes in between.
        let mask = umask(0o177)
        defer { umask(mask) }
        var failure = named(path) { Glibc.bind(socket, $0, $1) }
        if failure == 0, Glibc.listen(socket, 16) != 0 { failure = errno }
        guard failure == 0 else {
            close(socket)
            throw SocketError(doing: "listen on \(path)", errno: failure)
        }
        return socket
    }

    /// Connects, and waits where that has to be; the descriptor blocks.
    static func connect(_ path: String) throws(SocketError) -> CInt {
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let socket = socket(AF_UNIX, kind, 0)
        guard socket >= 0 else { throw SocketError(doing: "open a socket", errno: errno) }
        let failure = named(path) { Glibc.connect(socket, $0, $1) }
        guard failure == 0 else {
            close(socket)
            throw SocketError(doing: "connect to \(path)", errno: failure)
        }
        return socket
    }

    private static func named(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: name.sun_path) else { return ENAMETOOLONG }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
        let status = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return status == 0 ? 0 : errno
    }
}

extension FileIdentity {
    /// Of the file behind a path; `nil` when there is none.
    package init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.init(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }
}
