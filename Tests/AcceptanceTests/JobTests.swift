import Foundation
import Testing

extension Acceptance.OnCluster {
    /// Services whose tasks are to end.
    @Suite(.serialized) struct Jobs {
        private func listed(_ service: String) async throws -> String {
            try await docker(
                "service", "ls", "--filter", "name=\(service)", "--format", "{{.Mode}} {{.Replicas}}"
            ).trimmed
        }

        @Test func `a replicated job completes, and is run again by force`() async throws {
            let said = try await docker(
                "service", "create", "--name", "job-r", "--mode", "replicated-job", "--replicas", "3",
                "--max-concurrent", "2", Images.test, "sh", "-c", "sleep 0.3")
            defer { cleanUpLater("job-r") }
            #expect(said.out.contains("job complete"))

            #expect(try await listed("job-r") == "replicated job 0/2 (3/3 completed)")
            let tasks = try await docker.tasks("job-r")
            #expect(tasks.count == 3)
            #expect(tasks.allSatisfy { $0.desired == "Complete" && $0.current.hasPrefix("Complete") })
            #expect(Set(tasks.map(\.name)).isSuperset(of: ["job-r.1", "job-r.2"]))
            let format = "{{json .Spec.Mode}} {{.JobStatus.JobIteration.Index}}"
            #expect(
                try await docker("service", "inspect", "--format", format, "job-r").trimmed
                    == #"{"ReplicatedJob":{"MaxConcurrent":2,"TotalCompletions":3}} 0"#)
            #expect(try await docker("service", "ls", "--quiet", "--filter", "mode=replicated-job").lines.count == 1)

            try await docker("service", "update", "--force", "--quiet", "job-r")
            #expect(
                try await docker("service", "inspect", "--format", "{{.JobStatus.JobIteration.Index}}", "job-r").trimmed
                    == "1")
            #expect(try await docker.tasks("job-r").count == 6)
            #expect(try await listed("job-r") == "replicated job 0/2 (3/3 completed)")
            try await docker("service", "rm", "job-r")
        }

        @Test func `a job's task that fails is tried again, and given up as its policy says`() async throws {
            try await docker(
                "service", "create", "--detach", "--quiet", "--name", "job-f", "--mode", "replicated-job",
                "--restart-delay", "100ms", "--restart-max-attempts", "2", "--restart-condition", "on-failure",
                Images.test, "sh", "-c", "exit 4")
            defer { cleanUpLater("job-f") }

            try await eventually("three failed tasks") {
                try await docker.tasks("job-f").filter { $0.current.hasPrefix("Failed") }.count == 3 ? true : nil
            }
            try await Task.sleep(for: .seconds(2))
            #expect(try await docker.tasks("job-f").count == 3)
            #expect(try await listed("job-f") == "replicated job 0/1 (0/1 completed)")
            try await docker("service", "rm", "job-f")
        }

        @Test func `a global job runs once on the node`() async throws {
            let said = try await docker(
                "service", "create", "--name", "job-g", "--mode", "global-job", Images.test, "true")
            defer { cleanUpLater("job-g") }
            #expect(said.out.contains("job complete"))

            #expect(try await listed("job-g") == "global job 0/0 (1/1 completed)")
            let task = try #require(try await docker.tasks("job-g").first)
            #expect(task.desired == "Complete" && task.current.hasPrefix("Complete"))
            let refused = try await docker.raw(
                "POST", "/services/create",
                body: #"""
                    {"Name":"job-u","TaskTemplate":{"ContainerSpec":{"Image":"x"}},"Mode":{"GlobalJob":{}},
                     "UpdateConfig":{"Parallelism":1}}
                    """#)
            #expect(refused.status == 400 && refused.message?.hasSuffix("Jobs may not have an update config") == true)
            try await docker("service", "rm", "job-g")
        }
    }
}
