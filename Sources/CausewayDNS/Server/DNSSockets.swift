import CausewayModel
import Glibc

/// The two bound sockets that one task's resolver serves.
package struct DNSSockets: Hashable, Sendable {
    package var udp: CInt
    package var tcp: CInt

    package init(udp: CInt, tcp: CInt) {
        self.udp = udp
        self.tcp = tcp
    }

    /// Opens both in the calling thread's network namespace, where they stay whoever uses them later.
    ///
    /// Either both are open or none is. The loopback device must be up.
    package static func open(
        on address: IPv4Address = NameTable.listenAddress.v4 ?? IPv4Address(rawValue: 0x7f00_000b),
        port: UInt16 = NameTable.listenPort
    ) throws(DNSSocketError) -> DNSSockets {
        let udp = try bound(CInt(SOCK_DGRAM.rawValue), "udp", address, port)
        do throws(DNSSocketError) {
            let tcp = try bound(CInt(SOCK_STREAM.rawValue), "tcp", address, port)
            return DNSSockets(udp: udp, tcp: tcp)
        } catch {
            Glibc.close(udp)
            throw error
        }
    }

    /// Closes both, where they were not handed to a service.
    package func close() {
        Glibc.close(udp)
        Glibc.close(tcp)
    }

    private static func bound(
        _ type: CInt, _ kind: String, _ address: IPv4Address, _ port: UInt16
    ) throws(DNSSocketError) -> CInt {
        let what = "\(kind) \(address):\(port)"
        let socket = socket(AF_INET, type | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
        guard socket >= 0 else { throw DNSSocketError(doing: "open a socket for \(what)", errno: errno) }
        var one: CInt = 1
        // For UDP this would let two sockets share the port.
        if kind == "tcp" { setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size)) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = address.rawValue.bigEndian
        let status = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0, kind == "udp" || listen(socket, 128) == 0 else {
            let error = DNSSocketError(doing: "listen on \(what)", errno: errno)
            Glibc.close(socket)
            throw error
        }
        return socket
    }
}

/// Why a resolver's socket cannot be had.
package struct DNSSocketError: Error, Hashable, Sendable, CustomStringConvertible {
    package var doing: String
    package var errno: CInt

    package var description: String {
        let cause = strerror(errno).map { String(cString: $0) } ?? "unknown"
        let remedy =
            switch errno {
            case EADDRINUSE: "; another resolver listens in this namespace: stop it"
            case EADDRNOTAVAIL: "; bring the namespace's lo up first"
            case EMFILE, ENFILE: "; raise the limit of open files"
            default: ""
            }
        return "cannot \(doing): \(cause) (errno \(errno))\(remedy)"
    }
}
