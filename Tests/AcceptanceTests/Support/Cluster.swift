import Foundation
import Testing

/// A daemon and a cluster of one node, for as long as a suite runs.
actor Cluster {
    static let shared = Cluster()
    static let socket = "/run/causeway/docker.sock"
    static let engineSocket = "/run/docker.sock"
    static let log = "/run/causewayd.log"

    nonisolated let docker = Docker(socket: Cluster.socket)
    private var daemon: Spawned?

    /// The daemon's process.
    var processID: Int32? { daemon?.id }

    /// Starts the daemon, and waits until it answers.
    func startDaemon() async throws {
        daemon = try Spawned(
            [Machine.executable("causewayd"), "--engine-socket", Self.engineSocket, "--log-level", "debug"],
            out: Self.log, err: Self.log)
        try await eventually("causewayd to answer; its log:\n\(Self.lastOfLog())") {
            try await docker.attempt("version").succeeded ? true : nil
        }
    }

    /// Ends the daemon with a signal, and waits until it is gone.
    func stopDaemon(_ signal: Int32 = SIGTERM) async throws {
        guard let daemon else { return }
        await daemon.stop(signal)
        self.daemon = nil
    }

    /// A swarm with the machine's own addresses, and the images that tests use.
    func start() async throws {
        try await Images.make()
        try await Load.build()
        try await startDaemon()
        try await docker("swarm", "init", "--advertise-addr", Machine.address)
    }

    func stop() async throws {
        if daemon != nil { _ = try await docker.attempt("swarm", "leave", "--force") }
        try await stopDaemon()
    }

    /// The end of the daemon's log, for a failing test to show.
    static func lastOfLog(_ count: Int = 30) -> String {
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(count).joined(separator: "\n")
    }
}

/// All acceptance tests: one after the other, because they share a machine.
@Suite(.serialized, .enabled(if: Machine.isHere, Comment(rawValue: Machine.why)))
enum Acceptance {
    /// Those that use one cluster, started before the first of them and left after the last.
    @Suite(.serialized, .cluster) enum OnCluster {}
}

extension Trait where Self == ClusterTrait {
    static var cluster: ClusterTrait { ClusterTrait() }
}

/// Has a cluster around a whole suite, and the machine's state before and after.
struct ClusterTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
    ) async throws {
        try await Cluster.shared.start()
        do {
            try await body()
        } catch {
            try await Cluster.shared.stop()
            throw error
        }
        try await Cluster.shared.stop()
    }
}

/// The images that tests run: made on this machine, because no registry can be asked.
enum Images {
    /// busybox with a server that says who it is and who calls (Tests/Support/whoami.c).
    static let test = "causeway-test"

    static func make() async throws {
        var command = Command([Machine.root.appending(path: "images/test/build").path])
        command.environment["DOCKER_HOST"] = "unix://\(Cluster.engineSocket)"
        command.limit = .seconds(300)
        try await command.run()
    }
}

let docker = Cluster.shared.docker

/// Runs a body with a service, and removes the service afterwards, whatever came of it.
///
/// `options` are those of `docker service create` but for the name, with image and command last.
func withService(
    _ name: String, _ options: String..., replicas: Int = 1,
    body: ([String: String]) async throws -> Void
) async throws {
    try await withService(name, options: options, replicas: replicas, body: body)
}

func withService(
    _ name: String, options: [String], replicas: Int = 1,
    body: ([String: String]) async throws -> Void
) async throws {
    try await docker(["service", "create", "--detach", "--quiet", "--name", name] + options)
    try await cleaningUp(["service", "rm", name]) {
        do {
            try await body(try await docker.converged(name, replicas))
        } catch {
            let tasks = (try? await docker.attempt("service", "ps", "--no-trunc", name).all) ?? ""
            throw Context(error: error, notes: [tasks, Cluster.lastOfLog()])
        }
    }
    try await eventually("the containers of \(name) to be gone") {
        try await docker(
            "ps", "--all", "--quiet", "--filter", "label=com.docker.swarm.service.name=\(name)"
        ).trimmed.isEmpty ? true : nil
    }
}

/// Runs a body with a network, and removes the network afterwards.
func withNetwork(_ name: String, _ options: String..., body: () async throws -> Void) async throws {
    try await docker(["network", "create", "--driver", "overlay"] + options + [name])
    try await cleaningUp(["network", "rm", name], body)
}

private func cleaningUp(_ words: [String], _ body: () async throws -> Void) async throws {
    do { try await body() } catch {
        _ = try? await docker(words)
        throw error
    }
    try await docker(words)
}

/// An error, with what else is worth seeing.
struct Context: Error, CustomStringConvertible {
    var error: any Error
    var notes: [String]
    var description: String { (["\(error)"] + notes).joined(separator: "\n---\n") }
}
