import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
import CausewayTestKit
import CausewayTrace
import Foundation
import Glibc
import Testing

/// A client, a router and a server, each in a namespace of its own, in a folder of their own.
///
///     client c0 10.1.1.2 ── 10.1.1.1 r0  router  r1 10.2.1.1 ── 10.2.1.2 s1  server 10.9.9.9
///                                                r2 10.2.2.1 ── 10.2.2.2 s2
final class Bed: NamespaceBed {
    static let names = ["client", "router", "server"]

    let folder: String
    let spaces: [String: NetworkNamespace]

    init() async throws {
        folder = "/run/causeway-trace-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
        var spaces: [String: NetworkNamespace] = [:]
        for name in Self.names { spaces[name] = try await NetworkNamespace.create(name: name, in: folder) }
        self.spaces = spaces
        try await connect("client", "c0", "router", "r0")
        try await connect("router", "r1", "server", "s1")
        try await connect("router", "r2", "server", "s2")
        // Permanent: a router that would drop what the client sends does not answer its questions either.
        try await shell(
            "client",
            """
            ip addr add 10.1.1.2/24 dev c0; ip route add default via 10.1.1.1
            ip neigh replace 10.1.1.1 lladdr 02:00:00:00:00:0a dev c0 nud permanent
            """)
        try await shell(
            "router",
            """
            ip link set r0 address 02:00:00:00:00:0a; ip addr add 10.1.1.1/24 dev r0; ip addr add 10.2.1.1/24 dev r1; ip addr add 10.2.2.1/24 dev r2
            ip route add 10.9.9.9 via 10.2.1.2
            sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0
            """)
        try await shell(
            "server",
            """
            ip addr add 10.2.1.2/24 dev s1; ip addr add 10.2.2.2/24 dev s2; ip addr add 10.9.9.9/32 dev lo
            ip route add default via 10.2.1.1
            sysctl -qw net.ipv4.icmp_ratelimit=0
            """)
    }

    deinit {
        for name in Self.names { try? NetworkNamespace.delete(name: name, in: folder) }
        umount2(folder, Int32(MNT_DETACH))
        rmdir(folder)
    }

    private func connect(_ a: String, _ link: String, _ b: String, _ other: String) async throws {
        let path = "\(folder)/\(b)"
        try await shell(
            a,
            """
            ip link set lo up; sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
            ip link add \(link) type veth peer name \(other) netns \(path)
            ip link set \(link) up
            """)
        try await shell(
            b,
            """
            ip link set lo up; sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
            sysctl -qw net.ipv4.conf.\(other).rp_filter=0; ip link set \(other) up
            """)
    }

    /// Replaces all rules of a namespace.
    func rules(_ name: String, nft: String = "", iptables: String = "") async throws {
        try await shell(name, "nft flush ruleset")
        if !iptables.isEmpty { try await shell(name, "iptables-restore <<'END'\n\(iptables)\nEND") }
        if !nft.isEmpty { try await shell(name, "nft -f - <<'END'\n\(nft)\nEND") }
    }

    /// The state of the three, as the lens reads it.
    func inventory() async throws -> Inventory {
        try await InventoryReader(
            enginePath: "/nonexistent", directories: [folder], hostname: "bed", readsUnnamed: false
        ).read()
    }

    /// A TCP listener, and an answerer of UDP, for as long as they are held.
    func serve(_ ports: [UInt16]) async throws -> Servers { try await Servers(ports, in: space("server")) }

    /// Sends packets from a namespace and follows them.
    func trace(
        _ transport: Packet.Transport, to target: String, _ port: UInt16 = 0, from name: String = "client",
        count: Int = 1, eyes: TraceSession.Eyes = .best, patience: Duration = .milliseconds(200)
    ) async throws -> TraceRun.Result {
        let inventory = try await inventory()
        let tracer = try PathTracer([inventory])
        let inode = try space(name).inode
        let destination = try #require(IPAddress(target))
        let packet = Packet(
            transport, from: .v4(IPv4Address(rawValue: 0)), Question.clientPort, to: destination, port)
        let subject = TraceRun.Subject(tracer, packet, from: .process(namespace: inode))
        return try await TraceRun(subject, count: count, directories: [folder], eyes: eyes, patience: patience).send()
    }
}

/// Sockets that take what is sent to them.
final class Servers: Sendable {
    private let descriptors: [Int32]

    init(_ ports: [UInt16], in namespace: NetworkNamespace) async throws {
        descriptors = try await namespace.perform {
            try ports.map { port in
                let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                var name = sockaddr_in()
                name.sin_family = sa_family_t(AF_INET)
                name.sin_port = port.bigEndian
                let isBound = withUnsafePointer(to: &name) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                    }
                }
                guard isBound, listen(descriptor, 4096) == 0 else {
                    throw TestNamespace.CommandFailed(description: "cannot listen on \(port): errno \(errno)")
                }
                return descriptor
            }
        }
    }

    deinit { for descriptor in descriptors { close(descriptor) } }
}
