import CausewayKernel
import CausewayTestKit
import Foundation
import Testing

extension Acceptance.InLab {
    /// What others do to what is ours on any node is undone, and the other nodes notice nothing of it.
    @Suite(.serialized, .nodes(Machine.isFull ? 5 : 3)) struct NodeRepair {
        static let acts = Machine.isFull ? 200 : 20
        static let limit = Duration.seconds(2)

        @Test func `acts by chance on any node are repaired within 2 s, counted and named, under load`() async throws {
            try await Self.withServices { nodes in
                var chance = SeededGenerator(seed: Machine.seed)
                var reference: [String: [String: KernelState]] = [:]
                for node in nodes { reference[node] = try await NodeView(node: node).state() }
                var slowest: (time: Duration, act: String) = (.zero, "")
                for number in 1...Self.acts {
                    let node = nodes[Int.random(in: 0..<nodes.count, using: &chance)]
                    let kinds = try await NodeAct.all(on: node)
                    let kind = kinds[Int.random(in: 0..<kinds.count, using: &chance)]
                    let act = kind[Int.random(in: 0..<kind.count, using: &chance)]
                    let label = "seed \(Machine.seed), act \(number), \(node): \(act)"
                    let time = try await Self.repair(act, node, reference[node] ?? [:], label)
                    if time > slowest.time { slowest = (time, "\(node): \(act)") }
                    try await lab.plansBecomeEmpty(within: .seconds(2))
                }
                print("seed \(Machine.seed): \(Self.acts) acts, slowest \(slowest.time): \(slowest.act)")
                for node in nodes { try await Self.expectWorks(LabCluster.address(node)) }
            }
        }

        /// Takes an act, and returns how long it took until the node's kernel was right again.
        private static func repair(
            _ act: NodeAct, _ node: String, _ reference: [String: KernelState], _ label: String
        ) async throws -> Duration {
            let counted = try await lab.metric("causeway_repairs_total", node)
            let logged = repairs(in: node)
            try await lab.shell(node, act.script)
            let ended = ContinuousClock.now
            try await NodeView(node: node).wait(for: reference, until: ended + limit, label)
            let time = ContinuousClock.now - ended
            // `iptables -P FORWARD DROP` takes nothing of ours away where our entry is there already.
            guard !act.hitsOthers else { return time }
            try await eventually("\(label): counted", within: .seconds(2)) {
                try await lab.metric("causeway_repairs_total", node) > counted ? true : nil
            }
            #expect(repairs(in: node) > logged, "\(label): not named in the log")
            return time
        }

        private static func repairs(in node: String) -> Int {
            lab.lines(node).count { $0.contains("repaired what somebody else changed") && $0.contains("plan=") }
        }

        private static func expectWorks(_ address: String) async throws {
            // A first packet that is lost twice is sent again after one second and after three.
            let load = Load(transport: .http, address: address, port: 8080, count: 100, timeout: .seconds(5))
            let result = try await load.run(at: lab.place("client"))
            #expect(result.answered == 100, "\(address): \(result)")
        }

        /// A service with tasks on every node, asked by another and from outside all the time.
        private static func withServices(_ body: ([String]) async throws -> Void) async throws {
            let nodes = await lab.nodes
            try await lab.withNetwork("nr-net") {
                let (options, command) = LabCluster.web()
                try await lab.withService(
                    "nr-web", options: options + ["--network", "nr-net", "--publish", "8080:80"], command: command,
                    replicas: nodes.count
                ) { tasks in
                    let virtual = try await lab.virtualAddress("nr-web")
                    let load = ConstantLoad(
                        nodes.map { .init(place: lab.place("client"), address: LabCluster.address($0), port: 8080) }
                            + [.init(place: try #require(tasks.first).network, address: virtual, port: 80)],
                        timeout: .seconds(2))
                    try await lab.plansBecomeEmpty()
                    do { try await body(nodes) } catch {
                        _ = try? await load.stop()
                        throw error
                    }
                    let total = try await load.stop()
                    print("load: \(total)")
                    // What was asked while a table was away fails; most was asked while none was.
                    #expect(total.answered * 10 > total.requested * 9, "\(total)")
                }
            }
        }
    }
}
