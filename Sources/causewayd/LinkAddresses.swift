import CausewayModel
import Glibc

/// The addresses of the host's links, by getifaddrs(3).
enum LinkAddresses {
    static func read(_ link: String) -> [IPAddress] { all()?[link] ?? [] }

    /// Every link with its addresses, those without any included; `nil` when the kernel does not tell.
    static func all() -> [String: [IPAddress]]? {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return nil }
        defer { freeifaddrs(first) }
        var links: [String: [IPAddress]] = [:]
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            let address = address(entry.ifa_addr)
            links[String(cString: entry.ifa_name), default: []] += address.map { [$0] } ?? []
        }
        return links
    }

    private static func address(_ pointer: UnsafeMutablePointer<sockaddr>?) -> IPAddress? {
        guard let pointer else { return nil }
        switch CInt(pointer.pointee.sa_family) {
        case AF_INET:
            return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                withUnsafeBytes(of: $0.pointee.sin_addr) { IPAddress(bytes: Array($0)) }
            }
        case AF_INET6:
            return pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                withUnsafeBytes(of: $0.pointee.sin6_addr) { IPAddress(bytes: Array($0)) }
            }
        default: return nil
        }
    }
}
