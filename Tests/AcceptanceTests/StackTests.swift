import Foundation
import Testing

extension Acceptance.OnCluster {
    /// `docker stack`, with files as people write them.
    @Suite(.serialized) struct Stacks {
        private var run: StackRun { StackRun(docker: docker, place: .outside, addresses: [Machine.address]) }

        /// What `external` in the files means.
        private func withOutsiders(_ body: () async throws -> Void) async throws {
            try Data("from elsewhere\n".utf8).write(to: URL(filePath: "/run/stack-outer"))
            try await docker("secret", "create", "stack-outer-secret", "/run/stack-outer")
            try await shell("rm", "/run/stack-outer")
            do {
                try await withNetwork("stack-outer-net") { try await body() }
            } catch {
                _ = try? await docker.attempt("secret", "rm", "stack-outer-secret")
                throw error
            }
            try await docker("secret", "rm", "stack-outer-secret")
        }

        @Test(arguments: StackFile.all)
        func `is deployed, changed where it has changed, rolled back when it breaks, and removed`(
            _ stack: StackFile
        ) async throws {
            try await withOutsiders {
                do {
                    try await run.live(stack)
                } catch {
                    throw Context(error: error, notes: [Cluster.lastOfLog()])
                }
            }
        }

        @Test func `is listed, and loses what its file has no more when it is asked to`() async throws {
            let shown = try await docker("stack", "config", "--compose-file", "\(StackRun.folder)/jobs.yaml")
            #expect(shown.out.contains("mode: replicated-job"))
            try await run.deploy("jobs", as: "pruned", version: 1)
            #expect(try await docker("stack", "ls", "--format", "{{.Name}} {{.Services}}").lines == ["pruned 3"])

            try await run.deploy("pruned", as: "pruned", version: 1)
            #expect(try await run.replicas("pruned").count == 3)
            try await run.deploy("pruned", as: "pruned", version: 1, "--prune")
            #expect(try await run.replicas("pruned").map { $0.split(separator: " ")[0] } == ["board"])

            try await docker("stack", "rm", "pruned")
            try await run.nothingLeft("pruned")
            #expect(try await docker("stack", "ls", "--format", "{{.Name}}").trimmed.isEmpty)
        }
    }
}
