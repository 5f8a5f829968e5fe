import CausewayModel
import Glibc

/// An address and a port as the socket calls take them.
struct SocketAddress: Sendable {
    private var bytes: [UInt8]
    private let family: IPFamily

    init(any family: IPFamily) {
        self.init(family == .ip ? .v4(IPv4Address(rawValue: 0)) : .v6(IPv6Address(high: 0, low: 0)), 0)
    }

    init(_ address: IPAddress, _ port: UInt16) {
        family = address.family
        let big = [UInt8(port >> 8), UInt8(port & 0xff)]
        let number = sa_family_t(address.family == .ip ? AF_INET : AF_INET6)
        bytes = withUnsafeBytes(of: number, Array.init) + big
        // struct sockaddr_in: 8 bytes of nothing; sockaddr_in6: flow label before, scope behind.
        bytes += address.family == .ip ? address.bytes + Array(repeating: 0, count: 8) : [0, 0, 0, 0] + address.bytes
        if address.family == .ip6 { bytes += [0, 0, 0, 0] }
    }

    var port: UInt16 { UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }

    mutating func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        withMutablePointer { pointer, length in body(UnsafePointer(pointer), length.pointee) }
    }

    mutating func withMutablePointer<R>(
        _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> R
    ) -> R {
        // Larger than any address, and laid out for all of them.
        var storage = sockaddr_storage()
        var length = socklen_t(bytes.count)
        withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: bytes) }
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
        withUnsafeBytes(of: &storage) { bytes = Array($0.prefix(Int(length))) }
        return result
    }
}
