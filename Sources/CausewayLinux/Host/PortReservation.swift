import CausewayKernel
import CausewayModel
import Glibc

/// A port of the host that is kept from others: bound on every address, and never listened to.
///
/// Held as long as the value lives.
package final class PortReservation: Sendable {
    package let `protocol`: Swarm.TransportProtocol
    package let port: UInt16
    private let descriptors: [Int32]

    private init(_ protocol: Swarm.TransportProtocol, _ port: UInt16, descriptors: [Int32]) {
        self.protocol = `protocol`
        self.port = port
        self.descriptors = descriptors
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    /// Binds the port on `0.0.0.0` and `::` in a namespace.
    ///
    /// Reason `.busy` when somebody holds it, and who it is in the
    /// detail.
    package static func reserve(
        _ protocol: Swarm.TransportProtocol, port: UInt16, in namespace: NetworkNamespace = .host
    ) async throws(KernelError) -> PortReservation {
        let step = "reserve \(`protocol`.rawValue) port \(port)"
        guard `protocol` != .sctp else {
            throw KernelError(
                step: step, reason: .unsupported, detail: "ports of SCTP cannot be reserved",
                advice: "publish a port of TCP or UDP")
        }
        return try await namespace.performStep { () throws(KernelError) in
            var descriptors: [Int32] = []
            do throws(KernelError) {
                for family in IPFamily.allCases {
                    if let descriptor = try bound(`protocol`, port, family, step) { descriptors.append(descriptor) }
                }
            } catch {
                for descriptor in descriptors { close(descriptor) }
                throw error
            }
            return PortReservation(`protocol`, port, descriptors: descriptors)
        }
    }

    /// Who takes packets to a port of a namespace; `nil` when nobody does.
    package static func holder(
        _ protocol: Swarm.TransportProtocol, port: UInt16, in namespace: NetworkNamespace = .host
    ) async throws(KernelError) -> PortHolder? {
        try await namespace.performStep { () throws(KernelError) in try PortHolder.find(`protocol`, port) }
    }

    /// Returns `nil` where the kernel does not speak the family.
    ///
    /// A child of this process holds copies of all our descriptors from its fork to its exec, so that a port that was
    /// let go may look taken for a moment: as long as nobody can be named, it is tried again for a tenth of a second.
    private static func bound(
        _ protocol: Swarm.TransportProtocol, _ port: UInt16, _ family: IPFamily, _ step: String
    ) throws(KernelError) -> Int32? {
        var patience = 5
        while true {
            let (descriptor, failure) = bind(`protocol`, port, family)
            if failure == 0 { return descriptor }
            if failure == EAFNOSUPPORT { return nil }
            guard failure == EADDRINUSE else { throw KernelError(step, errno: failure) }
            let holder = try PortHolder.find(`protocol`, port)
            guard holder?.process == nil, patience > 0 else { throw taken(by: holder, step) }
            patience -= 1
            usleep(20_000)
        }
    }

    private static func taken(by holder: PortHolder?, _ step: String) -> KernelError {
        guard let holder else {
            return KernelError(
                step, errno: EADDRINUSE, detail: "connections of a server that ended still have the port",
                advice: "try again in a minute")
        }
        return KernelError(
            step, errno: EADDRINUSE, detail: "held by \(holder)", advice: "stop it, or publish another port")
    }

    /// Without SO_REUSEADDR: a socket that has set it shares its port with any other that sets it and does not listen.
    private static func bind(
        _ protocol: Swarm.TransportProtocol, _ port: UInt16, _ family: IPFamily
    ) -> (descriptor: Int32, failure: Int32) {
        let kind = Int32((`protocol` == .tcp ? SOCK_STREAM : SOCK_DGRAM).rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family == .ip ? AF_INET : AF_INET6, kind, 0)
        guard descriptor >= 0 else { return (-1, errno) }
        var failure: Int32
        if family == .ip {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            failure = bindTo(descriptor, &address)
        } else {
            var one: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &one, socklen_t(MemoryLayout<Int32>.size))
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            failure = bindTo(descriptor, &address)
            // IPv6 is there and switched off.
            if failure == EADDRNOTAVAIL { failure = EAFNOSUPPORT }
        }
        if failure != 0 { close(descriptor) }
        return (descriptor, failure)
    }

    private static func bindTo<Address>(_ descriptor: Int32, _ address: inout Address) -> Int32 {
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        return status == 0 ? 0 : errno
    }
}

/// A socket that has a port, and the process behind it where that can be told.
package struct PortHolder: Hashable, Sendable, CustomStringConvertible {
    package var `protocol`: Swarm.TransportProtocol
    package var address: IPAddress
    package var port: UInt16
    package var process: ProcessTable.Process?

    /// The process, as `sshd (pid 812)`.
    package var description: String {
        guard let process else { return "a socket on \(address)" }
        return "\(process.name) (pid \(process.id))"
    }

    /// Looks in the calling thread's namespace.
    static func find(_ protocol: Swarm.TransportProtocol, _ port: UInt16) throws(KernelError) -> PortHolder? {
        do throws(NetlinkError) {
            guard let found = try SocketDiagnostics().holders(`protocol`, port: port).first else { return nil }
            let process = ProcessTable(readsSockets: true).ofSocket[found.inode]
            return PortHolder(protocol: `protocol`, address: found.address, port: port, process: process)
        } catch {
            throw error.kernelError("find who holds \(`protocol`.rawValue) port \(port)")
        }
    }
}
