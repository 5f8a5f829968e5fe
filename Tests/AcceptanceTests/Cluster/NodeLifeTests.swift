import CausewayKernel
import Foundation
import Testing

extension Acceptance.InLab {
    /// Nodes that are drained and removed, and hosts that never were any.
    @Suite(.serialized, .nodes(3)) struct NodeLife {
        @Test func `draining a node moves its tasks, and no request fails`() async throws {
            try await Self.withWeb(replicas: 6) { tasks in
                let old = Set(tasks.filter { $0.node == "n3" }.map(\.container))
                #expect(old.count == 2, "\(tasks)")
                let load = Steady(addresses: await lab.addresses([4, 6]), new: 60, udp: 20)
                let result = try await load.during(at: lab.place("client")) {
                    try await lab.manager("node", "update", "--availability", "drain", "n3")
                    try await eventually("n3 to have no task", within: .seconds(60)) {
                        let places = try await lab.places("nl-web")
                        return places.count == 6 && places.allSatisfy { $0.node != "n3" } ? true : nil
                    }
                    try await lab.converged("nl-web", 6)
                    try await lab.manager("node", "update", "--availability", "active", "n3")
                    try await Task.sleep(for: .seconds(1))
                }
                print("a drain: \(result)")
                #expect(result.new.failures == 0, "\(result)")
                #expect(result.udp.longest_silence_ms ?? 0 < 500, "\(result)")
                let others = try await lab.places("nl-web").map(\.container)
                #expect(
                    Set(others).isSuperset(of: tasks.filter { $0.node != "n3" }.map(\.container)), "others moved too")
                try await lab.plansBecomeEmpty()
            }
        }

        @Test func `a tunnel packet from a stranger is refused and counted, and nothing changes`() async throws {
            try await Self.withWeb(replicas: 3) { tasks in
                try await lab.plansBecomeEmpty()
                let target = try #require(tasks.first { $0.node == "n2" })
                let address = try #require(
                    try await lab.addresses(of: target).first { $0.hasPrefix("10.") && !$0.contains(":") })
                var before: [String: [String: KernelState]] = [:]
                for node in await lab.nodes { before[node] = try await NodeView(node: node).state() }
                let counted = try await Self.dropped("n2")
                // It has a node's address inside the tunnel, and knows the way.
                try await Underlay.addStranger(towards: "n2", number: 2, inner: "100.64.0.3/16")
                do {
                    let load = Load(
                        transport: .http, address: address, port: 80, count: 10, atOnce: 5, timeout: .milliseconds(500))
                    let result = try await load.run(at: .namespace("stranger"))
                    #expect(result.answered == 0 && result.failed["timeout"] == 10, "\(result)")
                    let datagrams = Load(
                        transport: .udp, address: address, port: 80, count: 10, atOnce: 5, timeout: .milliseconds(500))
                    #expect(try await datagrams.run(at: .namespace("stranger")).answered == 0)
                    #expect(try await Self.dropped("n2") >= counted + 20)
                } catch {
                    try await Underlay.removeStranger()
                    throw error
                }
                try await Underlay.removeStranger()
                for (node, state) in before {
                    try await NodeView(node: node).wait(for: state, until: .now + .seconds(1), "changed by a stranger")
                }
            }
        }

        @Test func `a node that is removed by force is out of every table, and its tasks run elsewhere`() async throws {
            try await Self.withWeb(replicas: 6) { tasks in
                try await lab.manager("node", "rm", "--force", "n3")
                let left = ["n1", "n2"]
                try await eventually("all to run on the others", within: .seconds(60)) {
                    let places = try await lab.places("nl-web")
                    return places.count == 6 && places.allSatisfy { left.contains($0.node) } ? true : nil
                }
                for node in left {
                    try await eventually("\(node) to forget n3") {
                        let rows = try await lab.shell(node, "bridge fdb show dev cw-vxlan").out
                        return rows.contains(LabCluster.address("n3")) ? nil : true
                    }
                }
                #expect(try await !lab.manager("node", "ls", "--format", "{{.Hostname}}").lines.contains("n3"))
                for node in left {
                    let load = Load(
                        transport: .http, address: LabCluster.address(node), port: 8080, count: 60, atOnce: 8)
                    let result = try await load.run(at: lab.place("client"))
                    #expect(result.answered == 60, "\(node): \(result)")
                }
                // It is no member any more: it took everything down, and says so.
                try await eventually("n3 to hold nothing") {
                    let tables = try await lab.shell("n3", "nft list tables; ip link show").out
                    return tables.contains("causeway") || tables.contains("cw-") ? nil : true
                }
                _ = try await lab.docker("n3").attempt("swarm", "leave", "--force")
                try await lab.join("n3")
                try await lab.manager("service", "scale", "--detach", "nl-web=9")
                try await lab.converged("nl-web", 9)
                #expect(try await lab.places("nl-web").contains { $0.node == "n3" })
                try await lab.plansBecomeEmpty()
            }
        }

        // MARK: parts

        private static func withWeb(replicas: Int, _ body: ([LabCluster.Place]) async throws -> Void) async throws {
            let (options, command) = LabCluster.web(grace: 2)
            try await lab.withService(
                "nl-web", options: options + ["--publish", "8080:80", "--publish", "8080:80/udp"], command: command,
                replicas: replicas, body: body)
        }

        /// How many packets of strangers a node has dropped, by its table's own count.
        private static func dropped(_ node: String) async throws -> Int {
            let said = try await lab.shell(node, "nft list chain inet causeway underlay")
            let counts = said.out.matches(of: /counter packets (\d+) bytes \d+ drop/)
            return counts.reduce(0) { $0 + (Int($1.1) ?? 0) }
        }
    }
}
