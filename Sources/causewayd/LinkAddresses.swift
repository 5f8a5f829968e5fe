import CausewayModel
import CausewaySession
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

    static func address(_ pointer: UnsafeMutablePointer<sockaddr>?) -> IPAddress? {
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

/// The address of this host that it calls another one from.
enum SourceAddress {
    /// Asks the kernel's routes, and sends nothing.
    ///
    /// `manager` is `HOST:PORT`; a name is looked up, and its first address counts.
    static func towards(_ manager: String) throws(SwarmError) -> IPAddress {
        guard let place = ManagerAddress(manager) else {
            throw SwarmError(.invalid, "'\(manager)' is not the address of a manager: HOST:PORT is")
        }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(place.host, "\(place.port)", &hints, &found)
        guard status == 0, let first = found else {
            throw SwarmError(.invalid, "cannot look up '\(place.host)': \(String(cString: gai_strerror(status)))")
        }
        defer { freeaddrinfo(found) }
        let descriptor = socket(first.pointee.ai_family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { if descriptor >= 0 { close(descriptor) } }
        guard descriptor >= 0, connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0 else {
            throw SwarmError(
                .invalid, "there is no route to \(place.host): \(String(cString: strerror(errno)))")
        }
        var name = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let address = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &size) == 0 ? LinkAddresses.address($0) : nil
            }
        }
        guard let address else {
            throw SwarmError(.internal, "cannot tell from which address \(place.host) is called")
        }
        return address
    }
}
