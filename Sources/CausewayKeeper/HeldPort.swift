import CausewayModel
import CausewaySockets
import Glibc

/// A published port's sockets in the host's namespace.
///
/// Two kinds that share the port: *reservations*, bound on every address that the port is offered on and never
/// listened to, which keep others out; and *listeners* on the loopback addresses, which are relayed. How they go
/// together was tried on Linux 6.18 and is tested (HeldPortTests):
///
/// - TCP: all are bound with SO_REUSEADDR, which lets sockets share a port as long as none listens; then the loopback
///   ones listen; then the reservations lose the flag, so that nobody else's flag counts. The listeners keep it:
///   connections inherit it, and so do not keep the port from being bound anew.
/// - UDP: SO_REUSEADDR would share the port with anybody who sets it too, so the reservation is bound without it, which
///   finds any other holder. Only between then and the end of this call both have it.
struct HeldPort: Codable {
    var reservations: [CInt] = []
    var listeners: [CInt] = []

    var descriptors: [CInt] { reservations + listeners }

    /// Opens all of a port's sockets, or none.
    static func open(_ port: Kept.Port) throws(SocketError) -> HeldPort {
        var held = HeldPort()
        do throws(SocketError) {
            if port.port.protocol == .udp {
                try held.reserve(port, isShared: false)
                for socket in held.reservations { Socket.set(socket, SOL_SOCKET, SO_REUSEADDR, 1) }
                try held.openListeners(port)
                for socket in held.listeners { Socket.set(socket, SOL_SOCKET, SO_REUSEADDR, 0) }
            } else {
                try held.openListeners(port)
                try held.reserve(port, isShared: true)
                try held.listenAll(port)
            }
            for socket in held.reservations { Socket.set(socket, SOL_SOCKET, SO_REUSEADDR, 0) }
        } catch {
            held.close()
            throw error
        }
        return held
    }

    func close() {
        for descriptor in descriptors { Glibc.close(descriptor) }
    }

    private mutating func reserve(_ port: Kept.Port, isShared: Bool) throws(SocketError) {
        for address in PortAddresses(port.scope).reserved {
            guard let socket = try Self.bound(port.port, address.address, link: address.link, isShared: isShared)
            else { continue }
            // What nothing translated is not for us: no more of it than the kernel's least is kept.
            Socket.set(socket, SOL_SOCKET, SO_RCVBUF, 0)
            reservations.append(socket)
        }
    }

    private mutating func openListeners(_ port: Kept.Port) throws(SocketError) {
        for address in PortAddresses(port.scope).relayed {
            guard let socket = try Self.bound(port.port, address, link: nil, isShared: true) else { continue }
            listeners.append(socket)
        }
    }

    private func listenAll(_ port: Kept.Port) throws(SocketError) {
        for socket in listeners where listen(socket, 512) != 0 {
            throw SocketError(doing: "listen on \(port.port)", errno: errno)
        }
    }

    /// Returns `nil` where the kernel does not speak the family, or the link is not there: nobody comes that way.
    private static func bound(
        _ port: TransportPort, _ address: IPAddress, link: String?, isShared: Bool
    ) throws(SocketError) -> CInt? {
        let name = SocketName(address, port.port)
        let socket: CInt
        do throws(SocketError) {
            socket = try Socket.open(name.family, port.protocol == .tcp ? .stream : .datagram)
        } catch {
            if error.errno == EAFNOSUPPORT { return nil }
            throw error
        }
        if isShared { Socket.set(socket, SOL_SOCKET, SO_REUSEADDR, 1) }
        if address.family == .ip6 { Socket.set(socket, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        if let link, setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, link, socklen_t(link.utf8.count)) != 0 {
            Glibc.close(socket)
            return nil
        }
        let failure = Socket.bind(socket, name)
        guard failure != 0 else { return socket }
        Glibc.close(socket)
        // IPv6 is there and switched off, or the address is not this host's (any more).
        if failure == EADDRNOTAVAIL { return nil }
        throw SocketError(doing: "hold \(port.protocol.rawValue) port \(port.port) on \(address)", errno: failure)
    }
}

/// Which addresses a scope means for a port's sockets.
struct PortAddresses: Hashable {
    struct Reserved: Hashable {
        var address: IPAddress
        var link: String?
    }

    private(set) var reserved: [Reserved] = []
    private(set) var relayed: [IPAddress] = []

    private static let anyV4 = IPAddress.v4(IPv4Address(rawValue: 0))
    private static let anyV6 = IPAddress.v6(IPv6Address(high: 0, low: 0))
    private static let loopbackV4 = IPAddress.v4(IPv4Address(rawValue: 0x7f00_0001))
    private static let loopbackV6 = IPAddress.v6(IPv6Address(high: 0, low: 1))

    init(_ scope: PortScope) {
        let families = [(Self.anyV4, Self.loopbackV4), (Self.anyV6, Self.loopbackV6)]
        let isAnywhere = scope.addresses.isEmpty && scope.interfaces.isEmpty
        for (any, loopback) in families {
            if isAnywhere || scope.addresses.contains(any) { reserved.append(Reserved(address: any)) }
            for link in scope.interfaces where link != "lo" { reserved.append(Reserved(address: any, link: link)) }
            if isAnywhere || scope.addresses.contains(any) || scope.interfaces.contains("lo") {
                relayed.append(loopback)
            }
        }
        for address in scope.addresses where address != Self.anyV4 && address != Self.anyV6 {
            if !address.isLoopback {
                reserved.append(Reserved(address: address))
            } else if !relayed.contains(address) {
                relayed.append(address)
            }
        }
        // A caller from elsewhere cannot come from a loopback address.
        relayed.removeAll { address in
            !scope.sources.isEmpty && !scope.sources.contains { Self.overlapsLoopback($0, address.family) }
        }
    }

    private static func overlapsLoopback(_ source: CIDR, _ family: IPFamily) -> Bool {
        let loopback = family == .ip ? CIDR(.v4(IPv4Address(rawValue: 0x7f00_0000)), 8) : CIDR(loopbackV6, 128)
        guard let loopback else { return false }
        return source.contains(loopback) || loopback.contains(source)
    }
}
