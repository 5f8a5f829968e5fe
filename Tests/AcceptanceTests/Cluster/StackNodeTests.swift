import Foundation
import Testing

extension Acceptance.InLab {
    /// Stack files for several nodes, asked from outside through each of them.
    @Suite(.serialized, .nodes(3)) struct StacksOnNodes {
        /// Runs a body with labels on nodes, and takes them off again.
        private func withLabels(_ labels: [String: String], _ body: () async throws -> Void) async throws {
            for (node, label) in labels {
                try await lab.manager("node", "update", "--label-add", label, node)
            }
            do { try await body() } catch {
                for (node, label) in labels { _ = try? await unlabel(node, label) }
                throw error
            }
            for (node, label) in labels { try await unlabel(node, label) }
        }

        private func unlabel(_ node: String, _ label: String) async throws {
            try await lab.manager("node", "update", "--label-rm", String(label.prefix { $0 != "=" }), node)
        }

        private func run() async -> StackRun {
            StackRun(docker: lab.manager, place: lab.place("client"), addresses: await lab.addresses())
        }

        private func nodes(_ service: String) async throws -> [String] {
            try await lab.places(service).map(\.node).sorted()
        }

        /// What a node's port answers itself, published with `mode: host`; nothing where nobody listens.
        private func answer(_ node: String, _ port: Int) async throws -> String {
            let url = "http://\(LabCluster.address(node)):\(port)/"
            return try await attempt(at: lab.place("client"), "curl", "--silent", "--max-time", "5", url).out
        }

        @Test func `a database: a primary where its label is, replicas one a node, a setup that rotates`() async throws
        {
            try await withLabels(["n1": "database=primary", "n2": "database=replica", "n3": "database=replica"]) {
                let run = await run()
                try await run.live(.database) {
                    #expect(try await nodes("database_primary") == ["n1"])
                    #expect(try await nodes("database_replica") == ["n2", "n3"])
                    try await eventually("the primary to answer at its own node") {
                        try await answer("n1", 8970) == "rows of primary\n" ? true : nil
                    }
                    for other in ["n2", "n3"] { #expect(try await answer(other, 8970).isEmpty, "\(other)") }
                    // A third has no place, and says why; the next deployment has the file's number again.
                    try await lab.manager("service", "scale", "--detach", "database_replica=3")
                    try await eventually("the third to say why it waits") {
                        try await lab.manager.tasks("database_replica").contains {
                            $0.error.contains("max replicas per node limit exceed")
                        } ? true : nil
                    }
                    try await run.deploy("database", as: "database", version: 1)
                    try await eventually("the third to be gone") {
                        try await run.tasks("database")["replica"]?.count == 2 ? true : nil
                    }
                    try await run.converged(.database)
                }
            }
            try await lab.plansBecomeEmpty(within: .seconds(30))
        }

        @Test func `a log shipper: one on every node, a new version that pauses, brought back by hand`() async throws {
            try await withLabels(["n1": "rack=a", "n2": "rack=b", "n3": "rack=c"]) {
                let run = await run()
                try await run.live(.shipping) {
                    #expect(try await nodes("shipping_app") == ["n1", "n2", "n3"], "one in every rack")
                    for node in await lab.nodes {
                        try await eventually("the shipper of \(node) to answer at its own port") {
                            let said = try await answer(node, 8972)
                            guard said.contains("shipper of \(node)\n") else { throw StackRun.Unlike(said: said) }
                            return true
                        }
                    }
                }
            }
            try await lab.plansBecomeEmpty(within: .seconds(30))
        }
    }
}
