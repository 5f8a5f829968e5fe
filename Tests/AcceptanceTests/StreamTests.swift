import Foundation
import Testing

extension Acceptance.OnCluster {
    /// Logs, exec, events, build: what passes through or is put together from streams.
    @Suite(.serialized) struct Streams {
        @Test func `service logs has each task's lines with its name before them`() async throws {
            try await withService(
                "st-logs", "--replicas", "2", Images.test, "sh", "-c", "echo one; echo two >&2; sleep 1000", replicas: 2
            ) { _ in
                let said = try await eventually("four lines") {
                    let said = try await docker("service", "logs", "st-logs")
                    return said.lines.count + said.err.split(separator: "\n").count == 4 ? said : nil
                }
                #expect(said.lines.allSatisfy { $0.hasPrefix("st-logs.") && $0.hasSuffix("| one") }, "\(said.out)")
                #expect(said.err.split(separator: "\n").allSatisfy { $0.hasSuffix("| two") }, "\(said.err)")
            }
        }

        @Test func `exec carries bytes both ways, with the end of input and the exit status`() async throws {
            try await withService("st-exec", Images.test, "sleep", "1000") { containers in
                let id = try #require(containers["st-exec.1"])
                var command = Command(["docker", "exec", "-i", id, "sh", "-c", "cat; echo end; exit 7"])
                command.environment["DOCKER_HOST"] = "unix://\(Cluster.socket)"
                command.input = String(repeating: "0123456789\n", count: 20_000)

                let said = try await command.attempt()

                #expect(said.status == 7)
                #expect(said.out.utf8.count == 220_000 + 4)
                #expect(said.out.hasSuffix("end\n"))
            }
        }

        @Test func `an image can be built, listed and removed`() async throws {
            let folder = FileManager.default.temporaryDirectory.appending(path: "causeway-build-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            try Data("FROM \(Images.test)\nLABEL made=here\n".utf8).write(to: folder.appending(path: "Dockerfile"))

            try await docker("build", "--tag", "st-built", folder.path)

            #expect(try await docker("images", "--quiet", "st-built").lines.count == 1)
            try await docker("rmi", "st-built")
        }

        @Test func `events of a service and of its container arrive while they happen`() async throws {
            let start = Int(Date().timeIntervalSince1970)
            try await withService("st-events", Images.test) { _ in }

            let said = try await docker(
                "events", "--since", "\(start)", "--until", "\(Int(Date().timeIntervalSince1970) + 1)",
                "--format", "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}")

            #expect(said.lines.contains("service create st-events"))
            #expect(said.lines.contains("service remove st-events"))
            #expect(said.lines.contains { $0.hasPrefix("container start st-events.1.") })
        }

        @Test func `docker run and docker ps work as they did`() async throws {
            let said = try await docker("run", "--rm", "--network", "none", Images.test, "echo", "hello")
            #expect(said.out == "hello\n")
        }

        @Test func `version and info name Causeway and the swarm`() async throws {
            #expect(try await docker("version", "--format", "{{.Server.APIVersion}}").trimmed == "1.50")
            let info = try await docker("info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}")
            #expect(info.trimmed == "active true")
            #expect(
                try await docker("node", "ls", "--format", "{{.Status}} {{.ManagerStatus}}").trimmed == "Ready Leader")
            #expect(try await docker("node", "ps").succeeded)
            #expect(try await docker("swarm", "join-token", "-q", "worker").trimmed.hasPrefix("SWMTKN-1-"))
        }
    }
}
