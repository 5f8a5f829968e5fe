import Foundation

/// The `docker` command line, with Causeway's socket as its host.
struct Docker: Sendable {
    var socket: String
    /// What the command line finds in its environment besides: the variables of a stack file.
    var variables: [String: String] = [:]

    /// Runs `docker WORDS`, and throws when it fails.
    @discardableResult func callAsFunction(_ words: String...) async throws -> Command.Said {
        try await command(words).run()
    }

    @discardableResult func callAsFunction(_ words: [String]) async throws -> Command.Said {
        try await command(words).run()
    }

    /// Runs `docker WORDS`, whatever comes of it.
    func attempt(_ words: String...) async throws -> Command.Said { try await attempt(words) }

    func attempt(_ words: [String]) async throws -> Command.Said { try await command(words).attempt() }

    private func command(_ words: [String]) -> Command {
        var command = Command([Machine.environment["CAUSEWAY_DOCKER"] ?? "docker"] + words)
        command.environment = variables
        command.environment["DOCKER_HOST"] = "unix://\(socket)"
        command.environment["DOCKER_CONFIG"] = "/run/causeway-test-docker-config"
        return command
    }

    /// Decodes what `docker inspect` prints of one thing.
    func inspect<T: Decodable>(_ kind: String, _ name: String, as type: T.Type) async throws -> T {
        let said = try await self(kind, "inspect", name)
        guard let first = try JSONDecoder().decode([T].self, from: Data(said.out.utf8)).first else {
            throw Command.Failure(said: said)
        }
        return first
    }

    /// A request that the command line would never make.
    func raw(
        _ method: String, _ path: String, body: String? = nil, headers: [String] = []
    ) async throws -> (status: Int, body: String, message: String?) {
        var words = ["curl", "--silent", "--show-error", "--max-time", "20", "--unix-socket", socket]
        words += ["--request", method, "--write-out", "\n%{http_code}", "--header", "Content-Type: application/json"]
        for header in headers { words += ["--header", header] }
        var command = Command(words)
        if let body {
            command.words += ["--data-binary", "@-"]
            command.input = body
        }
        command.words.append("http://docker" + path)
        let said = try await command.run()
        let lines = said.out.split(separator: "\n", omittingEmptySubsequences: false)
        let text = lines.dropLast().joined(separator: "\n")
        let message = try? JSONDecoder().decode([String: String].self, from: Data(text.utf8))["message"]
        return (Int(lines.last ?? "") ?? 0, text, message)
    }
}

extension Docker {
    /// One line of `docker service ps`.
    struct TaskLine: Sendable {
        var id: String
        var name: String
        var image: String
        var desired: String
        var current: String
        var error: String
        var ports: String
    }

    /// The tasks of a service, newest of each slot first, as the command line lists them.
    func tasks(_ service: String, running: Bool = false) async throws -> [TaskLine] {
        var words = ["service", "ps", service, "--no-trunc"]
        words += [
            "--format", "{{.ID}}\t{{.Name}}\t{{.Image}}\t{{.DesiredState}}\t{{.CurrentState}}\t{{.Error}}\t{{.Ports}}",
        ]
        if running { words += ["--filter", "desired-state=running"] }
        return try await self(words).lines.map { line in
            let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            return TaskLine(
                id: parts[0], name: parts[1], image: parts[2], desired: parts[3], current: parts[4], error: parts[5],
                ports: parts.count > 6 ? parts[6] : "")
        }
    }

    /// The containers of a service's tasks that run, by task name without the identifier: `web.1`.
    func containers(_ service: String) async throws -> [String: String] {
        let said = try await self(
            "ps", "--no-trunc", "--filter", "label=com.docker.swarm.service.name=\(service)",
            "--format", "{{.ID}} {{.Names}}")
        return Dictionary(
            said.lines.compactMap { line in
                let parts = line.split(separator: " ")
                guard parts.count == 2, let end = parts[1].lastIndex(of: ".") else { return nil }
                return (String(parts[1][..<end]), String(parts[0]))
            }, uniquingKeysWith: { first, _ in first })
    }

    /// Waits until a service has so many tasks that run, and returns their containers.
    @discardableResult func converged(_ service: String, _ count: Int) async throws -> [String: String] {
        try await eventually("service \(service) to have \(count) running tasks") {
            let running = try await tasks(service, running: true).filter { $0.current.hasPrefix("Running") }
            let containers = try await containers(service)
            return running.count == count && containers.count == count ? containers : nil
        }
    }
}
