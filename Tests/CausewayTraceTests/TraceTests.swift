import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
import CausewayTestKit
import CausewayTrace
import Foundation
import Glibc
import Testing

/// Real packets through real namespaces, and what is said of them.
@Suite(.serialized, .enabled(if: TestNamespace.isAllowed, Comment(rawValue: TestNamespace.whyNot)))
struct TraceTests {
    private static let shop = """
        table inet shop {
          chain pre {
            type nat hook prerouting priority dstnat; policy accept;
            tcp dport 8080 counter dnat ip to 10.2.1.2:80 comment "the shop"
          }
          chain filter {
            type filter hook forward priority filter; policy accept;
            ct state established accept
            meta mark set 0x7
            tcp dport 80 accept
          }
          chain post {
            type nat hook postrouting priority srcnat; policy accept;
            oifname "r1" masquerade
          }
        }
        """

    @Test(arguments: [TraceSession.Eyes.best, .captures])
    func `a translated connection is seen as it is predicted, both ways`(_ eyes: TraceSession.Eyes) async throws {
        let bed = try await Bed()
        let servers = try await bed.serve([80])
        try await bed.rules("router", nft: Self.shop)
        let result = try await bed.trace(.tcp, to: "10.1.1.1", 8080, count: 3, eyes: eyes)
        withExtendedLifetime(servers) {}

        #expect(result.gaps.isEmpty && result.losses == 0, "\(result.gaps)")
        #expect(result.outcomes.map(\.text) == ["connected", "connected", "connected"])
        #expect(result.observations.count == 3)
        for seen in result.observations {
            let drawing = ObservationRenderer().render(seen, number: 1, of: 3)
            #expect(seen.comparison.agrees, "\(drawing)")
            #expect(seen.observed.outward.verdict.outcome == .delivered, "\(drawing)")
            #expect(seen.observed.reply?.verdict.outcome == .delivered, "\(drawing)")
            #expect(seen.answeredAfter ?? 0 > 0)
            let chains = seen.observed.outward.hops.filter { $0.stage.kind == .chain }
            #expect(chains.map(\.stage.name) == ["pre", "filter", "post"])
            #expect(chains.first?.after?.destinationText == "10.2.1.2:80")
            #expect(chains.last?.after?.sourceText.hasPrefix("10.2.1.1:") == true)
            #expect(chains[1].packet.mark == 7)
            let devices = seen.observed.outward.hops.filter { $0.nanoseconds != nil }
            #expect(devices.map(\.stage.name) == ["c0", "r0", "r1", "s1"], "\(drawing)")
            let times = devices.compactMap(\.nanoseconds)
            #expect(times == times.sorted() && times.last ?? 0 > 0)
        }
    }

    @Test func `a rule that drops is named, whoever made it`() async throws {
        let bed = try await Bed()
        try await bed.rules(
            "router",
            nft: """
                table inet stranger {
                  chain cut {
                    type filter hook forward priority -5; policy accept;
                    ip saddr 10.1.1.2 drop
                  }
                }
                """)
        try await expectDrop(bed, table: "inet stranger", rule: "ip saddr 10.1.1.2 drop")

        try await bed.rules(
            "router",
            iptables: "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n"
                + "-A DOCKER-USER -s 10.1.1.2/32 -p tcp -m comment --comment \"not today\" -j DROP\nCOMMIT")
        let verdict = try await expectDrop(
            bed, table: "iptables filter", rule: "-s 10.1.1.2/32 -p tcp -m comment --comment \"not today\" -j DROP")
        #expect(verdict?.text.contains("chain DOCKER-USER") == true, "\(verdict?.text ?? "")")
    }

    @discardableResult
    private func expectDrop(_ bed: Bed, table: String, rule: String) async throws -> Verdict? {
        let result = try await bed.trace(.tcp, to: "10.2.1.2", 80)
        let seen = try #require(result.observations.first)
        let drawing = ObservationRenderer().render(seen, number: 1, of: 1)
        let verdict = seen.observed.outward.verdict
        #expect(verdict.outcome == .dropped && verdict.reason == .netfilter, "\(drawing)")
        #expect(verdict.text.contains(table) && verdict.text.contains(rule), "\(drawing)")
        #expect(seen.comparison.agrees, "\(drawing)")
        #expect(seen.observed.reply == nil)
        return verdict
    }

