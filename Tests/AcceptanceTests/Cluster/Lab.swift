import Foundation
import Testing

/// A lab of virtual hosts, made by `causeway lab up`, for as long as a body runs.
struct Lab: Sendable {
    static let directory = "/run/causeway-lab"
    static let client = "203.0.113.9"
    static let client6 = "2001:db8:203::9"

    let nodes: [String]

    /// Makes one, runs the body, and takes it down, whatever came of it.
    static func with(
        nodes count: Int = 3, joins: Bool = true, body: (Lab) async throws -> Void
    ) async throws {
        try await Images.make()
        try await Load.build()
        let lab = Lab(nodes: (1...count).map { "n\($0)" })
        var words = ["up", "--nodes", "\(count)", "--engine-socket", Cluster.engineSocket]
        if !joins { words.append("--no-join") }
        do {
            try await causeway(words)
            try await body(lab)
        } catch {
            var notes = lab.nodes.map { "\($0):\n\(lab.endOfLog($0))" }
            do { try await causeway(["down"]) } catch { notes.append("\(error)") }
            throw Context(error: error, notes: notes)
        }
        try await causeway(["down"])
    }

    /// Runs `causeway lab WORDS`.
    @discardableResult static func causeway(_ words: [String]) async throws -> Command.Said {
        var command = Command([Machine.executable("causeway"), "lab"] + words)
        command.limit = .seconds(180)
        return try await command.run()
    }

    func docker(_ node: String) -> Docker { Docker(socket: "\(Self.directory)/\(node)/docker.sock") }

    /// n1 is the manager.
    var manager: Docker { docker("n1") }

    /// The network of a host.
    func at(_ host: String) -> Machine.Place { .namespace("cwlab-\(host)") }

    func address(_ node: String, v6: Bool = false) -> String {
        (v6 ? "2001:db8:2::" : "192.0.2.") + node.dropFirst()
    }

    /// How it stands, by the nodes' names.
    func status() async throws -> [String: Node] {
        var command = Command([Machine.executable("causeway"), "lab", "status", "--format", "json"])
        command.limit = .seconds(60)
        let said = try await command.attempt()
        guard [0, 3].contains(said.status) else { throw Command.Failure(said: said) }
        let report = try JSONDecoder().decode(Report.self, from: Data(said.out.utf8))
        return Dictionary(report.nodes.map { ($0.name, $0) }) { first, _ in first }
    }

    struct Node: Decodable, Sendable {
        var name: String
        var pid: Int32
        var isAlive: Bool
        var role: String
        var state: String
        var revision: UInt64?
        var failures: [String]
    }

    private struct Report: Decodable { var nodes: [Node] }

    func endOfLog(_ node: String, _ count: Int = 15) -> String {
        let text = (try? String(contentsOfFile: "\(Self.directory)/\(node)/causewayd.log", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").filter { !$0.contains(" DEBUG ") }.suffix(count).joined(separator: "\n")
    }

    // MARK: services

    /// A service with so many replicas; waits until all of them run, and returns their nodes, by the tasks' names.
    @discardableResult
    func service(
        _ name: String, replicas: Int, _ options: String..., image: [String] = [Images.test]
    ) async throws -> [String: String] {
        let words = [
            "service", "create", "--detach", "--quiet", "--no-resolve-image", "--name", name, "--replicas",
            "\(replicas)", "--hostname", "{{.Service.Name}}.{{.Task.Slot}}",
        ]
        try await manager(words + options + image)
        return try await converged(name, replicas)
    }

    /// Waits until a service has so many tasks that run, and returns their nodes.
    @discardableResult
    func converged(_ name: String, _ count: Int, within limit: Duration = .seconds(60)) async throws -> [String: String]
    {
        try await eventually("service \(name) to have \(count) running tasks", within: limit) {
            let running = try await placed(name)
            return running.count == count ? running : nil
        }
    }

    /// The nodes of a service's running tasks.
    func placed(_ name: String) async throws -> [String: String] {
        let words = ["service", "ps", name, "--filter", "desired-state=running"]
        let format = ["--format", "{{.Name}}\t{{.Node}}\t{{.CurrentState}}"]
        let lines = try await manager(words + format).lines.map { $0.split(separator: "\t").map(String.init) }
        return Dictionary(
            lines.filter { $0.count == 3 && $0[2].hasPrefix("Running") }.map { ($0[0], $0[1]) }
        ) { first, _ in first }
    }

    /// Waits until requests to an address are answered by exactly these, all of them, by every try.
    func reaches(
        _ load: Load, from host: String, _ replicas: [String], within limit: Duration = .seconds(20)
    ) async throws -> Load.Result {
        try await eventually("\(load.address):\(load.port) to lead to \(replicas) from \(host)", within: limit) {
            let result = try await load.run(at: at(host))
            return result.answered == result.requested && result.replicas.keys.sorted() == replicas.sorted()
                ? result : nil
        }
    }
}

extension Acceptance {
    /// Those that make labs of their own.
    @Suite(.serialized) enum OnLab {}
}
