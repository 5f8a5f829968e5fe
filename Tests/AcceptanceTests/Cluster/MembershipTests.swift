import Foundation
import Testing

extension Acceptance.OnLab {
    /// How nodes come into a cluster, and out of it.
    @Suite(.serialized) struct Membership {
        @Test func `a node joins by the command that join-token prints, and leaves`() async throws {
            try await Lab.with(nodes: 2, joins: false) { lab in
                let first = try await lab.manager("swarm", "init", "--advertise-addr", lab.address("n1"))
                let line = try #require(first.lines.first { $0.contains("docker swarm join --token") })
                let printed = try await lab.manager("swarm", "join-token", "worker")
                #expect(printed.out.contains(line.trimmingCharacters(in: .whitespaces)))

                // Exactly what is printed, in a shell of the other node.
                try await Lab.causeway(["exec", "n2", "--", "sh", "-c", line])
                try await Self.nodes(lab, ["n1": "Ready", "n2": "Ready"])
                let again = try await Command(
                    [Machine.executable("causeway"), "lab", "exec", "n2", "--", "sh", "-c", line]
                ).attempt()
                #expect(again.err.contains("already part of a swarm"), "\(again.all)")
                let worker = try await lab.docker("n2").attempt("service", "ls")
                #expect(worker.err.contains("not a swarm manager"), "\(worker.all)")

                try await lab.docker("n2")("swarm", "leave")
                try await Self.nodes(lab, ["n1": "Ready", "n2": "Down"])
                let left = try await lab.docker("n2")("info", "--format", "{{.Swarm.LocalNodeState}}")
                #expect(left.trimmed == "inactive")

                // And back again, as itself.
                try await Lab.causeway(["exec", "n2", "--", "sh", "-c", line])
                try await Self.nodes(lab, ["n1": "Ready", "n2": "Ready"])
            }
        }

        @Test func `a token that is not today's lets nobody in`() async throws {
            try await Lab.with(nodes: 2, joins: false) { lab in
                try await lab.manager("swarm", "init", "--advertise-addr", lab.address("n1"))
                let token = try await lab.manager("swarm", "join-token", "--quiet", "worker").trimmed
                try await lab.manager("swarm", "join-token", "--rotate", "--quiet", "worker")
                let forged = String(token.dropLast(25)) + String(repeating: "0", count: 25)
                for bad in [token, forged, "SWMTKN-1-x-y"] {
                    let said = try await lab.docker("n2").attempt(
                        "swarm", "join", "--token", bad, "\(lab.address("n1")):2377")
                    #expect(!said.succeeded && said.err.contains("token"), "\(said.all)")
                }
                try await Self.nodes(lab, ["n1": "Ready"])
                let state = try await lab.docker("n2")("info", "--format", "{{.Swarm.LocalNodeState}}")
                #expect(state.trimmed == "inactive")
            }
        }

        @Test func `a port for nodes that somebody else has is refused by name, and nothing has begun`() async throws {
            try await Lab.with(nodes: 1, joins: false) { lab in
                let log = "/run/causeway-test-2377.log"
                let words = [try await whoamiProgram(), "2377"]
                let other = try Spawned(lab.at("n1").wrap(words), out: log, err: log)
                try await eventually("the port to be taken") {
                    let said = try await Command(lab.at("n1").wrap(["ss", "-Hltn", "sport = :2377"])).run()
                    return said.out.isEmpty ? nil : true
                }
                let refused = try await lab.manager.attempt("swarm", "init", "--advertise-addr", lab.address("n1"))
                #expect(refused.err.contains("port 2377 is held by causeway-test-w"), "\(refused.all)")
                let state = try await lab.manager("info", "--format", "{{.Swarm.LocalNodeState}}")
                #expect(state.trimmed == "inactive")
                try await lab.manager(
                    "swarm", "init", "--advertise-addr", lab.address("n1"), "--listen-addr", "0.0.0.0:2378")
                await other.stop()
            }
        }

