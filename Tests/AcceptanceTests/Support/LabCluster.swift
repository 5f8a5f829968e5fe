import Foundation
import Testing

extension Acceptance {
    /// Those that need several nodes; each suite has a lab of its own, with the trait `.nodes(_:joined:)`.
    @Suite(.serialized) enum InLab {}
}

extension Trait where Self == LabTrait {
    /// A lab around a whole suite: `count` nodes, of which the first `joined` are a swarm.
    static func nodes(_ count: Int, joined: Int? = nil) -> LabTrait {
        LabTrait(count: count, joined: joined ?? count)
    }
}

/// Has `causeway lab up` before a suite, and `causeway lab down` after it, whatever came of it.
struct LabTrait: SuiteTrait, TestScoping {
    var count: Int
    var joined: Int

    func provideScope(
        for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
    ) async throws {
        do {
            try await lab.up(nodes: count, joined: joined)
            try await body()
        } catch {
            let logs = lab.lastOfLogs()
            _ = try? await lab.down()
            throw Context(error: error, notes: logs)
        }
        try await lab.down()
    }
}

/// The lab that is up: hosts n1, n2, … with a daemon each, and `client` outside.
let lab = LabCluster()

/// A cluster of virtual hosts, as `causeway lab` makes it, and what tests do with it.
actor LabCluster {
    static let folder = "/run/causeway-lab"

    /// How many nodes it has.
    private(set) var count = 0
    /// Daemons that a test has started anew; those of `lab up` are in its record.
    private var restarted: [String: Spawned] = [:]

    nonisolated static func node(_ number: Int) -> String { "n\(number)" }

    /// The names of all nodes.
    var nodes: [String] { (1...max(count, 1)).map(Self.node) }

    // MARK: up and down

    func up(nodes count: Int, joined: Int) async throws {
        try await Images.make()
        try await Load.build()
        try await Steady.build()
        try await Flow.build()
        try await OnePort.build()
        try await begin(nodes: count, joined: joined)
    }

    /// The lab alone, without the programs that tests use.
    func begin(nodes count: Int, joined: Int) async throws {
        let words = ["lab", "up", "--nodes", "\(count)", "--engine-socket", Cluster.engineSocket]
        try await Self.causeway(words + (joined < count ? ["--no-join"] : []), limit: .seconds(120)).run()
        self.count = count
        for node in nodes { try await Self.withoutErrorLimit(place(node)) }
        guard joined < count else { return }
        try await docker("n1")("swarm", "init", "--advertise-addr", Self.address("n1"))
        for number in stride(from: 2, through: joined, by: 1) { try await join(Self.node(number)) }
    }

    func down() async throws {
        for daemon in restarted.values { await daemon.stop() }
        restarted = [:]
        try await Self.causeway(["lab", "down"], limit: .seconds(120)).run()
        count = 0
    }

    /// Makes a node a worker of the swarm of `n1`.
    func join(_ node: String) async throws {
        let token = try await docker("n1")("swarm", "join-token", "--quiet", "worker").trimmed
        try await docker(node)(
            "swarm", "join", "--advertise-addr", Self.address(node), "--token", token, "\(Self.address("n1")):2377")
        try await eventually("\(node) to be ready") {
            try await docker("n1")("node", "ls", "--format", "{{.Hostname}} {{.Status}}").lines
                .contains("\(node) Ready") ? true : nil
        }
    }

    /// However many errors a host has sent before, it sends the next one too: the kernel's own limit is not tested here.
    nonisolated static func withoutErrorLimit(_ place: Machine.Place) async throws {
        let words = ["sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"]
        try await Command(place.wrap(words)).run()
    }

    // MARK: places and addresses

    /// The `docker` command line on a node.
    nonisolated func docker(_ node: String) -> Docker { Docker(socket: "\(Self.folder)/\(node)/docker.sock") }

    /// That of the manager.
    nonisolated var manager: Docker { docker("n1") }

    /// The network of a host: `n1`, …, or `client`.
    nonisolated func place(_ host: String) -> Machine.Place { .namespace("cwlab-\(host)") }

    /// The bridge between the nodes, where the underlay's packets pass.
    nonisolated var underlay: Machine.Place { .namespace("cwlab-net") }

    /// A host's IPv4 address.
    nonisolated static func address(_ host: String) -> String {
        host == "client" ? "203.0.113.9" : "192.0.2.\(host.dropFirst())"
    }

    /// A host's IPv6 address.
    nonisolated static func address6(_ host: String) -> String {
        host == "client" ? "2001:db8:203::9" : "2001:db8:2::\(String(Int(host.dropFirst()) ?? 0, radix: 16))"
    }

    /// The addresses of all nodes, of one family or both.
    func addresses(_ families: Set<Int> = [4]) -> [String] {
        nodes.flatMap { node in
            (families.contains(4) ? [Self.address(node)] : [])
                + (families.contains(6) ? [Self.address6(node)] : [])
        }
    }

    // MARK: commands

    /// A command of the program `causeway` on this machine.
    nonisolated static func causeway(_ words: [String], limit: Duration = .seconds(60)) -> Command {
        var command = Command([Machine.executable("causeway")] + words)
        command.environment["DOCKER_HOST"] = "unix://\(Cluster.engineSocket)"
        command.limit = limit
        return command
    }

    /// Runs a command with `causeway lab exec`, whatever comes of it.
    nonisolated func exec(_ host: String, _ words: String...) async throws -> Command.Said {
        try await Self.causeway(["lab", "exec", host, "--"] + words).attempt()
    }

    /// Runs a shell script in the network of a host, and throws when it fails.
    @discardableResult
    nonisolated func shell(_ host: String, _ script: String) async throws -> Command.Said {
        try await Command(place(host).wrap(["sh", "-ec", script])).run()
    }

    // MARK: daemons

    /// The process of a node's daemon.
    func processID(_ node: String) throws -> Int32 {
        if let daemon = restarted[node] { return daemon.id }
        struct Record: Decodable {
            struct Process: Decodable { var id: Int32 }
            var daemons: [String: Process]
        }
        let data = try Data(contentsOf: URL(filePath: "\(Self.folder)/lab.json"))
        let record = try JSONDecoder().decode(Record.self, from: data)
        return try #require(record.daemons[node]).id
    }

    /// Ends a node's daemon with a signal, and waits until it is gone.
    func stopDaemon(_ node: String, _ signal: Int32 = SIGKILL) async throws {
        if let daemon = restarted[node] {
            await daemon.stop(signal)
            return
        }
        let id = try processID(node)
        kill(id, signal)
        try await eventually("the daemon of \(node) to be gone") { kill(id, 0) != 0 ? true : nil }
    }

    /// Starts a node's daemon anew, and waits until it answers.
    func startDaemon(_ node: String, waits: Bool = true) async throws {
        let log = log(node)
        // Not `ip netns exec`: it would hide /run/netns from others. No variable CAUSEWAY_…: it would win over the file.
        restarted[node] = try Spawned(
            [
                "nsenter", "--net=/run/netns/cwlab-\(node)", "env", "-i", "PATH=\(Machine.environment["PATH"] ?? "")",
                Machine.executable("causewayd"), "--config", "\(Self.folder)/\(node)/causewayd.json",
            ], out: log, err: log)
        if waits { try await waitForDaemon(node) }
    }

    func waitForDaemon(_ node: String) async throws {
        try await eventually("the daemon of \(node) to answer; its log:\n\(lastOfLog(node))") {
            try await docker(node).attempt("version").succeeded ? true : nil
        }
    }

    nonisolated func log(_ node: String) -> String { "\(Self.folder)/\(node)/causewayd.log" }

    nonisolated func lines(_ node: String) -> [Substring] {
        ((try? String(contentsOfFile: log(node), encoding: .utf8)) ?? "").split(separator: "\n")
    }

    /// The end of a daemon's log, for a failing test to show.
    nonisolated func lastOfLog(_ node: String, _ count: Int = 30) -> String {
        lines(node).suffix(count).joined(separator: "\n")
    }

    /// The ends of all daemons' logs.
    nonisolated func lastOfLogs(_ count: Int = 12) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: Self.folder)) ?? []
        return names.sorted().filter { FileManager.default.fileExists(atPath: log($0)) }
            .map { "\($0):\n\(lastOfLog($0, count))" }
    }
}
