import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayTestKit
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

        let count = try await conntrack.deleteFlows(protocol: .udp, towards: first)

        #expect(count == 1)
        let left = try await conntrack.flows()
        #expect(!left.contains { $0.reply.source == first })
        #expect(left.contains { $0.original.destination == second })
        #expect(try await conntrack.deleteFlows(protocol: .tcp, towards: second) == 0)
    }
}
