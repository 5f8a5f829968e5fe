import Foundation
import Testing

extension Acceptance.OnCluster {
    /// Updates that fail, pause, and go back, as `docker service` shows them.
    @Suite(.serialized) struct Updates {
        private func status(_ service: String) async throws -> (state: String, message: String) {
            let said = try await docker(
                "service", "inspect", "--format",
                "{{if .UpdateStatus}}{{.UpdateStatus.State}}|{{.UpdateStatus.Message}}{{end}}", service
            ).trimmed
            let parts = said.split(separator: "|", maxSplits: 1).map(String.init)
            return (parts.first ?? "", parts.count > 1 ? parts[1] : "")
        }

        private func reaches(_ state: String, _ service: String) async throws -> String {
            try await eventually("\(service) to be \(state)") {
                let now = try await status(service)
                return now.state == state ? now.message : nil
            }
        }

        @Test func `an update that fails pauses, and the command says so`() async throws {
            // The delay keeps the second from its turn until the first, which did run for a moment, is seen to fail.
            try await withService(
                "up-pause", "--replicas", "2", "--update-monitor", "5s", "--update-delay", "5s", Images.test,
                replicas: 2
            ) { before in
                let said = try await docker.attempt("service", "update", "--args", "sh -c 'exit 7'", "up-pause")
                #expect(!said.succeeded)
                #expect(said.all.contains("update paused due to failure or early termination of task"))

                let now = try await status("up-pause")
                #expect(now.state == "paused")
                let kept = try await docker.containers("up-pause")
                #expect(kept.values.filter { before.values.contains($0) }.count == 1, "one was tried, and no more")

                try await docker("service", "rollback", "--quiet", "up-pause")
                #expect(try await reaches("rollback_completed", "up-pause") == "rollback completed")
                let back = try await docker.converged("up-pause", 2)
                #expect(back.values.filter { before.values.contains($0) }.count == 1, "the untouched one stays")
            }
        }

        @Test func `an update that fails rolls back if told so`() async throws {
            try await withService(
                "up-back", "--update-failure-action", "rollback", "--update-monitor", "1s", "--rollback-monitor", "1s",
                "--restart-delay", "100ms", Images.test
            ) { _ in
                let said = try await docker.attempt("service", "update", "--args", "sh -c 'exit 7'", "up-back")
                #expect(said.all.contains("rollback: update rolled back due to failure or early termination of task"))
                #expect(try await reaches("rollback_completed", "up-back") == "rollback completed")
                try await docker.converged("up-back", 1)
                let args = try await docker(
                    "service", "inspect", "--format", "{{json .Spec.TaskTemplate.ContainerSpec.Args}}", "up-back")
                #expect(args.trimmed == "null")
                let again = try await docker.attempt("service", "rollback", "up-back")
                #expect(again.all.contains("does not have a previous spec"))
            }
        }

        @Test func `an update that is never healthy rolls back, and the old task serves on`() async throws {
            try await withService(
                "up-ill", "--update-order", "start-first", "--update-failure-action", "rollback", "--publish",
                "8932:80", Images.test
            ) { before in
                try await docker(
                    "service", "update", "--detach", "--quiet", "--health-cmd", "test -e /tmp/never",
                    "--health-interval", "200ms", "--health-retries", "2", "up-ill")
                _ = try await reaches("rollback_completed", "up-ill")
                #expect(try await docker.converged("up-ill", 1) == before, "the old task was never touched")
            }
        }

        @Test func `a rollback that fails pauses`() async throws {
            try await withService("up-twice", "--rollback-monitor", "1s", Images.test) { _ in
                try await docker("service", "update", "--quiet", "--env-add", "A=1", "up-twice")
                try await docker("service", "update", "--quiet", "--env-add", "A=2", "up-twice")
                // What is to be put back is not there any more.
                try await docker("tag", Images.test, "\(Images.test):gone")
                try await docker("service", "update", "--quiet", "--image", "\(Images.test):gone", "up-twice")
                try await docker("service", "update", "--quiet", "--image", Images.test, "up-twice")
                try await docker("rmi", "\(Images.test):gone")
                let said = try await docker.attempt("service", "update", "--rollback", "up-twice")
                #expect(!said.succeeded)
                let message = try await reaches("rollback_paused", "up-twice")
                #expect(message.hasPrefix("rollback paused due to failure or early termination of task "))
                try await docker("service", "update", "--quiet", "--image", Images.test, "up-twice")
                try await docker.converged("up-twice", 1)
            }
        }
    }
}
