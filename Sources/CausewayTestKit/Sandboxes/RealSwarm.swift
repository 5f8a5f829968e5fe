import CausewayKernel
import CausewayLinux
import Foundation

/// A Docker Swarm of two nodes, made by the engine itself: `hosta` is the manager, `hostb` a worker, `client` asks.
///
/// Service `web` has a task on each and publishes 8080; `api` has one on either, and both are on the network `backend`.
package struct RealSwarm: Sendable {
    package static let nodes = ["hosta", "hostb"]

    /// Whom a question may be asked by.
    package static let client = "client"

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

    package static func running() async throws -> RealSwarm { try await begun.value }

    /// Runs `causeway` on a node, or from its client.
    package func causeway(on node: String, _ words: String...) throws -> Command.Output {
        let way = node == Self.client ? ["ip", "netns", "exec", node] : ["bash", Self.script, "in", node]
        // The client is a host that has nothing but its own namespace.
        let name = ["CAUSEWAY_LAB_HOST": node, "CAUSEWAY_NAMESPACES_DIRECTORY": "/nonexistent", "NO_COLOR": "1"]
        return try Command(
            way + [Self.causeway] + words, environment: node == Self.client ? name : ["NO_COLOR": "1"]
        ).run()
    }

    /// Snapshots of both nodes and of the client, as files.
    package func snapshots() throws -> [String] { try (Self.nodes + [Self.client]).map(snapshot) }

    private func snapshot(of node: String) throws -> String {
        let file = "\(Self.folder)/\(node).json"
        let output = try causeway(on: node, "snapshot", "-o", file)
        guard output.status == 0 else {
            throw TestNamespace.CommandFailed(description: "snapshot of \(node): \(output.errors)")
        }
        return file
    }

    /// What is in the kernels of both nodes and of the client.
    package func inventories() throws -> [Inventory] {
        try snapshots().map { try JSONDecoder().decode(Inventory.self, from: Data(contentsOf: URL(filePath: $0))) }
    }

    /// Where the nodes' namespaces have their names, as this process sees them.
    package var directories: [String] {
        get throws {
            try Self.nodes.map { node in
                let process = try String(contentsOfFile: "\(Self.folder)/\(node).pid", encoding: .utf8)
                return "/proc/\(process.trimmingCharacters(in: .whitespacesAndNewlines))/root/run/docker/netns"
            } + ["/run/netns"]
        }
    }
}
