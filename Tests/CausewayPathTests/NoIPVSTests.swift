import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

/// A Swarm on a kernel without IPVS: its engine makes neither rules nor addresses for its services.
@Suite struct NoIPVSTests {
    private func inventories(hasIPVS: Bool?) throws -> [Inventory] {
        try RecordedSwarm().inventories(["hosta", "hostb"]).map { inventory in
            var inventory = inventory
            for at in inventory.namespaces.indices {
                inventory.namespaces[at].hasIPVS = hasIPVS
                inventory.namespaces[at].ipvs = []
                inventory.namespaces[at].addresses.removeAll { $0.address.isHost }
                inventory.namespaces[at].neighbors.removeAll { $0.neighbor.destination == IPAddress("10.0.1.2") }
                inventory.namespaces[at].iptables.removeAll { $0.name == "nat" && at == 0 }
                inventory.namespaces[at].sockets.removeAll { $0.processName == "dockerd" }
            }
            return inventory
        }
    }

    @Test func `a dead port is explained`() throws {
        let trace = try RecordedSwarm.ask(
            try inventories(hasIPVS: false), "web:8080", from: "192.168.77.100", at: "hosta")

        #expect(trace.outward.verdict.outcome == .refused)
        let why = try #require(trace.remarks.first)
        #expect(
            why.hasPrefix("the service web publishes port 8080 on every node, which Docker Swarm balances with IPVS"))
        #expect(trace.description.contains("why: the service web"))
        #expect(SVGRenderer().render(trace).contains("why: the service web"))
    }

    @Test func `a dead virtual address is explained`() throws {
        let trace = try RecordedSwarm.ask(try inventories(hasIPVS: false), "web", from: "probe-hosta")

        #expect(trace.outward.verdict.reason == .neighborFailed)
        #expect(trace.remarks.first?.contains("the service web has the virtual address 10.0.1.2") == true)
    }

    @Test(arguments: [true, nil]) func `nothing is said of IPVS where it is, or may be`(hasIPVS: Bool?) throws {
        let trace = try RecordedSwarm.ask(
            try inventories(hasIPVS: hasIPVS), "web:8080", from: "192.168.77.100", at: "hosta")
        #expect(trace.remarks.isEmpty)
    }

    @Test func `nothing is said of IPVS where the packet was for nobody's port`() throws {
        let trace = try RecordedSwarm.ask(
            try inventories(hasIPVS: false), "host:9999", from: "192.168.77.100", at: "hosta")
        #expect(trace.outward.verdict.outcome == .refused)
        #expect(trace.remarks.isEmpty)
    }
}
