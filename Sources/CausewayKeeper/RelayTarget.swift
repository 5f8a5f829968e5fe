import CLinux
import CausewayModel
import CausewaySockets
import Glibc

/// Where a relay sends what came to a loopback address: the same port at an address of the host's own, from where the
/// host's output rules translate it to a task.
enum RelayTarget {
    /// Our bits of a mark are 0x0fff0000; this one says that a packet was relayed, so that the output chain does not ask
    /// again on which address the port is offered.
    static let mark: CInt = 0x0040_0000

    /// The addresses to try, those of the caller's own family first; empty on a host that has none but loopback.
    static func addresses(preferring family: IPFamily) -> [IPAddress] {
        let all = IPFamily.allCases.compactMap(address)
        return all.filter { $0.family == family } + all.filter { $0.family != family }
    }

    /// The address that the host calls the outside from; where no way leads outside, any that is no loopback address.
    private static func address(_ family: IPFamily) -> IPAddress? {
        routed(family) ?? anyOfLinks(family)
    }

    /// Asks the routes: connecting a datagram socket sends nothing.
    ///
    /// The addresses are for documentation.
    private static func routed(_ family: IPFamily) -> IPAddress? {
        let outside = SocketName(
            family == .ip
                ? .v4(IPv4Address(rawValue: 0xc000_0201)) : .v6(IPv6Address(high: 0x2001_0db8 << 32, low: 1)), 9)
        guard let socket = try? Socket.open(outside.family, .datagram) else { return nil }
        defer { close(socket) }
        guard Socket.connect(socket, outside) == 0,
            let name = SocketName.read({ getsockname(socket, $0, $1) }).name, !name.address.isLoopback
        else { return nil }
        return name.address
    }

    private static func anyOfLinks(_ family: IPFamily) -> IPAddress? {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return nil }
        defer { freeifaddrs(first) }
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard let pointer = entry.ifa_addr else { continue }
            var storage = sockaddr_storage()
            let size =
                pointer.pointee.sa_family == sa_family_t(AF_INET)
                ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
            memcpy(&storage, pointer, size)
            if let address = SocketName(&storage)?.address, address.family == family, !address.isLoopback,
                address.v6?.isLinkLocal != true
            {
                return address
            }
        }
        return nil
    }

    /// A socket that is marked as the relay's, not yet connected.
    static func open(_ kind: Socket.Kind, _ family: IPFamily) throws(SocketError) -> CInt {
        let socket = try Socket.open(family == .ip ? AF_INET : AF_INET6, kind)
        let failure = Socket.set(socket, SOL_SOCKET, SO_MARK, mark)
        guard failure == 0 else {
            close(socket)
            throw SocketError(doing: "mark a socket", errno: failure)
        }
        return socket
    }
}
