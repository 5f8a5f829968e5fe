import CausewayKernel
import CausewayTestKit
import Foundation
import Testing

/// What a live cluster of classic networks has in its kernels, against a live Docker Swarm that runs the same services.
@Suite(
    .serialized, .enabled(if: VirtualMachine.isHere, Comment(rawValue: VirtualMachine.whyNot)),
    .timeLimit(.minutes(30)))
struct VirtualMachineClassicAgainstSwarmTests {
    @Test func `the sandboxes of both differ in nothing that is not listed with its reason`() async throws {
        let swarm = Array(try await RealSwarm.running().inventories().prefix(2))
        let ours = try await Self.inventories(placedAs: swarm)
        let comparison = SandboxComparison(swarm, ours)
        print("live against live:\n\(comparison)")

        let (explained, others) = ClassicDifference.sort(comparison)
        #expect(others.isEmpty, "not explained:\n\(others.map { "\($0)\n" }.joined())")
        #expect(Set(explained.keys) == Set(ClassicDifference.allCases), "listed and not met: only \(explained.keys)")
        // Nothing is alike only because nothing was read.
        for shape in [SandboxShape(swarm), SandboxShape(ours)] {
            for node in ["node1", "node2"] {
                let wanted = [
                    "host", "overlay of ingress", "overlay of network1", "balancer of ingress", "balancer of network1",
                    "web@\(node)",
                ]
                for place in wanted.map({ "\(node) \($0)" }) {
                    #expect((shape.places[place]?.count ?? 0) > 1, "\(place): \(shape.places.keys.sorted())")
                }
            }
            #expect(shape.places.keys.count { $0.contains(" api@") } == 1)
        }
    }

    /// The same services, `api` on the node of the same place.
    private static func inventories(placedAs swarm: [Inventory]) async throws -> [Inventory] {
        try await LiveClassic.running()
        let node = swarm.firstIndex { $0.owners.contains { $0.serviceName == "api" } } ?? 0
        var found: [Inventory] = []
        try await lab.withNetwork("backend", "--attachable", "--opt", "causeway.datapath=classic") {
            let web = ["--replicas-max-per-node", "1", "--network", "backend", "--publish", "8080:80"]
            try await lab.withService("web", options: web, replicas: 2) { _ in
                let api = ["--network", "backend", "--constraint", "node.hostname==n\(node + 1)"]
                try await lab.withService("api", options: api) { _ in
                    try await lab.plansBecomeEmpty()
                    for node in await lab.nodes { found.append(try await snapshot(of: node)) }
                }
            }
        }
        return found
    }

    private static func snapshot(of node: String) async throws -> Inventory {
        let file = "\(LabCluster.folder)/\(node)/snapshot.json"
        let words = ["lab", "exec", node, "--", Machine.executable("causeway"), "snapshot", "-o", file]
        // An engine that does not answer in time leaves it without the names of tasks.
        return try await eventually("a whole snapshot of \(node)") {
            try await LabCluster.causeway(words).run()
            let inventory = try JSONDecoder().decode(Inventory.self, from: Data(contentsOf: URL(filePath: file)))
            return inventory.gaps.isEmpty ? inventory : nil
        }
    }
}
