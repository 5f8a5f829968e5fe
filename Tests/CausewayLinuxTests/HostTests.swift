import CausewayKernel
import CausewayModel
import CausewayTestKit
import Glibc
import Testing

@testable import CausewayLinux

@Suite struct `Host` {
    @Test func `facts are those of this machine`() async throws {
        let facts = try await HostFacts.read()

        #expect(!facts.hostname.isEmpty)
        #expect(facts.architecture == HostFacts.architecture)
        #expect(facts.nanoCPUs >= 1_000_000_000)
        #expect(facts.memoryBytes > 64 << 20)
        #expect(facts.mtu >= 68)
        for (family, source) in facts.sourceAddresses { #expect(source.family == family) }
    }

    @Test func `resolv conf names servers and a search list`() {
        let resolver = Resolver(
            "# a\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver ::1\nsearch a.test b.test\n")

        #expect(resolver.servers.map(\.description) == ["192.0.2.53", "::1"])
        #expect(resolver.search == ["a.test", "b.test"])
    }

    @Test(arguments: [
        ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
        ("net.ipv4.conf.eth0/100.rp_filter", "/proc/sys/net/ipv4/conf/eth0.100/rp_filter"),
    ])
    func `a sysctl's name is a path with dot and slash changed`(name: String, path: String) {
        #expect(Sysctl.path(name) == path)
    }

    @Test(arguments: ["net.//.passwd", "", "net..x"])
    func `a sysctl's name leads nowhere else`(name: String) {
        #expect(Sysctl.path(name) == nil)
    }

    @Test func `a program's output, complaints and status come back`() throws {
        let output = try Command(["sh", "-c", "echo out; echo no >&2; exit 3"]).run()

        #expect(output == Command.Output(status: 3, output: "out\n", errors: "no\n"))
        #expect(throws: KernelError.self) { try Command(["no-such-program-here"]).run() }
        #expect(try Command(["sh", "-c", "yes | head -c 300000"]).run().output.utf8.count == 300_000)
        #expect(try Command(["sh", "-c", "kill -9 $$"]).run().status == 137)
    }

    @Test(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"))
    func `who has a port is named, but for processes of our own`() async throws {
        let there = try await TestNamespace("linux-port")
        let port = try await there.namespace.perform { try PortProbe.listenOnAny() }

        let holder = try await PortHolder.find(.tcp, port: port.number, in: there.namespace)

        #expect(holder?.process?.id == PortProbe.processID)
        #expect(holder?.description.hasSuffix("(pid \(PortProbe.processID))") == true)
        #expect(try await PortHolder.find(.udp, port: port.number, in: there.namespace) == nil)
        #expect(
            try await PortHolder.find(
                .tcp, port: port.number, exceptProcesses: [PortProbe.processID], in: there.namespace) == nil)
        port.close()
    }
}

/// A socket of this process that listens.
struct PortProbe: Sendable {
    struct Failed: Error { var errno: Int32 }

    static var processID: Int32 { getpid() }

    let number: UInt16
    private let descriptor: Int32

    /// On `::`, IPv4 not kept out, at a port of the kernel's choice; in the calling thread's namespace.
    static func listenOnAny() throws -> PortProbe {
        let descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        guard descriptor >= 0, listen(descriptor, 1) == 0 else { throw Failed(errno: errno) }
        let isNamed = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) == 0 }
        }
        guard isNamed else { throw Failed(errno: errno) }
        return PortProbe(number: UInt16(bigEndian: address.sin6_port), descriptor: descriptor)
    }

    func close() { _ = Glibc.close(descriptor) }
}
