import Glibc

/// Why a socket cannot be had or used: what was tried, what the kernel said, what to do.
package struct SocketError: Error, Hashable, Sendable, CustomStringConvertible {
    package var doing: String
    package var errno: CInt

    package init(doing: String, errno: CInt) {
        self.doing = doing
        self.errno = errno
    }

    package var description: String {
        let cause = strerror(errno).map { String(cString: $0) } ?? "unknown"
        let remedy =
            switch errno {
            case EADDRINUSE: "; another socket has this port: stop what holds it"
            case EADDRNOTAVAIL: "; the address must be on a link that is up, lo for a loopback address"
            case EMFILE, ENFILE: "; raise the limit of open files"
            case EPERM, EACCES: "; run it as root"
            default: ""
            }
        return "cannot \(doing): \(cause) (errno \(errno))\(remedy)"
    }
}
