import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
import CausewaySockets
import Foundation

/// Measures one service on both data paths of a lab, in one run: each case in turn, round after round.
///
/// `web` has one task, on the first node of its swarm: what is asked there goes to this host, what is asked at the second
/// node goes through the tunnel. `rolling` has four, on both nodes, and is updated.
struct LabComparison {
    static let web = Published(name: "web", port: 8080)
    static let rolling = Published(name: "rolling", port: 8081)

    struct Published {
        var name: String
        var port: UInt16
    }

    /// In a virtual machine without acceleration a container takes its time.
    private static let patience: Duration = .seconds(300)

    let folder: LabFolder
    let record: LabRecord
    let options: CompareOptions
    let say: @Sendable (String) -> Void

    private var client: NetworkNamespace { NetworkNamespace(name: record.topology.client.namespace) }
    private var swarms: [LabSwarm] { record.swarms ?? [] }

    /// What has to be there before anything is made.
    static func check(_ options: CompareOptions, engineSocket: String) async throws {
        if let missing = await Preflight.missingForClassic() {
            throw Failure(
                what: "this kernel cannot build the data path 'classic', so there is nothing to compare",
                cause: missing, remedy: "scripts/vm boots a kernel that can")
        }
        try WrkRun.checkInstalled()
        do throws(Failure) {
            try LabDocker(engineSocket)("image", "inspect", "--format", "{{.Id}}", options.image)
        } catch {
            throw Failure(
                what: "the Docker Engine at \(engineSocket) has no image '\(options.image)'", cause: error.cause,
                remedy: "make one with images/web/build, or name one that answers HTTP on port 80 with --image")
        }
    }

    func run() async throws -> ComparisonReport {
        for swarm in swarms { try await prepare(swarm) }
        let figures = try await measureRates()
        var columns: [ComparisonReport.Path] = []
        for swarm in swarms {
            say("\(swarm.dataPath.rawValue): an update under load, and an idle connection")
            let idle = try await watchIdle(swarm)
            columns.append(
                ComparisonReport.Path(
                    dataPath: swarm.dataPath, ways: try ways(swarm), seenClient: idle.seen,
                    update: try await update(swarm), idle: idle.outcome))
        }
        return ComparisonReport(
            paths: columns, figures: figures, client: "\(record.topology.client.v4)", idle: options.idle,
            silence: options.silence, connections: WrkRun.connections)
    }

    // MARK: the services

    private func manager(_ swarm: LabSwarm) -> LabDocker { LabDocker(folder.node(swarm.nodes[0]).socket) }

    private func name(_ service: Published, at node: String) throws -> SocketName {
        guard let host = record.topology.host(node) else {
            throw Failure(what: "the lab has no node '\(node)'", cause: "its record is of another lab", remedy: "")
        }
        return SocketName(host.v4, service.port)
    }

    /// The networks and the services, unless an earlier run has made them.
    private func prepare(_ swarm: LabSwarm) async throws {
        let docker = manager(swarm)
        if swarm.dataPath == .classic { try makeIngressClassic(docker) }
        let present = Set(try docker("service", "ls", "--format", "{{.Name}}").split(separator: "\n").map(String.init))
        let made = ["service", "create", "--quiet", "--detach", "--no-resolve-image"]
        if !present.contains(Self.web.name) {
            try docker.run(
                made + ["--name", Self.web.name, "--publish", "\(Self.web.port):80"]
                    + ["--constraint", "node.hostname==\(swarm.nodes[0])", options.image])
        }
        if !present.contains(Self.rolling.name) {
            try docker.run(
                made + ["--name", Self.rolling.name, "--publish", "\(Self.rolling.port):80", "--replicas", "4"]
                    + ["--update-delay", "0s", "--update-monitor", "1s", options.image])
        }
        try await waitForTasks(swarm)
        for node in swarm.nodes {
            for service in [Self.web, Self.rolling] { try await waitForAnswer(of: service, at: node) }
        }
        say(
            "\(swarm.dataPath.rawValue): \(Self.web.name) and \(Self.rolling.name) answer on \(swarm.nodes.joined(separator: " and "))"
        )
    }

