import CausewayModel
import CausewaySockets
import Glibc

/// The two bound sockets that one task's resolver serves.
package struct DNSSockets: Hashable, Sendable, Codable {
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
        on address: IPAddress = NameTable.listenAddress, port: UInt16 = NameTable.listenPort
    ) throws(SocketError) -> DNSSockets {
        let name = SocketName(address, port)
        let udp = try bound(.datagram, name)
        do throws(SocketError) {
            return DNSSockets(udp: udp, tcp: try bound(.stream, name))
        } catch {
            Glibc.close(udp)
            throw error
        }
    }

    /// Closes both, where they were not handed to a resolver.
    package func close() {
        Glibc.close(udp)
        Glibc.close(tcp)
    }

    private static func bound(_ kind: Socket.Kind, _ name: SocketName) throws(SocketError) -> CInt {
        let socket = try Socket.open(name.family, kind)
        if kind == .stream {
            Socket.set(socket, SOL_SOCKET, SO_REUSEADDR, 1)
        } else {
            // Not SO_REUSEADDR, which would let two sockets share the port. Room for what comes while nobody reads:
            // a change of program in place takes some hundredths of a second.
            Socket.set(socket, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        }
        var failure = Socket.bind(socket, name)
        if failure == 0, kind == .stream, listen(socket, 128) != 0 { failure = errno }
        guard failure == 0 else {
            Glibc.close(socket)
            throw SocketError(doing: "serve names on \(kind == .stream ? "tcp" : "udp") \(name)", errno: failure)
        }
        return socket
    }
}
