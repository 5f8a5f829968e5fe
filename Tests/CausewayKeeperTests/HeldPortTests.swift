import CausewayLinux
import CausewayModel
import CausewaySockets
import CausewayTestKit
import Glibc
import Testing

@testable import CausewayKeeper

/// Reservation and listener share a port, and nobody else does: by trying every way to bind it.
@Suite(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)")) struct HeldPortTests {
    static let everywhere = ["0.0.0.0", "127.0.0.1", "127.0.0.2", "10.9.8.7", "::", "::1", "fd09::7"]

    /// The ways in which another program can have the port now.
    private static func ways(_ transport: Swarm.TransportProtocol) -> [String] {
        var allowed: [String] = []
        for address in everywhere.map({ IPAddress($0)! }) {
            for reuse in [[], [SO_REUSEADDR], [SO_REUSEPORT], [SO_REUSEADDR, SO_REUSEPORT]] {
                let name = SocketName(address, 8099)
                guard let socket = try? Socket.open(name.family, transport == .tcp ? .stream : .datagram) else {
                    continue
                }
                if address.family == .ip6 { Socket.set(socket, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
                for option in reuse { Socket.set(socket, SOL_SOCKET, option, 1) }
                if Socket.bind(socket, name) == 0, transport == .udp || listen(socket, 1) == 0 {
                    allowed.append("\(address) \(reuse)")
                }
                close(socket)
            }
        }
        return allowed
    }

    private func inNamespace<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        let there = try await TestNamespace("keeper-port")
        try await there.run("ip", "address", "add", "10.9.8.7/32", "dev", "lo")
        try await there.run("ip", "address", "add", "fd09::7/128", "dev", "lo", "nodad")
        return try await there.namespace.perform(body)
    }

    static func port(_ transport: Swarm.TransportProtocol, _ addresses: [String] = []) -> Kept.Port {
        Kept.Port(TransportPort(transport, 8099), scope: PortScope(addresses: addresses.map { IPAddress($0)! }))
    }

    @Test(arguments: [Swarm.TransportProtocol.tcp, .udp])
    func `a held port can be bound by nobody else, however they try, and by anybody afterwards`(
        transport: Swarm.TransportProtocol
    ) async throws {
        try await inNamespace {
            #expect(Self.ways(transport).count == 28)
            let held = try HeldPort.open(Self.port(transport))
            #expect(held.reservations.count == 2 && held.listeners.count == 2)
            #expect(Self.ways(transport) == [])
            held.close()
            #expect(Self.ways(transport).count == 28)
        }
    }

    @Test(arguments: [Swarm.TransportProtocol.tcp, .udp])
    func `a port that is offered at some addresses is free at the others`(
        transport: Swarm.TransportProtocol
    ) async throws {
        try await inNamespace {
            let held = try HeldPort.open(Self.port(transport, ["10.9.8.7", "::1"]))
            let free = Set(Self.ways(transport).map { $0.split(separator: " ")[0] })
            #expect(free == ["127.0.0.1", "127.0.0.2", "fd09::7"])
            held.close()
        }
    }

    @Test(arguments: [Swarm.TransportProtocol.tcp, .udp], everywhere)
    func `a port that somebody has is refused, and left as it is`(
        transport: Swarm.TransportProtocol, address: String
    ) async throws {
        try await inNamespace {
            let name = SocketName(IPAddress(address)!, 8099)
            let other = try Socket.open(name.family, transport == .tcp ? .stream : .datagram)
            if name.address.family == .ip6 { Socket.set(other, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
            Socket.set(other, SOL_SOCKET, SO_REUSEADDR, 1)
            #expect(Socket.bind(other, name) == 0)
            if transport == .tcp { #expect(listen(other, 1) == 0) }

            #expect(throws: SocketError.self) { try HeldPort.open(Self.port(transport)) }

            close(other)
            let held = try HeldPort.open(Self.port(transport))
            held.close()
        }
    }

    @Test func `connections that ended do not keep a port from being held again`() async throws {
        try await inNamespace {
            for _ in 0..<2 {
                let held = try HeldPort.open(Self.port(.tcp))
                let caller = try Socket.open(AF_INET, .stream)
                _ = Socket.connect(caller, SocketName(IPAddress("127.0.0.1")!, 8099))
                var accepted: CInt?
                for _ in 0..<200 where accepted == nil {
                    accepted = try Socket.accept(held.listeners[0])?.socket
                    usleep(1000)
                }
                // The server's side closes first and stays in TIME_WAIT.
                close(try #require(accepted))
                usleep(20_000)
                close(caller)
                held.close()
            }
        }
    }
}
