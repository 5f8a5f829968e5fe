import Foundation
import Testing

/// What people do with a stack file, on one node or on several, and what is to be seen of it.
struct StackRun: Sendable {
    var docker: Docker
    /// Where the stack is asked from, and the addresses that are asked, every one.
    var place: Machine.Place
    var addresses: [String]

    static let folder = Machine.root.appending(path: "Tests/AcceptanceTests/Fixtures/stacks").path

    struct Unlike: Error, CustomStringConvertible {
        var said: String
        var description: String { "it says:\n\(said)" }
    }

    func deploy(
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
    func tasks(_ stack: String) async throws -> [String: Set<String>] {
        let said = try await docker(
            "stack", "ps", "--no-trunc", "--filter", "desired-state=running", "--format", "{{.ID}} {{.Name}}", stack
        )
        return said.lines.reduce(into: [:]) { tasks, line in
            let parts = line.split(separator: " ")
            let service = parts[1].split(separator: ".")[0].dropFirst(stack.count + 1)
            tasks[String(service), default: []].insert(String(parts[0]))
        }
    }

    func replicas(_ stack: String) async throws -> [String] {
        try await docker("stack", "services", "--format", "{{.Name}} {{.Replicas}}", stack).lines
            .map { String($0.dropFirst(stack.count + 1)) }.sorted()
    }

    func converged(_ stack: StackFile) async throws {
        try await eventually("\(stack.name) to be \(stack.replicas)", within: .seconds(60)) {
            let now = try await replicas(stack.name)
            guard now == stack.replicas else { throw Unlike(said: "\(now)") }
            return true
        }
    }

    /// Waits until every address has answered everything that a version says, in as many answers as it takes: what
    /// several tasks say comes from one after the other.
    func outside(_ stack: StackFile, says version: Int) async throws {
        let wanted = stack.says.map { $0.replacing("VERSION", with: "\(version)") } + stack.has
        for address in addresses {
            let url = "http://\(address):\(stack.port)\(stack.path)"
            var missing = wanted
            try await eventually("\(url) to answer as version \(version)", within: .seconds(60)) {
                let said = try await attempt(at: place, "curl", "--silent", "--max-time", "5", url).out
                missing.removeAll { said.contains($0) }
                guard missing.isEmpty else { throw Unlike(said: "\(said)\nwithout: \(missing)") }
                return true
            }
        }
    }

    func updateState(_ service: String) async throws -> String {
        let format = "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}"
        return try await docker("service", "inspect", "--format", format, service).trimmed
    }

    private func ends(_ stack: StackFile, in wanted: String) async throws {
        try await eventually("\(stack.service) to be \(wanted)", within: .seconds(90)) {
            let state = try await updateState(stack.service)
            guard state == wanted else { throw Unlike(said: state) }
            return true
        }
    }

    /// Everything that a stack has made is gone.
    func nothingLeft(_ stack: String) async throws {
        let label = "label=com.docker.stack.namespace=\(stack)"
        try await eventually("nothing of \(stack) to be left", within: .seconds(60)) {
            for words in [["service", "ls"], ["network", "ls"], ["secret", "ls"], ["config", "ls"]] {
                let left = try await docker(words + ["--quiet", "--filter", label]).trimmed
                guard left.isEmpty else { throw Unlike(said: "\(words): \(left)") }
            }
            // The engine's word: it has the containers of all nodes.
            let containers = try await Docker(socket: Cluster.engineSocket)("ps", "--all", "--quiet", "--filter", label)
            guard containers.trimmed.isEmpty else { throw Unlike(said: "containers: \(containers.trimmed)") }
            return true
        }
    }

    /// A stack's whole life: deployed, deployed again, changed, broken, brought back, and removed.
    ///
    /// `look` looks at it besides, once its first version runs and nothing has been done to it.
    func live(_ stack: StackFile, look: () async throws -> Void = {}) async throws {
        do {
            try await liveOn(stack, look: look)
        } catch {
            let tasks = (try? await docker.attempt("stack", "ps", "--no-trunc", stack.name).all) ?? ""
            _ = try? await docker.attempt("stack", "rm", stack.name)
            try? await nothingLeft(stack.name)
            throw Context(error: error, notes: [tasks])
        }
    }

    private func liveOn(_ stack: StackFile, look: () async throws -> Void) async throws {
        try await deploy(stack.name, as: stack.name, version: 1)
        try await converged(stack)
        try await outside(stack, says: 1)
        let first = try await tasks(stack.name)
        try await look()

        try await deploy(stack.name, as: stack.name, version: 1)
        #expect(try await tasks(stack.name) == first, "nothing has changed")

        try await change(stack, from: first)
        try await breakIt(stack)

        try await docker("stack", "rm", stack.name)
        try await nothingLeft(stack.name)
        for volume in stack.volumes {
            #expect(
                try await docker("volume", "inspect", "--format", "{{.Labels.owner}}", volume).trimmed == stack.name)
            try await docker("volume", "rm", volume)
        }
    }

    private func change(_ stack: StackFile, from first: [String: Set<String>]) async throws {
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
    }

    /// A version that cannot run ends as its file says; one that pauses is rolled back by hand.
    private func breakIt(_ stack: StackFile) async throws {
        try await deploy(stack.name, as: stack.name, version: 3, isBroken: true)
        try await ends(stack, in: stack.breaksInto)
        if stack.breaksInto == "paused" {
            try await docker("service", "rollback", "--detach", "--quiet", stack.service)
            try await ends(stack, in: "rollback_completed")
        }
        try await converged(stack)
        try await outside(stack, says: 2)
    }
}
