import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

/// What counts as a difference between what is predicted and what is seen, on a recorded Docker Swarm.
@Suite struct ComparisonTests {
    private func trace() throws -> Trace {
        try RecordedSwarm.ask(try RecordedSwarm().inventories(), "web:8080", from: "client", at: "hosta")
    }

    private func differs(_ trace: Trace, without isGone: (Hop) -> Bool) -> Bool {
        var seen = trace
        seen.outward.hops.removeAll(where: isGone)
        return !TraceComparison(observed: seen, predicted: trace, seesDevices: true).agrees
    }

    @Test func `a bridge between two of its ports is seen nowhere, the host's own bridge is`() throws {
        let trace = try trace()
        let bridges = trace.outward.hops.filter { $0.stage.kind == .bridge }

        #expect(Set(bridges.map(\.stage.name)) == ["docker_gwbridge", "br0"], "\(bridges)")
        #expect(!differs(trace) { $0.stage.name == "br0" && $0.stage.kind == .bridge })
        #expect(differs(trace) { $0.stage.name == "docker_gwbridge" && $0.stage.kind == .bridge })
    }

    @Test func `the balancer is seen by what it does alone`() throws {
        let trace = try trace()

        #expect(!differs(trace) { $0.stage.kind == .balancer })
        #expect(differs(trace) { $0.stage.hook == "postrouting" && $0.stage.chainKind == "nat" && !$0.rules.isEmpty })
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