    @Test func `a rule that comes after the prediction is the first difference`() async throws {
        let bed = try await Bed()
        try await bed.rules("router", nft: Self.shop)
        let inventory = try await bed.inventory()
        try await bed.shell("router", "nft insert rule inet shop filter tcp dport 80 drop")

        let tracer = try PathTracer([inventory])
        let packet = Packet(
            .tcp, from: .v4(IPv4Address(rawValue: 0)), Question.clientPort, to: try #require(IPAddress("10.1.1.1")),
            8080)
        let subject = TraceRun.Subject(tracer, packet, from: .process(namespace: try bed.space("client").inode))
        let result = try await TraceRun(
            subject, count: 1, directories: [bed.folder], patience: .milliseconds(100)
        ).send()
        let seen = try #require(result.observations.first)
        let drawing = ObservationRenderer().render(seen, number: 1, of: 1)
        let first = try #require(seen.comparison.firstDifference.map { seen.comparison.rows[$0] }, "\(drawing)")
        #expect((first.observed ?? first.predicted)?.stage.name == "filter", "\(drawing)")
        #expect(seen.observed.outward.verdict.text.contains("handle"), "\(drawing)")
        #expect(drawing.contains("the first difference:") && drawing.contains("they differ first at:"))
    }

    @Test func `what the kernel gives up by itself has the kernel's reason`() async throws {
        let bed = try await Bed()
        try await bed.shell("router", "sysctl -qw net.ipv4.conf.all.rp_filter=1; ip route add blackhole 10.1.1.2")
        var seen = try #require(try await bed.trace(.tcp, to: "10.2.1.2", 80).observations.first)
        #expect(seen.observed.outward.verdict.reason == .reversePathFilter, "\(seen.observed)")
        #expect(seen.comparison.agrees, "\(ObservationRenderer().render(seen, number: 1, of: 1))")

        try await bed.shell("router", "ip route del blackhole 10.1.1.2; sysctl -qw net.ipv4.ip_forward=0")
        seen = try #require(try await bed.trace(.udp, to: "10.2.1.2", 53).observations.first)
        #expect(seen.observed.outward.verdict.outcome == .dropped, "\(seen.observed)")
        #expect(seen.comparison.agrees, "\(ObservationRenderer().render(seen, number: 1, of: 1))")

        // A device takes only what is for its own Ethernet address.
        try await bed.shell(
            "router",
            """
            sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
            ip neigh replace 10.2.1.2 lladdr 02:00:00:00:00:99 dev r1 nud permanent
            """)
        seen = try #require(try await bed.trace(.tcp, to: "10.2.1.2", 80).observations.first)
        #expect(seen.observed.outward.verdict.reason == .otherHost, "\(seen.observed)")
        #expect(seen.observed.outward.hops.last?.stage.name == "s1")
        #expect(seen.comparison.agrees, "\(ObservationRenderer().render(seen, number: 1, of: 1))")
    }

    @Test func `a closed port's reset is the answer, and a closed port of UDP is refused`() async throws {
        let bed = try await Bed()
        let tcp = try #require(try await bed.trace(.tcp, to: "10.2.1.2", 81).observations.first)
        #expect(tcp.observed.outward.verdict.outcome == .refused && tcp.observed.reply != nil, "\(tcp.observed)")
        #expect(tcp.comparison.agrees, "\(ObservationRenderer().render(tcp, number: 1, of: 1))")
        let udp = try #require(try await bed.trace(.udp, to: "10.2.1.2", 81).observations.first)
        #expect(udp.observed.outward.verdict.reason == .noSocket, "\(udp.observed)")
        #expect(udp.comparison.agrees, "\(ObservationRenderer().render(udp, number: 1, of: 1))")
    }

    @Test func `packets of others are followed when we wait, and only those that match`() async throws {
        let bed = try await Bed()
        let servers = try await bed.serve([80])
        let tracer = try PathTracer([try await bed.inventory()])
        let packet = Packet(
            .tcp, from: .v4(IPv4Address(rawValue: 0)), Question.clientPort, to: try #require(IPAddress("10.2.1.2")), 80)
        let subject = TraceRun.Subject(tracer, packet, from: .process(namespace: try bed.space("client").inode))
        let run = TraceRun(subject, count: 2, directories: [bed.folder])
        async let result = run.wait(.seconds(20))
        // One port is asked that nobody follows, then twice the other one.
        for port in [81, 80, 81, 80, 80] {
            try await Task.sleep(for: .milliseconds(300))
            _ = try? await bed.shell("client", "timeout 1 bash -c '</dev/tcp/10.2.1.2/\(port)'")
        }
        let seen = try await result
        withExtendedLifetime(servers) {}
        #expect(!seen.isSent && seen.observations.count == 2)
        #expect(seen.observations.allSatisfy { $0.observed.outward.packet.destinationPort == 80 })
        #expect(seen.observations.allSatisfy { $0.comparison.agrees })
    }
}
