import CLinux
import CausewayModel
import Glibc

/// An address and a port: what a socket is bound or connected to.
package struct SocketName: Hashable, Sendable, Codable, CustomStringConvertible {
    package var address: IPAddress
    package var port: UInt16

    package init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    package var description: String {
        switch address {
        case .v4: "\(address):\(port)"
        case .v6: "[\(address)]:\(port)"
        }
    }

    /// AF_INET or AF_INET6.
    package var family: CInt { address.family == .ip ? AF_INET : AF_INET6 }

    /// Lends it as the kernel wants it.
    package func withSocketAddress<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        switch address {
        case .v4(let address):
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            name.sin_addr.s_addr = address.rawValue.bigEndian
            return Self.lend(&name, body)
        case .v6(let address):
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &name.sin6_addr) { $0.copyBytes(from: address.bytes) }
            return Self.lend(&name, body)
        }
    }

    private static func lend<T, R>(_ name: inout T, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<T>.size)) }
        }
    }

    /// Reads what the kernel has said; `nil` for another family.
    package init?(_ storage: UnsafePointer<sockaddr_storage>) {
        switch CInt(storage.pointee.ss_family) {
        case AF_INET:
            let name = UnsafeRawPointer(storage).load(as: sockaddr_in.self)
            self.init(
                .v4(IPv4Address(rawValue: UInt32(bigEndian: name.sin_addr.s_addr))), UInt16(bigEndian: name.sin_port))
        case AF_INET6:
            let name = UnsafeRawPointer(storage).load(as: sockaddr_in6.self)
            guard let address = withUnsafeBytes(of: name.sin6_addr, { IPAddress(bytes: Array($0)) }) else { return nil }
            self.init(address, UInt16(bigEndian: name.sin6_port))
        default: return nil
        }
    }

    /// The one that a call such as getsockname(2) writes.
    package static func read(_ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt)
        -> (status: CInt, name: SocketName?)
    {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
        guard status >= 0 else { return (status, nil) }
        return (status, SocketName(&storage))
    }
}
