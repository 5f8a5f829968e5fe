import Foundation
import Testing

/// A stack file as people write them, and what is to be seen of it.
struct StackFile: Sendable, CustomTestStringConvertible {
    /// The file's name, and the stack's.
    var name: String
    var port: Int
    var path = "/"
    /// The service that a new version changes.
    var changes: String
    /// What is answered outside, of each version.
    var says: [String]
    /// What a new version cannot change, because the file has it so.
    var has: [String] = []
    /// Volumes of its own: `stack rm` keeps them.
    var volumes: [String] = []
    /// What else is there in the end: jobs, as `service ls` shows them.
    var replicas: [String]

    var testDescription: String { name }
    var service: String { "\(name)_\(changes)" }

    static let all: [StackFile] = [
        StackFile(
            name: "shop", port: 8961, path: "/cgi-bin/index.cgi", changes: "app", says: ["app VERSION 13"],
            has: ["proxy fixed"], volumes: ["shop_db-data"],
            replicas: ["app 2/2 (max 4 per node)", "cache 1/1", "db 1/1", "proxy 2/2", "worker 2/2"]),
        StackFile(
            name: "monitoring", port: 8962, path: "/cgi-bin/index.cgi", changes: "agent",
            says: ["agent VERSION on agent-causeway-test causeway-test/monitoring_agent/"],
            replicas: ["agent 1/1", "collector 1/1"]),
        StackFile(
            name: "queue", port: 8963, changes: "worker", says: ["done by worker VERSION"],
            replicas: ["queue 1/1", "worker 3/3"]),
        StackFile(
            name: "blue-green", port: 8964, path: "/cgi-bin/index.cgi", changes: "green", says: ["green VERSION"],
            replicas: ["blue 1/1", "green 1/1", "router 1/1"]),
        StackFile(
            name: "keys", port: 8965, changes: "web", says: ["[keys_web.1 green vVERSION correct-horse]"],
            has: ["correct-horsefrom elsewhere\n"], replicas: ["web 1/1"]),
        StackFile(
            name: "tuned", port: 8966, changes: "web", says: ["vVERSION tuned /tmp 321 2000/3000"],
            has: ["203.0.113.77", "search example.org", "read-only", "init"], replicas: ["web 1/1"]),
        StackFile(
            name: "jobs", port: 8967, changes: "board", says: ["board VERSION"],
            replicas: ["board 1/1", "everywhere 0/0 (1/1 completed)", "once 0/3 (3/3 completed)"]),
    ]
}

extension Acceptance.OnCluster {
    /// `docker stack`, with files as people write them.
    @Suite(.serialized) struct Stacks {
        static let folder = Machine.root.appending(path: "Tests/AcceptanceTests/Fixtures/stacks").path

        private func deploy(
            _ file: String, as stack: String, version: Int, isBroken: Bool = false, _ more: String...
        ) async throws {
            var docker = docker
            docker.variables = [
                "VERSION": "\(version)", "CHECK": isBroken ? "false" : "true",
                "IMAGE": isBroken ? "causeway-test:missing" : "causeway-test",
            ]
            try await docker(
                ["stack", "deploy", "--resolve-image", "never", "--compose-file", "\(Self.folder)/\(file).yaml"] + more
                    + [stack])
        }

        /// The tasks that are to run, by service.
        private func tasks(_ stack: String) async throws -> [String: Set<String>] {
            let said = try await docker(
                "stack", "ps", "--no-trunc", "--filter", "desired-state=running", "--format", "{{.ID}} {{.Name}}", stack
            )
            return said.lines.reduce(into: [:]) { tasks, line in
                let parts = line.split(separator: " ")
                let service = parts[1].split(separator: ".")[0].dropFirst(stack.count + 1)
                tasks[String(service), default: []].insert(String(parts[0]))
            }
        }

        private func replicas(_ stack: String) async throws -> [String] {
            try await docker("stack", "services", "--format", "{{.Name}} {{.Replicas}}", stack).lines
                .map { String($0.dropFirst(stack.count + 1)) }.sorted()
        }

