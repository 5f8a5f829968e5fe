import CausewayEngine
import CausewayModel
import Foundation
import Testing

@testable import CausewayRuntime

private let socket = EngineOfTests.socket

/// Whether this machine's Docker Engine knows the OCI runtime `causeway`, and we may make namespaces.
private func canJoinNamespaces() async -> Bool {
    guard EngineOfTests.isThere, getuid() == 0 else { return false }
    let engine = EngineClient(socketPath: socket)
    let problems = await DockerRuntime(engine: engine, nodeHostname: "alpha").preflight()
    await engine.shutdown()
    return problems.isEmpty
}

/// With Docker Engine, `causeway-oci` and the run directory that it reads.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct CausewayNamespaceTests {
    @Test(.enabled("Docker Engine has no OCI runtime \"causeway\"") { await canJoinNamespaces() })
    func `a container starts inside the namespace that was prepared for it`() async throws {
        let holder = Process()
        holder.executableURL = URL(filePath: "/usr/bin/unshare")
        holder.arguments = ["-n", "/bin/sleep", "60"]
        try holder.run()
        defer { holder.terminate() }
        let namespace = "/proc/\(holder.processIdentifier)/ns/net"
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
        while try FileManager.default.destinationOfSymbolicLink(atPath: namespace) == own {
            try await Task.sleep(for: .milliseconds(10))
        }

        let engine = EngineClient(socketPath: socket)
        let places = PlaceFiles(
            folder: "/var/lib/causeway/containers", runDirectory: "/run/causeway", agentSocket: "/run/causeway/none")
        let runtime = DockerRuntime(engine: engine, nodeHostname: "alpha", places: places)
        let task = try Swarm.Task.sample(
            "runtime-test-netns", #"{"ContainerSpec":{"Image":"busybox:latest","Command":["sleep","600"]}}"#)
        let id: String
        do { id = try await runtime.prepare(task) } catch {
            // A client that is let go open ends the whole run.
            await engine.shutdown()
            throw error
        }
        do {
            try await runtime.start(id, namespacePath: namespace)
            let pid = try #require(try await runtime.inspect(id)).pid
            let joined = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/ns/net")
            #expect(try joined == FileManager.default.destinationOfSymbolicLink(atPath: namespace))
        } catch {
            Issue.record("\(error)")
        }
        let seen = ObservedContainer(id: id, taskID: task.id, nodeID: "node1", state: .running)
        try await runtime.remove(seen, force: true)
        await engine.shutdown()
        #expect(!FileManager.default.fileExists(atPath: "/var/lib/causeway/containers/\(id)"))
    }
}
