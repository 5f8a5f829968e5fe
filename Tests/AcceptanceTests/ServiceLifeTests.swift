import Foundation
import Testing

extension Acceptance.OnCluster {
    /// A service from its creation to its end, as `docker service` shows it.
    @Suite(.serialized) struct ServiceLife {
        @Test func `create without --detach converges and says so`() async throws {
            let said = try await docker("service", "create", "--name", "sl-web", "--replicas", "3", Images.test)
            defer { cleanUpLater("sl-web") }

            #expect(said.out.contains("converged"))
            #expect(try await docker.containers("sl-web").keys.sorted() == ["sl-web.1", "sl-web.2", "sl-web.3"])
            let listed = try await docker(
                "service", "ls", "--filter", "name=sl-web", "--format", "{{.Mode}} {{.Replicas}}")
            #expect(listed.trimmed == "replicated 3/3")
            try await docker("service", "rm", "sl-web")
        }

        @Test func `scaling fills the lowest slots and gives up the highest`() async throws {
            try await withService("sl-scale", "--replicas", "2", Images.test, replicas: 2) { _ in
                try await docker("service", "scale", "--detach", "sl-scale=4")
                let four = try await docker.converged("sl-scale", 4)
                #expect(four.keys.sorted() == (1...4).map { "sl-scale.\($0)" })

                try await docker("service", "scale", "--detach", "sl-scale=1")
                let one = try await docker.converged("sl-scale", 1)
                #expect(Array(one.keys) == ["sl-scale.1"])
                #expect(one["sl-scale.1"] == four["sl-scale.1"], "the task of slot 1 was not to be replaced")
            }
        }

        @Test func `scaling to nothing and back works`() async throws {
            try await withService("sl-zero", "--replicas", "1", Images.test) { _ in
                try await docker("service", "scale", "--detach", "sl-zero=0")
                try await docker.converged("sl-zero", 0)
                try await docker("service", "scale", "--detach", "sl-zero=2")
                try await docker.converged("sl-zero", 2)
            }
        }

        @Test func `a changed environment makes new tasks and keeps the old ones in the history`() async throws {
            try await withService("sl-env", "--env", "COLOUR=red", Images.test) { before in
                let old = try #require(before["sl-env.1"])
                #expect(try await environment(of: old).contains("COLOUR=red"))

                try await docker("service", "update", "--quiet", "--env-add", "COLOUR=blue", "sl-env")

                let new = try #require(try await docker.converged("sl-env", 1)["sl-env.1"])
                #expect(new != old)
                #expect(try await environment(of: new).contains("COLOUR=blue"))
                let history = try await docker.tasks("sl-env")
                #expect(history.map(\.desired) == ["Running", "Shutdown"])
            }
        }

        @Test func `a changed image is what the new tasks run`() async throws {
            _ = try await docker("tag", Images.test, "\(Images.test):second")
            try await withService("sl-image", Images.test) { _ in
                try await docker("service", "update", "--quiet", "--image", "\(Images.test):second", "sl-image")

                let running = try await docker.tasks("sl-image", running: true)
                #expect(running.map(\.image) == ["\(Images.test):second"])
            }
        }

        @Test func `force replaces tasks although nothing changed`() async throws {
            try await withService("sl-force", Images.test) { before in
                try await docker("service", "update", "--quiet", "--force", "sl-force")
                #expect(try await docker.converged("sl-force", 1) != before)
            }
        }

        @Test func `labels change without a new task`() async throws {
            try await withService("sl-label", Images.test) { before in
                try await docker("service", "update", "--quiet", "--label-add", "owner=us", "sl-label")

                #expect(try await docker.containers("sl-label") == before)
                let labels = try await docker("service", "inspect", "--format", "{{json .Spec.Labels}}", "sl-label")
                #expect(labels.trimmed == #"{"owner":"us"}"#)
            }
        }

        @Test func `removing a service removes its containers`() async throws {
            try await withService("sl-gone", "--replicas", "2", Images.test, replicas: 2) { _ in }

            #expect(try await docker.attempt("service", "inspect", "sl-gone").all.contains("no such service: sl-gone"))
        }

        @Test func `a global service runs one task on this node, named after it`() async throws {
            let node = try await docker("info", "--format", "{{.Swarm.NodeID}}").trimmed
            try await withService("sl-global", "--mode", "global", Images.test) { containers in
                #expect(Array(containers.keys) == ["sl-global.\(node)"])
                let listed = try await docker(
                    "service", "ls", "--filter", "name=sl-global", "--format", "{{.Mode}} {{.Replicas}}")
                #expect(listed.trimmed == "global 1/1")
            }
        }