    /// Published ports go by the data path of the ingress network.
    private func makeIngressClassic(_ docker: LabDocker) throws {
        let option = Swarm.NetworkSpec.dataPathOption
        let (path, classic) = ("{{index .Options \"\(option)\"}}", LabSwarm.DataPath.classic.rawValue)
        guard try docker("network", "inspect", "--format", path, "ingress") != classic else { return }
        try docker.run(["network", "rm", "ingress"], input: "y\n")
        try docker("network", "create", "--driver", "overlay", "--ingress", "--opt", "\(option)=\(classic)", "ingress")
    }

    /// What is asked for runs: `1/1`, `4/4`.
    private func waitForTasks(_ swarm: LabSwarm) async throws {
        try await LabWait.until(within: Self.patience, every: .seconds(1)) {
            let counts = try manager(swarm)("service", "ls", "--format", "{{.Replicas}}").split(separator: "\n")
                .map { $0.prefix { $0 != " " }.split(separator: "/") }
            if counts.allSatisfy({ $0.count == 2 && $0[0] == $0[1] }) { return nil }
            let names = [Self.web.name, Self.rolling.name]
            // Without `lab compare` the lab is gone before anybody can ask.
            let said = try manager(swarm).run(["service", "ps", "--no-trunc", "--format", "{{.Error}}"] + names)
            let error = said.split(separator: "\n").first.map { "; \($0)" } ?? ""
            return Failure(
                what: "the tasks of \(swarm.dataPath.rawValue) do not run",
                cause: "of its services run \(counts.map { $0.joined(separator: "/") }.joined(separator: ", "))"
                    + error,
                remedy: "causeway lab exec \(swarm.nodes[0]) -- docker service ps \(names.joined(separator: " "))")
        }
    }

    private func waitForAnswer(of service: Published, at node: String) async throws {
        let name = try name(service, at: node)
        try await LabWait.until(within: Self.patience, every: .milliseconds(200)) {
            let outcome = try await client.perform { try LabSocket(name).exchange(milliseconds: 1000) }
            if outcome == .answered { return nil }
            return Failure(
                what: "\(service.name) does not answer at \(node):\(service.port)", cause: outcome.rawValue,
                remedy: "causeway doctor; the node's log is \(folder.node(node).log)")
        }
    }

    // MARK: how fast

    /// A node's own server first, then each way, in every round.
    private func measureRates() async throws -> [ComparisonReport.Case: [ComparisonReport.Round]] {
        guard let first = record.topology.nodes.first else { return [:] }
        try Data(WrkRun.scriptText.utf8).write(to: URL(filePath: folder.loadScriptPath), options: .atomic)
        let server = try HostServer(options.image, on: first, folder, record)
        defer { server.remove() }
        let own = Published(name: "the server of \(first.name)", port: 80)
        try await waitForAnswer(of: own, at: first.name)
        let wrk = WrkRun(namespace: client, script: folder.loadScriptPath, seconds: options.seconds)
        var urls: [(ComparisonReport.Case, String)] = [(.host, "http://\(try name(own, at: first.name))/")]
        for swarm in swarms {
            for (place, node) in zip(ComparisonReport.Place.allCases, swarm.nodes) {
                urls.append((.path(swarm.dataPath, place), "http://\(try name(Self.web, at: node))/"))
            }
        }
        var figures: [ComparisonReport.Case: [ComparisonReport.Round]] = [:]
        for round in 1...options.rounds {
            say("round \(round) of \(options.rounds)")
            var one: [ComparisonReport.Case: ComparisonReport.Round] = [:]
            for kind in WrkRun.Kind.allCases {
                for (name, url) in urls { one[name, default: [:]][kind] = try await wrk(kind, url) }
            }
            for (name, slice) in one { figures[name, default: []].append(slice) }
        }
        return figures
    }

    // MARK: what a packet meets

    /// The ways to the task: from its own node, and from the other one.
    private func ways(_ swarm: LabSwarm) throws -> [Trace] {
        guard let inventories = try ControlClient(socketPath: folder.node(swarm.nodes[0]).controlSocket).inventories()
        else {
            throw Failure(
                what: "the daemon of \(swarm.nodes[0]) does not tell its nodes' state",
                cause: "it is of another release",
                remedy: "")
        }
        return try swarm.nodes.prefix(ComparisonReport.Place.allCases.count).map { node in
            let tracer = try PathTracer(inventories, at: node)
            let question = Question(
                target: "\(Self.web.name):\(Self.web.port)", from: "\(record.topology.client.v4)")
            let answer = try tracer.resolve(question)
            return try tracer.trace(answer.packet, from: answer.entry, names: answer.names, isReturning: true)
        }
    }

