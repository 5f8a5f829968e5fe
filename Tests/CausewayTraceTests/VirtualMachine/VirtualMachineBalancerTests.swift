import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
import CausewayTestKit
import CausewayTrace
import Foundation
import Testing

/// The walk through IPVS against IPVS itself: real packets, every chain, translation and device compared.
@Suite(.serialized, .enabled(if: VirtualMachine.isHere, Comment(rawValue: VirtualMachine.whyNot)))
struct VirtualMachineBalancerTests {
    private static func draw(_ seen: Observation) -> String { ObservationRenderer().render(seen, number: 1, of: 1) }

    /// Where the balancer sent a packet.
    private static func chosen(_ seen: Observation) -> String? {
        seen.observed.outward.hops.first { $0.stage.kind == .balancer }?.after?.destinationText
    }

    @Test(arguments: [TraceSession.Eyes.best, .captures])
    func `a published port leads through the balancer to each task in turn, as it is predicted`(
        _ eyes: TraceSession.Eyes
    ) async throws {
        let bed = try await BalancerBed.fresh()
        let servers = [
            try await Servers([80], in: bed.space("web1")), try await Servers([80], in: bed.space("web2")),
        ]
        let result = try await bed.trace(to: "192.168.77.11", 8080, count: 4, eyes: eyes)
        var agreeing = result.observations.filter(\.comparison.agrees)
        // Two captures' times may change places on a busy machine: then some packets more have to be as predicted.
        for _ in 0..<6 where eyes == .captures && agreeing.count < 4 {
            let more = try await bed.trace(to: "192.168.77.11", 8080, count: 2, eyes: eyes)
            agreeing += more.observations.filter(\.comparison.agrees)
        }
        withExtendedLifetime(servers) {}

        #expect(result.outcomes.map(\.text) == ["connected", "connected", "connected", "connected"])
        #expect(result.observations.count == 4)
        let drawings = result.observations.filter { !$0.comparison.agrees }.map(Self.draw).joined(separator: "\n")
        #expect(agreeing.count >= 4, "\(drawings)")
        for seen in result.observations {
            let drawing = Self.draw(seen)
            #expect(seen.observed.outward.verdict.outcome == .delivered, "\(drawing)")
            #expect(seen.observed.reply?.verdict.outcome == .delivered, "\(drawing)")
            // The task gets the balancer's address and its own port, the client the address that it asked.
            let last = seen.observed.outward.hops.last?.packet
            #expect(last?.source == IPAddress("10.0.0.2") && last?.destinationPort == 80, "\(drawing)")
            #expect(seen.observed.reply?.hops.last?.packet.sourceText == "192.168.77.11:8080", "\(drawing)")
        }
        // Round robin.
        let turns = result.observations.map { Self.chosen($0) ?? "nobody" }
        #expect(turns.filter { $0 == "10.0.0.5:8080" }.count == 2, "\(turns)")
        #expect(turns.filter { $0 == "10.0.0.6:8080" }.count == 2, "\(turns)")
        let candidates = try #require(result.observations.first).predicted.candidates
        #expect(candidates.map(\.target) == ["10.0.0.5:8080", "10.0.0.6:8080"])
        #expect(candidates.allSatisfy { $0.share == "1/2" })
    }

    @Test(arguments: ["192.168.77.11", "127.0.0.1"])
    func `the node itself asks a published port`(_ address: String) async throws {
        let bed = try await BalancerBed.fresh()
        let servers = [
            try await Servers([80], in: bed.space("web1")), try await Servers([80], in: bed.space("web2")),
        ]
        let result = try await bed.trace(to: address, 8080, from: "node")
        withExtendedLifetime(servers) {}

        let seen = try #require(result.observations.first)
        #expect(result.outcomes.map(\.text) == ["connected"], "\(Self.draw(seen))")
        #expect(seen.comparison.agrees, "\(Self.draw(seen))")
    }

