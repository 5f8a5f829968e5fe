import CausewayTestKit
import Foundation
import Testing

extension Acceptance.InLab {
    /// What others do to what is ours on any node is undone, and the other nodes notice nothing of it.
    @Suite(.serialized, .nodes(Machine.isFull ? 5 : 3)) struct NodeRepair {
        static let acts = Machine.isFull ? 200 : 20

        @Test func `acts by chance on any node are repaired within 2 s, counted and named, under load`() async throws {
            try await Self.withServices { nodes in
                let meddler = Meddler(acts: Self.acts, limit: .seconds(2)) { try await NodeAct.all(on: $0) }
                try await meddler.run(try await meddler.reference())
                for node in nodes { try await Self.expectWorks(LabCluster.address(node)) }
            }
        }

        private static func expectWorks(_ address: String) async throws {
            let load = Load(transport: .http, address: address, port: 8080, count: 100, timeout: .seconds(2))
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
