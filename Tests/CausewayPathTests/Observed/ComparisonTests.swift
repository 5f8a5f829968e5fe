import CausewayKernel
import CausewayModel
import Foundation
import Testing

@testable import CausewayPath

/// What counts as a difference between what is predicted and what is seen, on a recorded Docker Swarm.
@Suite struct ComparisonTests {
    private func trace() throws -> Trace {
        try RecordedSwarm.ask(try RecordedSwarm().inventories(), "web:8080", from: "client", at: "hosta")
    }

    /// Whether the same is not what was predicted when that is missing, and the overlay's bridge.
    private func differs(_ trace: Trace, without isGone: (Hop) -> Bool) -> Bool {
        func isUnseen(_ hop: Hop) -> Bool { isGone(hop) || hop.stage.kind == .bridge && hop.stage.name == "br0" }
        var seen = trace
        seen.outward.hops.removeAll(where: isUnseen)
        seen.reply?.hops.removeAll(where: isUnseen)
        return !TraceComparison(observed: seen, predicted: trace, seesDevices: true).agrees
    }

    @Test func `a bridge between two of its ports is seen nowhere, the host's own bridge is`() throws {
        let trace = try trace()
        let bridges = trace.outward.hops.filter { $0.stage.kind == .bridge }

        #expect(Set(bridges.map(\.stage.name)) == ["docker_gwbridge", "br0"], "\(bridges)")
        #expect(!differs(trace) { _ in false })
        #expect(differs(trace) { $0.stage.name == "docker_gwbridge" && $0.stage.kind == .bridge })
    }

    @Test func `the balancer is seen by what it does alone`() throws {
        let trace = try trace()

        #expect(!differs(trace) { $0.stage.kind == .balancer })
        #expect(differs(trace) { $0.stage.hook == "postrouting" && $0.stage.chainKind == "nat" && !$0.rules.isEmpty })
    }

    /// In a Swarm the device is in one namespace, and its packets travel in the host's.
    @Test func `a tunnel's packets are looked for where they travel`() throws {
        let inventories = try RecordedSwarm().inventories()
        let tracer = try PathTracer(inventories, at: "hosta")
        let choices = try (0..<4).map {
            try RecordedSwarm.ask(inventories, "web:8080", from: "client", at: "hosta", choice: $0)
        }
        let filter = TraceFilter(
            tracer, choices, client: FollowedClient(source: nil), machine: inventories[0].machine)

        let numbers = inventories.prefix(2).map { $0.namespaces[0].inode }
        for number in numbers {
            #expect(filter.patterns[number]?.contains { $0.tunnelPort == 4789 && !$0.isAnswer } == true)
            #expect(filter.patterns[number]?.contains { $0.tunnelPort == 4789 && $0.isAnswer } == true)
        }
        let overlay = try #require(inventories[0].namespaces.first { $0.name.hasPrefix("1-4zh0") })
        #expect(filter.patterns[overlay.inode]?.contains { $0.tunnelPort != nil } != true)
    }

    @Test func `a snapshot keeps the order of base chains`() throws {
        var inventory = try RecordedSwarm().inventory("hosta")
        inventory.namespaces[0].baseChains = ["ip filter FORWARD", "ip nat OUTPUT"]

        let read = try JSONDecoder().decode(Inventory.self, from: try JSONEncoder().encode(inventory))

        #expect(read == inventory)
    }

    /// iptables-save prints five chains of a mangle table in which there is one.
    @Test func `a chain that iptables lists and the kernel has not is not met`() throws {
        let swarm = try RecordedSwarm()
        func chains(_ registered: [String]?) throws -> [String] {
            let inventories = RecordedSwarm.with(try swarm.inventories(), "hosta", "ingress_sbox") {
                $0.baseChains = registered
            }
            let trace = try RecordedSwarm.ask(inventories, "web:8080", from: "client", at: "hosta")
            return trace.outward.hops.filter { $0.place.namespace == "ingress_sbox" && $0.stage.kind == .chain }
                .map { "\($0.stage.table ?? "") \($0.stage.name)" }
        }
        let all = [
            "iptables mangle PREROUTING", "iptables nat PREROUTING", "iptables mangle INPUT",
            "iptables mangle OUTPUT", "iptables mangle POSTROUTING", "iptables nat POSTROUTING",
        ]

        #expect(try chains(nil) == all)
        // The older iptables is not nftables: none of its chains is there.
        #expect(try chains([]) == all)
        #expect(
            try chains(["ip mangle PREROUTING", "ip nat POSTROUTING"])
                == ["iptables mangle PREROUTING", "iptables nat POSTROUTING"])
    }
}
