import CausewayKernel
import CausewayLinux
import Foundation

/// Makes a lab: the network, then a daemon on each node, then the swarm.
///
/// What was begun is in the record before it is made, so that a lab that failed half way can be taken down.
struct LabBuilder {
    let folder: LabFolder
    let programs: String
    let say: @Sendable (String) -> Void
    private(set) var record: LabRecord

    init(_ folder: LabFolder, record: LabRecord, programs: String, say: @escaping @Sendable (String) -> Void) {
        self.folder = folder
        self.record = record
        self.programs = programs
        self.say = say
    }

    /// `causewayd` and its helpers are installed, and built, beside this program.
    static func programsBesideThis() -> String {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return own.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path } ?? "/usr/local/bin"
    }

    /// Makes what the record names, its swarms included.
    mutating func build() async throws {
        try LabDocker(record.engineSocket).checkEngine(ociPath: "\(programs)/causeway-oci")
        try folder.write(record)
        try await makeNetwork()
        try await startDaemons()
        for swarm in record.swarms ?? [] { try await join(swarm) }
    }

    // MARK: the network

    private func makeNetwork() async throws {
        let topology = record.topology
        for step in topology.steps { try await take(step) }
        do {
            try Data(topology.hostsFile.utf8).write(to: URL(fileURLWithPath: folder.hostsPath))
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: folder.hostsPath)
        } catch {
            throw Failure(what: "cannot write \(folder.hostsPath)", cause: "\(error)", remedy: "")
        }
        say("\(topology.nodes.count) hosts and a client, with links between them")
    }

    private func take(_ step: LabStep) async throws {
        switch step {
        case .namespace(let name):
            do throws(KernelError) {
                _ = try await NetworkNamespace.create(name: name)
            } catch {
                guard error.reason == .alreadyExists else { throw error }
                throw Failure(
                    what: "cannot \(step)", cause: "there is a namespace of that name",
                    remedy: "another lab, or a rest of one: causeway lab down, with that lab's --directory")
            }
        case .ip(let namespace, let words):
            let output = try Command(["ip", "-n", namespace] + words).run()
            guard output.status == 0 else {
                throw Failure(
                    what: "cannot \(step)", cause: output.errors.trimmingCharacters(in: .whitespacesAndNewlines),
                    remedy: "")
            }
        case .sysctl(let namespace, let name, let value):
            try await NetworkNamespace(name: namespace).perform { try Sysctl.write(name, value) }
        }
    }

    // MARK: daemons

    private mutating func startDaemons() async throws {
        for host in record.topology.nodes {
            let node = folder.node(host.name)
            try folder.make(node.path)
            try write(configuration(of: host), to: node.configuration)
            record.daemons[host.name] = try await LabProcess.start(
                ["\(programs)/causewayd", "--config", node.configuration],
                in: NetworkNamespace(name: host.namespace), log: node.log)
            try folder.write(record)
        }
        for host in record.topology.nodes { try await waitForDaemon(host.name) }
        say("\(record.topology.nodes.count) daemons, their logs in \(folder.path)/NODE/causewayd.log")
    }

    /// A node's settings; all that is usually fixed is below the node's folder, but for what belongs to the engine.
    private func configuration(of host: LabTopology.Host) -> NodeConfiguration {
        let node = folder.node(host.name)
        return NodeConfiguration(
            hostname: host.name, run: .init(directory: node.path), state: .init(directory: node.state),
            engine: .init(socket: record.engineSocket), places: .init(directory: record.placesDirectory),
            namespaces: .init(directory: node.namespaces), log: .init(level: "debug"))
    }

    private struct NodeConfiguration: Encodable {
        struct Folder: Encodable { var directory: String }
        struct Socket: Encodable { var socket: String }
        struct Log: Encodable { var level: String }

        var hostname: String
        var run: Folder
        var state: Folder
        var engine: Socket
        var places: Folder
        var namespaces: Folder
        var log: Log
    }

    private func write(_ configuration: NodeConfiguration, to path: String) throws(Failure) {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try encoder.encode(configuration).write(to: URL(fileURLWithPath: path))
        } catch {
            throw Failure(what: "cannot write \(path)", cause: "\(error)", remedy: "")
        }
    }

    private func waitForDaemon(_ name: String) async throws {
        let node = folder.node(name)
        try await LabWait.until(within: .seconds(60), every: .milliseconds(50)) {
            if ControlClient(socketPath: node.socket).isAnswered { return nil }
            let failure = Failure(
                what: "the daemon of \(name) did not start",
                cause: LabLog.end(of: node.log, lines: 3), remedy: "its log is \(node.log)")
            guard record.daemons[name]?.isAlive == true else { throw failure }
            return failure
        }
    }

    // MARK: the swarm

    private func join(_ swarm: LabSwarm) async throws {
        let members = record.topology.nodes.filter { swarm.nodes.contains($0.name) }
        guard let first = members.first else { return }
        let manager = LabDocker(folder.node(first.name).socket)
        try manager("swarm", "init", "--advertise-addr", "\(first.v4)")
        say("\(first.name): a swarm, and its manager")
        let token = try manager("swarm", "join-token", "--quiet", "worker")
        // A few at a time: each waits for its first assignment.
        let others = Array(members.dropFirst())
        let width = 4
        for start in stride(from: 0, to: others.count, by: width) {
            let some = others[start..<min(start + width, others.count)]
            try await withThrowingTaskGroup(of: Void.self) { [folder, say] group in
                for host in some {
                    group.addTask {
                        try LabDocker(folder.node(host.name).socket)(
                            "swarm", "join", "--advertise-addr", "\(host.v4)", "--token", token,
                            "\(first.v4):2377")
                        say("\(host.name): joined")
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}

/// The end of a log, for an error.
enum LabLog {
    static func end(of path: String, lines: Int) -> String {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        let last = text.split(separator: "\n").suffix(lines).joined(separator: "\n")
        return last.isEmpty ? "it said nothing" : "it said last:\n\(last)"
    }
}
