import CausewayKernel
import CausewayLinux
import CausewayPath
import CausewayTestKit
import CausewayTrace
import Foundation
import Testing

/// The lens on a Docker Swarm that Docker Engine has made, with real packets between its nodes.
@Suite(
    .serialized, .enabled(if: VirtualMachine.isHere, Comment(rawValue: VirtualMachine.whyNot)),
    .timeLimit(.minutes(15)))
struct VirtualMachineSwarmTests {
    private static func draw(_ seen: Observation) -> String { ObservationRenderer().render(seen, number: 1, of: 1) }

    /// Until the bridges know who is where: before that they flood, and copies are seen that lead nowhere.
    private func settled(_ trace: () async throws -> TraceRun.Result) async throws -> TraceRun.Result {
        var result = try await trace()
        for _ in 0..<3 where !result.observations.allSatisfy(\.comparison.agrees) { result = try await trace() }
        return result
    }

    private func expect(_ result: TraceRun.Result, toReach tasks: Set<String>) {
        #expect(result.outcomes.allSatisfy { $0.text == "connected" }, "\(result.outcomes.map(\.text))")
        #expect(result.observations.count == result.outcomes.count)
        for seen in result.observations {
            let drawing = Self.draw(seen)
            #expect(seen.comparison.agrees, "\(drawing)")
            #expect(seen.observed.outward.verdict.outcome == .delivered, "\(drawing)")
            #expect(seen.observed.reply?.verdict.outcome == .delivered, "\(drawing)")
            #expect(seen.predicted.isCertain, "\(drawing)")
        }
        #expect(Set(result.observations.compactMap { $0.observed.outward.hops.last?.place.title }) == tasks)
    }

    @Test func `a published port leads to a task on each node, by the very hops that are predicted`() async throws {
        let swarm = try await RealSwarm.running()
        let result = try await settled { try await swarm.trace("web:8080", from: "client", at: "hosta", count: 2) }

        expect(result, toReach: ["web.1", "web.2"])
        let candidates = try #require(result.observations.first).predicted.candidates
        #expect(candidates.map(\.share) == ["1/2", "1/2"])
        // One of them has been through the tunnel.
        let tunnels = result.observations.map { seen in
            seen.observed.outward.hops.count { $0.stage.kind == .encapsulate }
        }
        #expect(tunnels.sorted() == [0, 1])
    }

    @Test func `a task's question to another service goes by its own node's balancer`() async throws {
        let swarm = try await RealSwarm.running()
        let result = try await settled { try await swarm.trace("web", from: "task:api.1", at: nil, count: 2) }

        expect(result, toReach: ["web.1", "web.2"])
    }

    @Test func `the doctor finds nothing wrong with a healthy swarm`() async throws {
        let swarm = try await RealSwarm.running()
        let files = try swarm.snapshots()
        let together = try swarm.causeway(
            on: "hosta", "doctor", "--docker", "--input", files[0], "--input", files[1])

        #expect(together.status == 0, "\(together.output)\(together.errors)")
        #expect(together.output.hasPrefix("hosta, hostb: nothing wrong was found"), "\(together.output)")
        for node in RealSwarm.nodes {
            let alone = try swarm.causeway(on: node, "doctor", "--docker")
            #expect(
                alone.status == 0 && alone.output.hasPrefix("\(node): nothing wrong was found"),
                "\(alone.output)\(alone.errors)")
        }
    }

    @Test func `the command line draws the way through both nodes`() async throws {
        let swarm = try await RealSwarm.running()
        let files = try swarm.snapshots()
        let drawn = try (1...2).map { choice in
            try swarm.causeway(
                on: "hosta", "path", "web:8080", "--at", "hosta", "--from", "client", "--return", "--choose",
                "\(choice)", "--input", files[0], "--input", files[1], "--input", files[2])
        }

        #expect(drawn.map(\.status) == [0, 0], "\(drawn[0].errors)\(drawn[1].errors)")
        #expect(drawn.count { $0.output.contains("host hostb") } == 1, "\(drawn[0].output)\(drawn[1].output)")
        #expect(drawn.allSatisfy { $0.output.contains("balancer of ingress on hosta") })
        #expect(drawn.allSatisfy { $0.output.contains("1/2  10.0.0.") })
    }

    /// Both nodes have the same of everything that Docker Engine made, in roles' names.
    @Test func `one node of the swarm is made like the other`() async throws {
        let swarm = try await RealSwarm.running()
        let shape = SandboxShape(Array(try swarm.inventories().prefix(2)))

        let both = ["balancer of ingress", "balancer of network1", "host", "overlay of ingress", "overlay of network1"]
        for node in ["node1", "node2"] {
            let wanted = Set((both + ["web@\(node)"]).map { "\(node) \($0)" })
            #expect(wanted.isSubset(of: shape.places.keys), "\(shape.places.keys.sorted())")
        }
        for place in ["balancer of ingress", "balancer of network1", "web@NODE", "host"] {
            func rules(_ node: String) -> [String: [String]] {
                let lines = shape.places["\(node) \(place.replacing("NODE", with: node))"] ?? [:]
                return lines.filter { $0.key.hasPrefix("iptables") }
                    .mapValues { $0.map { $0.replacing(node, with: "NODE") } }
            }
            #expect(rules("node1") == rules("node2"), "\(place)")
        }
    }
}