        private func outside(_ stack: StackFile, says version: Int) async throws {
            let url = "http://\(Machine.address):\(stack.port)\(stack.path)"
            try await eventually("\(stack.name) to answer as version \(version)") {
                let said = try await attempt(at: .outside, "curl", "--silent", "--max-time", "5", url).out
                let wanted = stack.says.map { $0.replacing("VERSION", with: "\(version)") } + stack.has
                guard wanted.allSatisfy({ said.contains($0) }) else {
                    throw Context(error: Unlike(said: said), notes: [])
                }
                return true
            }
        }

        private struct Unlike: Error, CustomStringConvertible {
            var said: String
            var description: String { "it says:\n\(said)" }
        }

        private func converged(_ stack: StackFile) async throws {
            try await eventually("\(stack.name) to be \(stack.replicas)", within: .seconds(60)) {
                let now = try await replicas(stack.name)
                guard now == stack.replicas else { throw Unlike(said: "\(now)") }
                return true
            }
        }

        /// Everything that a stack has made is gone.
        private func nothingLeft(_ stack: String) async throws {
            let label = "label=com.docker.stack.namespace=\(stack)"
            try await eventually("nothing of \(stack) to be left", within: .seconds(60)) {
                for words in [
                    ["service", "ls"], ["ps", "--all"], ["network", "ls"], ["secret", "ls"], ["config", "ls"],
                ] {
                    let left = try await docker(words + ["--quiet", "--filter", label]).trimmed
                    guard left.isEmpty else { throw Unlike(said: "\(words): \(left)") }
                }
                return true
            }
        }

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
                    try await live(stack)
                } catch {
                    let tasks = (try? await docker.attempt("stack", "ps", "--no-trunc", stack.name).all) ?? ""
                    _ = try? await docker.attempt("stack", "rm", stack.name)
                    try? await nothingLeft(stack.name)
                    throw Context(error: error, notes: [tasks, Cluster.lastOfLog()])
                }
            }
        }

        private func live(_ stack: StackFile) async throws {
            try await deploy(stack.name, as: stack.name, version: 1)
            try await converged(stack)
            try await outside(stack, says: 1)
            let first = try await tasks(stack.name)

            try await deploy(stack.name, as: stack.name, version: 1)
            #expect(try await tasks(stack.name) == first, "nothing has changed")

            try await deploy(stack.name, as: stack.name, version: 2)
            try await outside(stack, says: 2)
            let second = try await eventually("every task of \(stack.service) to be replaced", within: .seconds(60)) {
                let now = try await tasks(stack.name)
                let (new, old) = (now[stack.changes] ?? [], first[stack.changes] ?? [])
                return new.count == old.count && new.isDisjoint(with: old) ? now : nil
            }
            try await converged(stack)
            for (service, tasks) in first where service != stack.changes {
                #expect(second[service] == tasks, "\(service) has not changed")
            }

            try await deploy(stack.name, as: stack.name, version: 3, isBroken: true)
            try await eventually("\(stack.service) to be rolled back", within: .seconds(90)) {
                let format = "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}"
                let state = try await docker("service", "inspect", "--format", format, stack.service).trimmed
                guard state == "rollback_completed" else { throw Unlike(said: state) }
                return true
            }
            try await converged(stack)
            try await outside(stack, says: 2)

            try await docker("stack", "rm", stack.name)
            try await nothingLeft(stack.name)
            for volume in stack.volumes {
                #expect(
                    try await docker("volume", "inspect", "--format", "{{.Labels.owner}}", volume).trimmed == stack.name
                )
                try await docker("volume", "rm", volume)
            }
        }

        @Test func `is listed, and loses what its file has no more when it is asked to`() async throws {
            let shown = try await docker("stack", "config", "--compose-file", "\(Self.folder)/jobs.yaml")
            #expect(shown.out.contains("mode: replicated-job"))
            try await deploy("jobs", as: "pruned", version: 1)
            #expect(try await docker("stack", "ls", "--format", "{{.Name}} {{.Services}}").lines == ["pruned 3"])

            try await deploy("pruned", as: "pruned", version: 1)
            #expect(try await replicas("pruned").count == 3)
            try await deploy("pruned", as: "pruned", version: 1, "--prune")
            #expect(try await replicas("pruned").map { $0.split(separator: " ")[0] } == ["board"])

            try await docker("stack", "rm", "pruned")
            try await nothingLeft("pruned")
            #expect(try await docker("stack", "ls", "--format", "{{.Name}}").trimmed.isEmpty)
        }
    }
}
