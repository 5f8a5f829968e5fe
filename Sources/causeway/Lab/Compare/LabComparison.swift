import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
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
            connections: WrkRun.connections)
    }

    // MARK: the services

    private func manager(_ swarm: LabSwarm) -> LabDocker { LabDocker(folder.node(swarm.nodes[0]).socket) }

    private func address(_ node: String) throws -> IPv4Address {
        guard case .v4(let address)? = record.topology.host(node)?.v4 else {
            throw Failure(what: "the lab has no node '\(node)'", cause: "its record is of another lab", remedy: "")
        }
        return address
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
        let options = try docker("network", "inspect", "--format", "{{json .Options}}", "ingress")
        guard !options.contains("classic") else { return }
        try docker.run(["network", "rm", "ingress"], input: "y\n")
        try docker(
            "network", "create", "--driver", "overlay", "--ingress", "--opt", "causeway.datapath=classic", "ingress")
    }

    /// What is asked for runs: `1/1`, `4/4`.
    private func waitForTasks(_ swarm: LabSwarm) async throws {
        let deadline = ContinuousClock.now + Self.patience
        while true {
            let counts = try manager(swarm)("service", "ls", "--format", "{{.Replicas}}").split(separator: "\n")
                .map { $0.prefix { $0 != " " }.split(separator: "/") }
            if counts.allSatisfy({ $0.count == 2 && $0[0] == $0[1] }) { return }
            guard ContinuousClock.now < deadline else {
                throw Failure(
                    what: "the tasks of \(swarm.dataPath.rawValue) do not run",
                    cause: "of its services run \(counts.map { $0.joined(separator: "/") }.joined(separator: ", "))",
                    remedy:
                        "causeway lab exec \(swarm.nodes[0]) -- docker service ps \(Self.web.name) \(Self.rolling.name)"
                )
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    private func waitForAnswer(of service: Published, at node: String) async throws {
        let address = try address(node)
        let deadline = ContinuousClock.now + Self.patience
        while true {
            let outcome = try await client.perform {
                try LabSocket(address, service.port).exchange(milliseconds: 1000)
            }
            if outcome == .answered { return }
            guard ContinuousClock.now < deadline else {
                throw Failure(
                    what: "\(service.name) does not answer at \(node):\(service.port)", cause: outcome.rawValue,
                    remedy: "causeway doctor; the node's log is \(folder.node(node).log)")
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    // MARK: how fast

    /// A node's own server first, then each way, in every round.
    private func measureRates() async throws -> [ComparisonReport.Case: [ComparisonReport.Round]] {
        guard let first = record.topology.nodes.first else { return [:] }
        try Data(WrkRun.scriptText.utf8).write(to: URL(filePath: folder.loadScriptPath), options: .atomic)
        let server = try HostServer(options.image, on: first, folder, record)
        defer { server.remove() }
        try await waitForAnswer(of: Published(name: "the server of \(first.name)", port: 80), at: first.name)
        let wrk = WrkRun(namespace: client, script: folder.loadScriptPath, seconds: options.seconds)
        var urls: [(ComparisonReport.Case, String)] = [(.host, "http://\(try address(first.name)):80/")]
        for swarm in swarms {
            for (place, node) in zip(ComparisonReport.Place.allCases, swarm.nodes) {
                urls.append((.path(swarm.dataPath, place), "http://\(try address(node)):\(Self.web.port)/"))
            }
        }
        var figures: [ComparisonReport.Case: [ComparisonReport.Round]] = [:]
        for round in 1...options.rounds {
            say("round \(round) of \(options.rounds)")
            var one: [ComparisonReport.Case: ComparisonReport.Round] = [:]
            for kind in WrkRun.Kind.allCases {
                for (name, url) in urls { one[name, default: [:]][kind.rawValue] = try await wrk(kind, url) }
            }
            for (name, slice) in one { figures[name, default: []].append(slice) }
        }
        return figures
    }

    // MARK: what a packet meets

    /// The ways to the task: from its own node, and from the other one.
    func ways(_ swarm: LabSwarm) throws -> [Trace] {
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
        let requests = SteadyRequests(
            try swarm.nodes.map(address), port: Self.rolling.port, rate: options.rate)
        async let tally = client.perform { try requests.run() }
        do {
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

    /// A connection through the tunnel that says nothing for longer than IPVS remembers it.
    ///
    /// The task is looked at meanwhile: whom it takes for its client.
    private func watchIdle(_ swarm: LabSwarm) async throws -> (seen: String, outcome: LabSocket.Outcome) {
        let isClassic = swarm.dataPath == .classic
        if isClassic {
            try await setTimeouts(
                BalancerTimeouts(established: UInt32(options.idle), closing: 120, datagrams: 300), of: swarm)
        }
        let entry = try address(swarm.nodes[swarm.nodes.count - 1])
        let (socket, first) = try await client.perform {
            let socket = try LabSocket(entry, Self.web.port)
            return (socket, socket.exchange(milliseconds: 3000))
        }
        guard first == .answered else {
            throw Failure(what: "\(Self.web.name) does not answer", cause: first.rawValue, remedy: "")
        }
        let seen = try await seenClient(swarm)
        // A connection's time ends some ticks later than it is said.
        try await Task.sleep(for: .seconds(options.idle + 3))
        let outcome = socket.exchange(milliseconds: 3000)
        if isClassic { try await setTimeouts(.usual, of: swarm) }
        return (seen, outcome)
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
        let said = try await NetworkNamespace(path: "/proc/\(process)/ns/net").perform {
            try Command(["ss", "--no-header", "--tcp", "--numeric", "state", "established", "sport = :80"]).run()
        }
        let peers = said.output.split(separator: "\n").compactMap { line in
            line.split(separator: " ").last.flatMap { PeerText(String($0)).address }
        }
        return Set(peers).sorted().joined(separator: ", ")
    }
}

/// An end of a connection as ss(8) writes it: `10.0.0.2:41001`, `[::ffff:10.0.0.2]:41001`.
struct PeerText {
    let address: String?

    init(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else {
            address = nil
            return
        }
        let bare = text[..<colon].trimmingCharacters(in: ["[", "]"])
        address = bare.hasPrefix("::ffff:") ? String(bare.dropFirst("::ffff:".count)) : bare
    }
}