    // MARK: what becomes of connections

    /// Replaces every task of `rolling` while new connections come to all nodes.
    private func update(_ swarm: LabSwarm) async throws -> SteadyRequests.Tally {
        let targets = try swarm.nodes.map { try name(Self.rolling, at: $0) }
        let requests = SteadyRequests(targets, rate: options.rate)
        async let tally = client.perform { try requests.run() }
        do {
            // Some before, to see that all is well, and some after, which meet the last task that was replaced.
            try await Task.sleep(for: .seconds(1))
            try manager(swarm)("service", "update", "--quiet", "--force", "--no-resolve-image", Self.rolling.name)
            try await Task.sleep(for: .seconds(2))
        } catch {
            requests.end()
            throw error
        }
        requests.end()
        return try await tally
    }

    /// The same with IPVS' timeout set for the trial, where there is IPVS.
    private func watchIdle(_ swarm: LabSwarm) async throws -> (seen: String, outcome: LabSocket.Outcome) {
        guard swarm.dataPath == .classic else { return try await watchConnection(swarm) }
        var short = BalancerTimeouts.usual
        short.established = UInt32(options.idle)
        let seen: (String, LabSocket.Outcome)
        do {
            try await setTimeouts(short, of: swarm)
            seen = try await watchConnection(swarm)
        } catch {
            try await setTimeouts(.usual, of: swarm)
            throw error
        }
        try await setTimeouts(.usual, of: swarm)
        return seen
    }

    /// A connection through the tunnel that says nothing for longer than IPVS remembers it.
    ///
    /// The task is looked at meanwhile: whom it takes for its client.
    private func watchConnection(_ swarm: LabSwarm) async throws -> (seen: String, outcome: LabSocket.Outcome) {
        let entry = try name(Self.web, at: swarm.nodes[swarm.nodes.count - 1])
        let (socket, first) = try await client.perform {
            let socket = try LabSocket(entry)
            return (socket, socket.exchange(milliseconds: 3000))
        }
        guard first == .answered else {
            throw Failure(what: "\(Self.web.name) does not answer at \(entry)", cause: first.rawValue, remedy: "")
        }
        let seen = try await seenClient(swarm)
        try await Task.sleep(for: .seconds(options.silence))
        return (seen, socket.exchange(milliseconds: 3000))
    }

    private func setTimeouts(_ timeouts: BalancerTimeouts, of swarm: LabSwarm) async throws {
        for node in swarm.nodes {
            let sandbox = NetworkNamespace(name: "\(Rtnl.linkPrefix)ingress_sbox", in: folder.node(node).namespaces)
            try await sandbox.perform { try timeouts.set() }
        }
    }

    /// The peers of the connections that the task of `web` has open.
    private func seenClient(_ swarm: LabSwarm) async throws -> String {
        let engine = LabDocker(record.engineSocket)
        let node = folder.node(swarm.nodes[0])
        let container = try engine(
            "ps", "--quiet", "--filter", "label=com.docker.swarm.service.name=\(Self.web.name)",
            "--filter", "label=com.docker.swarm.node.id=\(node.nodeID ?? "")")
        let process = try engine("inspect", "--format", "{{.State.Pid}}", container)
        let command = Command(["ss", "--no-header", "--tcp", "--numeric", "state", "established", "sport = :80"])
        let said = try await NetworkNamespace(path: "/proc/\(process)/ns/net").perform { try command.run() }
        guard said.status == 0 else {
            throw Failure(what: "cannot look at the connections of \(container)", cause: said.errors, remedy: "")
        }
        let peers = said.output.split(separator: "\n").compactMap { $0.split(separator: " ").last.map(Self.address) }
        return Set(peers).sorted().joined(separator: ", ")
    }

    /// Of an end of a connection as ss(8) writes it: `10.0.0.2:41001`, `[::ffff:10.0.0.2]:41001`.
    private static func address(_ end: Substring) -> String {
        let bare = end[..<(end.lastIndex(of: ":") ?? end.endIndex)].trimmingCharacters(in: ["[", "]"])
        let mapped = "::ffff:"
        return bare.hasPrefix(mapped) ? String(bare.dropFirst(mapped.count)) : bare
    }
}
