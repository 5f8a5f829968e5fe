import Foundation
import Testing

extension Acceptance.InLab {
    /// Which nodes get a secret, and what they keep of it.
    @Suite(.serialized, .nodes(3)) struct SecretNodes {
        private let manager = lab.manager

        private func kept(_ node: String) -> String {
            let path = "\(LabCluster.folder)/\(node)/memory/assignment.json"
            return (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        }

        @Test func `a secret is given to the nodes of its tasks, outlives their daemons, and lies on no disk`()
            async throws
        {
            let (text, base64) = ("staple-correct", Data("staple-correct".utf8).base64EncodedString())
            try Data(text.utf8).write(to: URL(filePath: "/run/sn-source"))
            try await manager("secret", "create", "sn-key", "/run/sn-source")
            try await shell("rm", "/run/sn-source")
            try await manager(
                "service", "create", "--detach", "--quiet", "--name", "sn", "--secret", "sn-key", "--constraint",
                "node.hostname==n2", Images.test)
            let container = try #require(try await manager.converged("sn", 1)["sn.1"])
            #expect(try await manager("exec", container, "cat", "/run/secrets/sn-key").out == text)
            try await eventually("n2 to keep it in memory") { kept("n2").contains(base64) ? true : nil }
            #expect(!kept("n3").contains(base64))

            // No manager is there: what the node heard last, with the secret, is all that it has.
            try await lab.stopDaemon("n2")
            try await lab.stopDaemon("n1")
            try await lab.startDaemon("n2")
            #expect(try await lab.docker("n2")("exec", container, "cat", "/run/secrets/sn-key").out == text)
            #expect(kept("n2").contains(base64))
            let state = "\(LabCluster.folder)/n2"
            let onDisk = try await Command([
                "grep", "-rlE", "--exclude-dir=memory", "\(text)|\(base64)", state,
            ]).attempt()
            #expect(onDisk.out.isEmpty, "\(onDisk.out)")

            try await lab.startDaemon("n1")
            try await manager("service", "update", "--detach", "--quiet", "--secret-rm", "sn-key", "sn")
            try await eventually("n2 to have forgotten it") {
                let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "\(state)/memory/tasks")) ?? []
                return kept("n2").contains(base64) || !tasks.isEmpty ? nil : true
            }
            try await manager("service", "rm", "sn")
            try await manager("secret", "rm", "sn-key")
        }
    }
}
