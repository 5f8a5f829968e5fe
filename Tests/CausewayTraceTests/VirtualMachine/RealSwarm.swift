import CausewayKernel
import CausewayLinux
import CausewayPath
import CausewayTestKit
import CausewayTrace
import Foundation

/// A Docker Swarm of two nodes, made by the engine itself: `hosta` is the manager, `hostb` a worker, `client` asks.
///
/// Service `web` has a task on each and publishes 8080; `api` has one on either, and both are on the network `backend`.
struct RealSwarm {
    static let nodes = ["hosta", "hostb"]

    /// Whom a question may be asked by.
    static let client = "client"

    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    private static let script = root.appending(path: "Tests/Support/docker-swarm").path
    private static let causeway = root.appending(path: ".build/debug/causeway").path
    private static let folder = "/run/docker-swarm"

    /// Begun once; it ends with the machine.
    private static let begun = Task {
        let output = try Command(["bash", script, "up"]).run()
        guard output.status == 0 else {
            throw TestNamespace.CommandFailed(description: "docker-swarm up: \(output.output)\(output.errors)")
        }
        print(output.output)
        return RealSwarm()
    }

    static func running() async throws -> RealSwarm { try await begun.value }

    /// Runs `causeway` on a node, or from its client.
    func causeway(on node: String, _ words: String...) throws -> Command.Output {
        let way = node == Self.client ? ["ip", "netns", "exec", node] : ["bash", Self.script, "in", node]
        // The client is a host that has nothing but its own namespace.
        let name = ["CAUSEWAY_LAB_HOST": node, "CAUSEWAY_NAMESPACES_DIRECTORY": "/nonexistent", "NO_COLOR": "1"]
        return try Command(
            way + [Self.causeway] + words, environment: node == Self.client ? name : ["NO_COLOR": "1"]
        ).run()
    }

    /// Snapshots of both nodes and of the client, as files.
    func snapshots() throws -> [String] {
        try (Self.nodes + [Self.client]).map { node in
            let file = "\(Self.folder)/\(node).json"
            let output = try causeway(on: node, "snapshot", "-o", file)
            guard output.status == 0 else {
                throw TestNamespace.CommandFailed(description: "snapshot of \(node): \(output.errors)")
            }
            return file
        }
    }

    func inventories() throws -> [Inventory] {
        try snapshots().map { try JSONDecoder().decode(Inventory.self, from: Data(contentsOf: URL(filePath: $0))) }
    }

    /// Where the nodes' namespaces have their names, as this process sees them.
    private var directories: [String] {
        get throws {
            try Self.nodes.map { node in
                let process = try String(contentsOfFile: "\(Self.folder)/\(node).pid", encoding: .utf8)
                return "/proc/\(process.trimmingCharacters(in: .whitespacesAndNewlines))/root/run/docker/netns"
            } + ["/run/netns"]
        }
    }

    /// Asks as the command line does, and sends such packets.
    func trace(_ target: String, from: String, at host: String?, count: Int) async throws -> TraceRun.Result {
        let tracer = try PathTracer(try inventories(), at: host)
        let answer = try tracer.resolve(Question(target: target, from: from))
        let subject = TraceRun.Subject(tracer, answer.packet, from: answer.entry)
        return try await TraceRun(
            subject, count: count, directories: try directories, patience: .milliseconds(1500)
        ).send()
    }
}
