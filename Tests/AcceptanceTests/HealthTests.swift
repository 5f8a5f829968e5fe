import Foundation
import Testing

extension Acceptance.OnCluster {
    /// Health checks of tasks, flipped from outside by a file.
    @Suite(.serialized) struct Health {
        static let check = [
            "--health-cmd", "test -e /tmp/ok", "--health-interval", "200ms", "--health-timeout", "1s",
            "--health-retries", "2", "--restart-delay", "100ms",
        ]

        /// The container of a service's only task, whatever state it is in.
        private func container(of service: String) async throws -> String {
            try await eventually("a container of \(service)") { try await docker.containers(service)["\(service).1"] }
        }

        private func answers(_ port: Int) async throws -> Bool {
            let url = "http://\(Machine.address):\(port)/"
            return try await Command(["curl", "--silent", "--max-time", "1", url]).attempt().succeeded
        }

        @Test func `a task is starting, and gets nothing, until it is healthy; then it is ended when it is ill`()
            async throws
        {
            try await docker(
                ["service", "create", "--detach", "--quiet", "--name", "hc", "--publish", "8931:80"] + Self.check
                    + ["--health-start-period", "1m", Images.test])
            defer { cleanUpLater("hc") }
            let first = try await container(of: "hc")
            try await Task.sleep(for: .seconds(2))
            #expect(try await docker.tasks("hc").first?.current.hasPrefix("Starting") == true)
            #expect(try await answers(8931) == false)

            try await docker("exec", first, "touch", "/tmp/ok")
            try await docker.converged("hc", 1)
            try await eventually("the published port to answer") { try await answers(8931) ? true : nil }

            try await docker("exec", first, "rm", "/tmp/ok")
            let ended = try await eventually("the task to fail") {
                try await docker.tasks("hc").first { $0.current.hasPrefix("Failed") }
            }
            #expect(ended.desired == "Shutdown")
            #expect(ended.error.contains("dockerexec: unhealthy container"))
            let second = try await eventually("another container") {
                let now = try await docker.containers("hc")["hc.1"]
                return now == first ? nil : now
            }
            #expect(try await docker.tasks("hc", running: true).first?.current.hasPrefix("Running") == false)
            try await docker("exec", second, "touch", "/tmp/ok")
            try await docker.converged("hc", 1)
            try await docker("service", "rm", "hc")
        }

        @Test func `what was asked for is shown, and can be taken back`() async throws {
            try await withService(
                "hc-spec", "--health-cmd", "true", "--health-interval", "1s", "--health-timeout", "2s",
                "--health-retries", "4", "--health-start-period", "3s", Images.test
            ) { containers in
                let id = try #require(containers["hc-spec.1"])
                let format = "{{json .Spec.TaskTemplate.ContainerSpec.Healthcheck}}"
                let said = try await docker("service", "inspect", "--format", format, "hc-spec").trimmed
                #expect(
                    said == #"{"Test":["CMD-SHELL","true"],"Interval":1000000000,"Timeout":2000000000,"#
                        + #""StartPeriod":3000000000,"Retries":4}"#)
                #expect(try await docker("inspect", "--format", "{{.State.Health.Status}}", id).trimmed == "healthy")

                try await docker("service", "update", "--quiet", "--no-healthcheck", "hc-spec")
                let next = try #require(try await docker.converged("hc-spec", 1)["hc-spec.1"])
                #expect(try await docker("inspect", "--format", "{{.State.Health}}", next).trimmed == "<nil>")
            }
        }

        @Test func `the image's own check holds, unless it is switched off`() async throws {
            _ = try await docker.attempt("rm", "--force", "hc-maker")
            try await docker("create", "--name", "hc-maker", Images.test)
            try await docker(
                "commit", "--change", "HEALTHCHECK --interval=1s --retries=1 CMD test -e /tmp/ok", "hc-maker",
                "\(Images.test):checked")
            try await docker("rm", "--force", "hc-maker")
            try await docker(
                "service", "create", "--detach", "--quiet", "--name", "hc-image", "\(Images.test):checked")
            defer { cleanUpLater("hc-image") }
            try await eventually("a task that was not well") {
                try await docker.tasks("hc-image").first { $0.error.contains("unhealthy container") }
            }
            try await docker("service", "update", "--detach", "--quiet", "--no-healthcheck", "hc-image")
            try await docker.converged("hc-image", 1)
            try await docker("service", "rm", "hc-image")
        }
    }
}