        @Test func `the root certificate is replaced under running tasks, and waits for a node that is away`()
            async throws
        {
            try await Lab.with { lab in
                let old = try await lab.manager("swarm", "join-token", "--quiet", "worker").trimmed
                let before = try await lab.manager("swarm", "ca").trimmed
                try await lab.service("mb-root", replicas: 3, "--publish", "8080:80")
                let running = try await lab.converged("mb-root", 3)
                kill(try #require(try await lab.status()["n3"]?.pid), SIGKILL)
                try await lab.manager("swarm", "ca", "--rotate", "--detach")
                let after = try await lab.manager("swarm", "ca").trimmed
                #expect(after != before && after.hasPrefix("-----BEGIN CERTIFICATE-----"))
                try await Self.roots(lab, ["n1": after, "n2": after, "n3": before])
                let again = try await lab.manager.attempt("swarm", "ca", "--rotate", "--detach")
                #expect(!again.succeeded && again.err.contains("n3"), "\(again.all)")

                // What it knows is the former root.
                try await Acceptance.OnLab.Mesh.startDaemon("n3", lab)
                try await Self.roots(lab, ["n1": after, "n2": after, "n3": after])
                // And this time the command line waits itself until all have it.
                try await lab.manager("swarm", "ca", "--rotate", "--quiet")
                let last = try await lab.manager("swarm", "ca").trimmed
                #expect(last != after)
                try await Self.roots(lab, ["n1": last, "n2": last, "n3": last])
                try await Self.nodes(lab, ["n1": "Ready", "n2": "Ready", "n3": "Ready"])
                #expect(try await lab.converged("mb-root", 3) == running)

                try await lab.docker("n3")("swarm", "leave")
                let refused = try await lab.docker("n3").attempt(
                    "swarm", "join", "--token", old, "\(lab.address("n1")):2377")
                #expect(!refused.succeeded, "\(refused.all)")
                let token = try await lab.manager("swarm", "join-token", "--quiet", "worker").trimmed
                try await lab.docker("n3")("swarm", "join", "--token", token, "\(lab.address("n1")):2377")
                try await Self.nodes(lab, ["n1": "Ready", "n2": "Ready", "n3": "Ready"])
            }
        }

        @Test func `a node that leaves takes everything of ours with it, and its tasks run elsewhere`() async throws {
            try await Lab.with { lab in
                try await lab.service("mb-leave", replicas: 3, "--publish", "8080:80")
                let before = try await Self.network(of: "n3", lab)
                #expect(before.contains("inet causeway"))
                try await lab.docker("n3")("swarm", "leave")
                let after = try await Self.network(of: "n3", lab)
                #expect(!after.contains("causeway") && !after.contains("cw-"), "\(after)")
                #expect(try await lab.converged("mb-leave", 3).values.allSatisfy { $0 != "n3" })
                #expect(try await lab.docker("n3").attempt("swarm", "leave").err.contains("not part of a swarm"))
            }
        }

        @Test func `a node that is removed stops what it ran, and can leave and come back`() async throws {
            try await Lab.with { lab in
                try await lab.service("mb-remove", replicas: 3, "--publish", "8080:80")
                let refused = try await lab.manager.attempt("node", "rm", "n3")
                #expect(refused.err.contains("is not down"), "\(refused.all)")
                try await lab.manager("node", "rm", "--force", "n3")
                #expect(try await lab.converged("mb-remove", 3).values.allSatisfy { $0 != "n3" })
                try await eventually("n3 to be empty") {
                    let network = try await Self.network(of: "n3", lab)
                    return network.contains("causeway") || network.contains("cw-") ? nil : true
                }
                let state = try await lab.docker("n3")("info", "--format", "{{.Swarm.LocalNodeState}}")
                #expect(state.trimmed == "error")
                try await lab.docker("n3")("swarm", "leave")
                let token = try await lab.manager("swarm", "join-token", "--quiet", "worker").trimmed
                try await lab.docker("n3")("swarm", "join", "--token", token, "\(lab.address("n1")):2377")
                try await Self.nodes(lab, ["n1": "Ready", "n2": "Ready", "n3": "Ready"])
            }
        }

        /// Waits until the nodes have certificates of these roots.
        static func roots(_ lab: Lab, _ wanted: [String: String]) async throws {
            try await eventually("each node to have a certificate of its root") { () -> Bool? in
                for (node, root) in wanted {
                    let format = "{{.Description.TLSInfo.TrustRoot}}"
                    guard try await lab.manager("node", "inspect", "--format", format, node).trimmed == root else {
                        return nil
                    }
                }
                return true
            }
        }

        /// Waits until the manager lists exactly these.
        static func nodes(_ lab: Lab, _ wanted: [String: String]) async throws {
            try await eventually("the nodes to be \(wanted)") {
                let lines = try await lab.manager("node", "ls", "--format", "{{.Hostname}} {{.Status}}").lines
                let found = Dictionary(
                    lines.map { $0.split(separator: " ").map(String.init) }.map { ($0[0], $0[1]) }
                ) { $1 }
                return found == wanted ? true : nil
            }
        }

        /// What is in a node's network.
        static func network(of node: String, _ lab: Lab) async throws -> String {
            let script = "ip link; ip rule; ip route show table all; nft list tables"
            return try await Command(lab.at(node).wrap(["sh", "-c", script])).run().out
        }
    }
}