        @Test func `what the specification says of the container is what the container has`() async throws {
            try await withService(
                "sl-spec", "--user", "1000:1000", "--workdir", "/tmp", "--hostname", "chosen", "--label", "a=b",
                "--container-label", "c=d", "--limit-memory", "64m", "--stop-signal", "SIGINT",
                "--mount", "type=tmpfs,destination=/scratch", "--mount",
                "type=bind,source=/usr,destination=/host,readonly",
                "--env", "A=1", Images.test, "sleep", "1000"
            ) { containers in
                let id = try #require(containers["sl-spec.1"])
                let format =
                    "{{.Config.User}} {{.Config.WorkingDir}} {{.Config.Hostname}} {{.HostConfig.Memory}} "
                    + "{{.Config.StopSignal}} {{index .Config.Labels \"c\"}} {{json .Args}} {{.Path}}"
                let said = try await docker("inspect", "--format", format, id)
                #expect(said.trimmed == "1000:1000 /tmp chosen 67108864 SIGINT d [\"1000\"] sleep")
                #expect(try await docker("exec", id, "ls", "/host").out.contains("bin"))
                #expect(try await docker.attempt("exec", id, "touch", "/host/x").all.contains("Read-only"))
                #expect(try await docker("exec", id, "mount").out.contains("on /scratch type tmpfs"))
                #expect(try await docker("exec", id, "id", "-u").trimmed == "1000")
            }
        }

        @Test func `the environment, the command line's own, and templates reach the task`() async throws {
            try await withService("sl-tmpl", "--env", "WHO={{.Task.Name}}", "--env", "SLOT={{.Task.Slot}}", Images.test)
            {
                let id = try #require($0["sl-tmpl.1"])
                let environment = try await environment(of: id)
                #expect(environment.contains("SLOT=1"))
                #expect(environment.contains { $0.hasPrefix("WHO=sl-tmpl.1.") })
            }
        }

        // MARK: failures

        @Test func `a missing image is rejected in Docker's words`() async throws {
            try await docker("service", "create", "--detach", "--quiet", "--name", "sl-noimage", "nobody/has-this:1")
            defer { cleanUpLater("sl-noimage") }

            let task = try await eventually("the task to be rejected") {
                try await docker.tasks("sl-noimage").first { $0.current.hasPrefix("Rejected") }
            }
            #expect(task.error.contains("No such image: nobody/has-this:1"))
            try await docker("service", "rm", "sl-noimage")
        }

        @Test func `an exit status is shown, and nothing starts again when the condition is none`() async throws {
            try await docker(
                "service", "create", "--detach", "--quiet", "--name", "sl-exit", "--restart-condition", "none",
                Images.test, "sh", "-c", "exit 3")
            defer { cleanUpLater("sl-exit") }

            let task = try await eventually("the task to fail") {
                try await docker.tasks("sl-exit").first { $0.current.hasPrefix("Failed") }
            }
            #expect(task.error == "\"task: non-zero exit (3)\"" || task.error == "task: non-zero exit (3)")
            try await Task.sleep(for: .seconds(1))
            #expect(try await docker.tasks("sl-exit").count == 1)
            try await docker("service", "rm", "sl-exit")
        }

        @Test func `a task that may fail twice starts three times`() async throws {
            try await docker(
                "service", "create", "--detach", "--quiet", "--name", "sl-retry", "--restart-condition", "on-failure",
                "--restart-max-attempts", "2", "--restart-delay", "100ms", Images.test, "sh", "-c", "exit 1")
            defer { cleanUpLater("sl-retry") }

            try await eventually("three failed tasks") {
                try await docker.tasks("sl-retry").filter { $0.current.hasPrefix("Failed") }.count == 3 ? true : nil
            }
            try await Task.sleep(for: .seconds(2))
            #expect(try await docker.tasks("sl-retry").count == 3)
            try await docker("service", "rm", "sl-retry")
        }

        @Test func `a container that somebody kills is replaced`() async throws {
            try await withService("sl-kill", "--restart-delay", "100ms", Images.test) { before in
                try await docker("kill", try #require(before["sl-kill.1"]))

                try await eventually("another container in slot 1") {
                    let now = try await docker.containers("sl-kill")["sl-kill.1"]
                    return now != nil && now != before["sl-kill.1"] ? true : nil
                }
                let failed = try await docker.tasks("sl-kill").first { $0.current.hasPrefix("Failed") }
                #expect(failed?.error.contains("task: non-zero exit (137)") == true)
            }
        }

        @Test func `a command that is not there fails with what the runtime said`() async throws {
            try await docker(
                "service", "create", "--detach", "--quiet", "--name", "sl-nocmd", "--restart-condition", "none",
                Images.test, "/no/such/command")
            defer { cleanUpLater("sl-nocmd") }

            let task = try await eventually("the task to fail") {
                try await docker.tasks("sl-nocmd").first { !$0.error.isEmpty }
            }
            #expect(task.error.contains("no such file or directory"))
            try await docker("service", "rm", "sl-nocmd")
        }

        @Test func `a constraint that no node meets leaves the task pending with the reason`() async throws {
            try await docker(
                "service", "create", "--detach", "--quiet", "--name", "sl-where", "--constraint",
                "node.labels.zone==moon",
                Images.test)
            defer { cleanUpLater("sl-where") }

            let task = try await eventually("the reason") {
                try await docker.tasks("sl-where").first { !$0.error.isEmpty }
            }
            #expect(task.current.hasPrefix("Pending"))
            #expect(task.error.contains("no suitable node (scheduling constraints not satisfied on 1 node"))
            try await docker("service", "rm", "sl-where")
        }
    }
}

/// Removes a service in the background of a failing test; a passing one has done it itself.
func cleanUpLater(_ service: String) {
    Task { _ = try? await docker.attempt("service", "rm", service) }
}

private func environment(of container: String) async throws -> [String] {
    let said = try await docker("inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", container)
    return said.lines
}