    @Test func `a service's address is balanced on every port, and the kernel answers its echo requests`() async throws
    {
        let bed = try await BalancerBed.fresh()
        let servers = [
            try await Servers([80], in: bed.space("web1")), try await Servers([80], in: bed.space("web2")),
        ]
        let result = try await bed.trace(to: "10.0.0.4", 80, from: "asker", count: 2)
        withExtendedLifetime(servers) {}

        #expect(result.outcomes.map(\.text) == ["connected", "connected"])
        for seen in result.observations { #expect(seen.comparison.agrees, "\(Self.draw(seen))") }
        #expect(Set(result.observations.map { Self.chosen($0) }) == ["10.0.0.5:80", "10.0.0.6:80"])

        let echo = try #require(try await bed.trace(.icmp, to: "10.0.0.4", 0, from: "asker").observations.first)
        #expect(echo.comparison.agrees, "\(Self.draw(echo))")
        #expect(echo.observed.outward.hops.last?.place.namespace == "ingress_sbox", "\(Self.draw(echo))")
    }

    @Test func `a destination that drains gets nothing new`() async throws {
        let bed = try await BalancerBed.fresh()
        let servers = [try await Servers([80], in: bed.space("web2"))]
        try await bed.shell("ingress_sbox", "ipvsadm -e -f \(BalancerBed.mark) -r 10.0.0.5:0 -m -w 0")
        let result = try await bed.trace(to: "192.168.77.11", 8080, count: 3)
        withExtendedLifetime(servers) {}

        #expect(result.outcomes.map(\.text) == ["connected", "connected", "connected"])
        for seen in result.observations {
            #expect(seen.comparison.agrees, "\(Self.draw(seen))")
            #expect(seen.predicted.candidates.map(\.target) == ["10.0.0.6:8080"])
        }
    }

    @Test(arguments: [Packet.Transport.tcp, .udp])
    func `when all destinations drain the client is refused at once`(_ transport: Packet.Transport) async throws {
        let bed = try await BalancerBed.fresh()
        try await bed.shell("ingress_sbox", "ipvsadm -R <<'END'\n\(BalancerBed.balancer("-m", weight: 0))\nEND")
        let result = try await bed.trace(transport, to: "192.168.77.11", 8080)

        let seen = try #require(result.observations.first)
        #expect(result.outcomes.map(\.text) == ["Connection refused"], "\(Self.draw(seen))")
        #expect(seen.predicted.outward.verdict.outcome == .refused, "\(Self.draw(seen))")
        #expect(seen.predicted.outward.verdict.answer == "icmp port-unreachable", "\(Self.draw(seen))")
        #expect(seen.predicted.refusal?.verdict.outcome == .delivered, "\(Self.draw(seen))")
    }

    @Test(arguments: [Packet.Transport.tcp, .udp])
    func `a task whose port is closed refuses, and the client hears it through the balancer`(
        _ transport: Packet.Transport
    ) async throws {
        let bed = try await BalancerBed.fresh()
        let result = try await bed.trace(transport, to: "192.168.77.11", 8080)

        let seen = try #require(result.observations.first)
        #expect(result.outcomes.map(\.text) == ["Connection refused"], "\(Self.draw(seen))")
        #expect(seen.predicted.outward.verdict.outcome == .refused, "\(Self.draw(seen))")
        #expect(
            seen.predicted.outward.verdict.answer == (transport == .tcp ? "tcp reset" : "icmp port-unreachable"))
        #expect(seen.comparison.agrees, "\(Self.draw(seen))")
    }

    @Test func `a port that is not published is the node's own, and closed`() async throws {
        let bed = try await BalancerBed.fresh()
        let result = try await bed.trace(to: "192.168.77.11", 8081)

        let seen = try #require(result.observations.first)
        #expect(result.outcomes.map(\.text) == ["Connection refused"], "\(Self.draw(seen))")
        #expect(seen.comparison.agrees, "\(Self.draw(seen))")
        #expect(seen.predicted.candidates.isEmpty)
    }

    @Test func `direct routing leaves the packet as it is, and the task answers the client itself`() async throws {
        let bed = try await BalancerBed.fresh()
        try await bed.shell(
            "ingress_sbox",
            """
            iptables -t nat -F
            sysctl -qw net.ipv4.vs.conntrack=0 net.ipv4.conf.all.send_redirects=0
            ipvsadm -R <<'END'
            \(BalancerBed.balancer("-g"))
            END
            """)
        for name in ["web1", "web2"] {
            try await bed.shell(
                name,
                """
                sysctl -qw net.ipv4.conf.eth0.arp_ignore=1 net.ipv4.conf.eth0.arp_announce=2
                ip addr add 10.0.0.4/32 dev lo
                """)
        }
        let servers = [
            try await Servers([80], in: bed.space("web1")), try await Servers([80], in: bed.space("web2")),
        ]
        let result = try await bed.trace(to: "10.0.0.4", 80, from: "asker", count: 2)
        withExtendedLifetime(servers) {}
        for name in ["web1", "web2"] { try await bed.shell(name, "ip addr del 10.0.0.4/32 dev lo") }

        #expect(result.outcomes.map(\.text) == ["connected", "connected"])
        for seen in result.observations {
            #expect(seen.comparison.agrees, "\(Self.draw(seen))")
            #expect(seen.observed.outward.hops.last?.packet.destinationText == "10.0.0.4:80")
            let places = seen.observed.reply?.hops.map(\.place.namespace) ?? []
            #expect(!places.contains("ingress_sbox"), "\(Self.draw(seen))")
        }
        #expect(
            Set(result.observations.compactMap { $0.observed.outward.hops.last?.place.namespace }) == ["web1", "web2"])
    }
}
