import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayTestKit
import Glibc
import Testing

@Suite(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"))
struct `Conntrack entries` {
    @Test func `flows towards an address are forgotten, others are kept`() async throws {
        let there = try await TestNamespace("linux-ct")
        let (first, second) = (try #require(IPAddress("127.0.0.2")), try #require(IPAddress("127.0.0.3")))
        // Conntrack works where a rule asks for it.
        try await there.shell(
            """
            nft add table ip t
            nft 'add chain ip t o { type nat hook output priority -100; }'
            nft add rule ip t o ip daddr 192.0.2.1 udp dport 9 dnat to 127.0.0.2:99
            ip route add 192.0.2.0/24 dev lo
            """)
        try await there.run(
            "bash", "-c", "for address in 192.0.2.1 127.0.0.3; do echo hello > /dev/udp/$address/9; done || true")
        let conntrack = Conntrack(there.namespace)
        let flows = try await conntrack.flows()
        let translated = try #require(flows.first { $0.reply.source == first })
        #expect(translated.original.destination == IPAddress("192.0.2.1"))
        #expect(translated.original.destinationPort == 9)
        #expect(translated.reply.sourcePort == 99)
        #expect(translated.original.protocol == 17)
        #expect(flows.contains { $0.original.destination == second })

        let count = try await conntrack.deleteFlows(protocol: .udp, towards: [first])

        #expect(count == 1)
        let left = try await conntrack.flows()
        #expect(!left.contains { $0.reply.source == first })
        #expect(left.contains { $0.original.destination == second })
        #expect(try await conntrack.deleteFlows(protocol: .tcp, towards: [second]) == 0)
    }

    @Test func `ten thousand connections are counted when they end, and while they last`() async throws {
        let there = try await TestNamespace("linux-fc")
        let backend = try #require(IPAddress("127.0.0.2"))
        try await there.shell(
            """
            sysctl -qw net.netfilter.nf_conntrack_acct=1
            nft add table ip t
            nft 'add chain ip t o { type nat hook output priority -100; }'
            nft add rule ip t o ip daddr 192.0.2.0/24 udp dport 9 dnat to 127.0.0.2:99
            ip route add 192.0.2.0/24 dev lo
            """)
        let counter = try await FlowCounter(there.namespace)
        // Each address and port of the caller is a flow of its own.
        try await there.namespace.perform {
            var packet = [UInt8](repeating: 0x41, count: 72)
            for number in 0..<10_000 {
                let socket = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
                defer { close(socket) }
                // A port of its own, so that no two are one flow.
                var source = sockaddr_in()
                source.sin_family = sa_family_t(AF_INET)
                source.sin_port = UInt16(20_000 + number).bigEndian
                withUnsafePointer(to: &source) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        _ = bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                var target = sockaddr_in()
                target.sin_family = sa_family_t(AF_INET)
                target.sin_port = UInt16(9).bigEndian
                target.sin_addr.s_addr = (0xc000_0200 + UInt32(number % 250) + 1).bigEndian
                _ = withUnsafePointer(to: &target) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        sendto(socket, &packet, packet.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
        }

        let start = clock()
        let live = try #require(try await counter.live()[backend])
        print("10,000 connections are read with \((clock() - start) / 1_000) ms of CPU")
        #expect(live.known.connections == 10_000)
        #expect(live.open == 10_000)
        #expect(live.known.bytesIn == 10_000 * 100)
        #expect(counter.drain().isEmpty)

        try await there.run("conntrack", "-F")

        var ended = FlowCounter.Counts()
        for _ in 0..<100 where ended.connections < 10_000 {
            try await Task.sleep(for: .milliseconds(50))
            ended = counter.drain().reduce(into: ended) { sum, found in
                sum.connections += found.value.connections
                sum.bytesIn += found.value.bytesIn
            }
        }
        #expect(ended.connections == 10_000)
        #expect(ended.bytesIn == 10_000 * 100)
        #expect(counter.losses == 0)
    }
}
