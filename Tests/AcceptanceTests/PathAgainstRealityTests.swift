import CausewayModel
import CausewayPath
import Foundation
import Testing

extension Acceptance.OnCluster {
    /// What `causeway path` predicts, against what a real packet met.
    @Suite(.serialized) struct PathAgainstReality {
        @Test func `the predicted path and verdict equal what real packets did`() async throws {
            var chance = SeededGenerator(seed: Machine.seed)
            try await withTown {
                let town = try await Town.look()
                var disagreements: [String] = []
                var kinds: [String: Int] = [:]
                for number in 1...Machine.generatedCases {
                    let probe = town.probe(using: &chance)
                    let predicted = try await probe.predict()
                    let met = try await probe.send(expecting: predicted.verdict.outcome)
                    kinds[predicted.verdict.outcome.rawValue, default: 0] += 1
                    guard let difference = probe.difference(predicted, met) else { continue }
                    disagreements.append("case \(number), \(probe): \(difference)\n\(try await probe.drawing())")
                }
                print("seed \(Machine.seed): \(Machine.generatedCases) cases, predicted \(kinds)")
                for disagreement in disagreements { print(disagreement) }

                #expect(disagreements.isEmpty, "seed \(Machine.seed): \(disagreements.count) cases")
                #expect(kinds.count >= (Machine.isFull ? 3 : 2), "the cases are too alike: \(kinds)")
            }
        }

        @Test func `text, SVG and JSON are drawn of a service, both ways`() async throws {
            try await Traffic.withWeb("pa-draw") { replicas in
                let text = try await shell(Machine.executable("causeway"), "path", "pa-draw:8080", "--return")
                for word in ["prerouting", "dnat", "delivered"] + replicas {
                    #expect(text.out.contains(word), "\(text.out)")
                }

                let file = "/run/causeway-test.svg"
                try await shell(
                    Machine.executable("causeway"), "path", "pa-draw:8080", "--return", "--format", "svg", "-o", file)
                try await shell("rsvg-convert", "--output", "/run/causeway-test.png", file)

                let trace = try await predictedPath("pa-draw:8080", "--from", Machine.client)
                #expect(trace.candidates.compactMap(\.owner).sorted() == replicas)
                #expect(trace.candidates.map(\.slots).reduce(0, +) == 64)
                #expect(trace.reply?.verdict.outcome == .sent || trace.reply?.verdict.outcome == .delivered)
            }
        }

        @Test func `the plan of a node that is at rest is empty`() async throws {
            try await Traffic.withWeb("pa-rest") { _ in
                let isEmpty = try await eventually("an empty plan", within: .seconds(5)) {
                    let said = try await shell(Machine.executable("causeway"), "plan")
                    guard said.out.contains("nothing to change") else { throw Command.Failure(said: said) }
                    return true
                }
                #expect(isEmpty)
            }
        }
    }
}

func predictedPath(_ words: String...) async throws -> Trace { try await predictedPath(words) }

func predictedPath(_ words: [String]) async throws -> Trace {
    let said = try await Command([Machine.executable("causeway"), "path"] + words + ["--return", "--format", "json"])
        .attempt()
    do {
        return try JSONDecoder().decode(Trace.self, from: Data(said.out.utf8))
    } catch { throw Context(error: error, notes: [said.command, said.all]) }
}

// MARK: the town: services, networks and ports of every kind, and who may ask whom

private func withTown(_ body: () async throws -> Void) async throws {
    try await withNetwork("pt-a", "--subnet", "10.91.1.0/24") {
        try await withNetwork("pt-b", "--subnet", "10.91.2.0/24") {
            try await withTownServices {
                // The outside sends to the tasks' own addresses too, as one on the same link could.
                try await shell(
                    "ip", "-n", Machine.outside, "route", "add", "10.91.0.0/16", "via", Machine.address, "src",
                    Machine.client)
                do { try await withServerOutside(port: 7002, body) } catch {
                    _ = try? await shell("ip", "-n", Machine.outside, "route", "del", "10.91.0.0/16")
                    throw error
                }
                try await shell("ip", "-n", Machine.outside, "route", "del", "10.91.0.0/16")
            }
        }
    }
}

private func withTownServices(_ body: () async throws -> Void) async throws {
    func create(_ name: String, _ count: Int, _ options: String...) async throws {
        try await docker(
            ["service", "create", "--detach", "--quiet", "--name", name, "--replicas", "\(count)", "--hostname"]
                + ["{{.Service.Name}}.{{.Task.Slot}}"] + options + [Images.test])
        try await docker.converged(name, count)
    }
    let names = ["pt-web", "pt-db", "pt-both", "pt-closed", "pt-none", "pt-rr"]
    do {
        try await create("pt-web", 3, "--network", "pt-a", "--publish", "8201:80/tcp", "--publish", "8201:80/udp")
        try await create("pt-db", 2, "--network", "pt-b")
        try await create("pt-both", 1, "--network", "pt-a", "--network", "pt-b", "--publish", "8202:80")
        try await create("pt-closed", 1, "--network", "pt-a", "--publish", "8203:81")
        try await create("pt-none", 0, "--network", "pt-a", "--publish", "8204:80")
        try await create("pt-rr", 2, "--network", "pt-b", "--endpoint-mode", "dnsrr")
        try await body()
    } catch {
        let log = Cluster.lastOfLog()
        _ = try? await docker(["service", "rm"] + names)
        throw Context(error: error, notes: [log])
    }
    try await docker(["service", "rm"] + names)
}

private struct Town {
    static let tasks = ["pt-web.1", "pt-web.2", "pt-db.1", "pt-both.1", "pt-closed.1", "pt-rr.1"]

    var namespaces: [String: String] = [:]
    /// Addresses worth asking, with the ports that are worth asking there.
    var targets: [(address: String, ports: [Int])] = []

    static func look() async throws -> Town {
        var town = Town()
        for task in tasks { town.namespaces[task] = try await taskNamespace(task) }
        let published = [8201, 8201, 8202, 8203, 8204, 8299]
        town.targets = [(Machine.address, published), (Machine.address6, published), (Machine.client, [7002, 7003])]
        // Half of what is asked should be what people ask: published ports, and names' addresses.
        town.targets += town.targets + town.targets
        for service in ["pt-web", "pt-db", "pt-both", "pt-closed", "pt-none"] {
            for address in try await virtualAddresses(service) where address.hasPrefix("10.91.") {
                town.targets.append((address, [80, 80, 81]))
            }
        }
        for task in tasks {
            for address in try await taskAddresses(task) where address.hasPrefix("10.91.") {
                town.targets.append((address, [80, 80, 81]))
            }
        }
        // Nobody has this one.
        town.targets.append(("10.91.1.250", [80]))
        return town
    }

    /// Half of the questions are of the kind that gets an answer; with chance alone most would be refused.
    func probe(using chance: inout SeededGenerator) -> Probe {
        let sources: [Probe.Source] = [.outside, .outside, .host] + Self.tasks.map { .task($0) }
        let isWelcome = Bool.random(using: &chance)
        while true {
            let source = sources.randomElement(using: &chance) ?? .host
            guard let target = targets.randomElement(using: &chance) else { continue }
            if source == .outside, target.address == Machine.client { continue }
            let port = target.ports.randomElement(using: &chance) ?? 80
            if isWelcome, !welcomes(source, target.address, port) { continue }
            let transport = Int.random(in: 0..<3, using: &chance) == 0 ? Load.Transport.udp : .http
            var namespace: String?
            if case .task(let name) = source { namespace = namespaces[name] }
            return Probe(
                source: source, address: target.address, port: port, transport: transport, namespace: namespace)
        }
    }

    private func welcomes(_ source: Probe.Source, _ address: String, _ port: Int) -> Bool {
        if [Machine.address, Machine.address6].contains(address) { return [8201, 8202].contains(port) }
        if address == Machine.client { return port == 7002 }
        guard case .task(let name) = source, port == 80 else { return false }
        let isOnA = ["pt-web", "pt-both", "pt-closed"].contains { name.hasPrefix($0) }
        let isOnB = ["pt-db", "pt-both", "pt-rr"].contains { name.hasPrefix($0) }
        return (address.hasPrefix("10.91.1.") && isOnA) || (address.hasPrefix("10.91.2.") && isOnB)
    }
}

/// One question to the program, and to the kernel.
private struct Probe: CustomStringConvertible {
    enum Source: Hashable {
        case outside, host
        case task(String)
    }

    var source: Source
    var address: String
    var port: Int
    var transport: Load.Transport
    var namespace: String?

    var description: String { "\(transport.rawValue) from \(from) to \(target)" }

    private var target: String { address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)" }

    private var from: String {
        switch source {
        case .outside: address.contains(":") ? Machine.client6 : Machine.client
        case .host: "host"
        case .task(let name): "task:\(name)"
        }
    }

    private var words: [String] { [target, "--from", from] + (transport == .udp ? ["--protocol", "udp"] : []) }

    private var place: Machine.Place {
        switch source {
        case .outside: .outside
        case .host: .host
        case .task: .namespace(namespace ?? "")
        }
    }

    func predict() async throws -> Trace { try await predictedPath(words) }

    /// A kernel sends one peer six ICMP errors and then one a second (net.ipv4.icmp_ratelimit): a refusal that nobody
    /// heard is asked for once more when the next may be sent.
    func send(expecting outcome: Verdict.Outcome) async throws -> Load.Result {
        let load = Load(transport: transport, address: address, port: port, timeout: .milliseconds(700))
        let met = try await load.run(at: place)
        guard outcome == .refused, Set(met.failed.keys) == ["timeout"] else { return met }
        try await Task.sleep(for: .milliseconds(1_500))
        return try await load.run(at: place)
    }

    func drawing() async throws -> String {
        try await Command([Machine.executable("causeway"), "path"] + words + ["--return"]).attempt().all
    }

    /// What the two disagree on, or `nil`.
    func difference(_ trace: Trace, _ met: Load.Result) -> String? {
        let verdict = trace.verdict
        let kinds = Set(met.failed.keys)
        switch verdict.outcome {
        case .delivered, .sent:
            guard let replica = met.replicas.keys.first else { return "predicted \(verdict), met \(met.failed)" }
            guard address != Machine.client else { return nil }
            let possible = Set(trace.candidates.compactMap(\.owner) + [trace.outward.verdict.place.title])
            return possible.contains(replica) ? nil : "predicted one of \(possible.sorted()), \(replica) answered"
        case .refused:
            var told: Set = ["refused", "unreachable", "reset"]
            // What is rejected on its way out of the host is told to the sender by its own system call.
            if source == .host { told.insert("Operation not permitted") }
            // A refusal that is lost on its way is silence.
            if let refusal = trace.refusal, refusal.verdict.outcome == .dropped { told = ["timeout"] }
            // UDP does not tell a program that a host cannot be reached; and the kernel says so to one peer but once a
            // second (net.ipv4.route.error_cost), so TCP may wait for it in vain as well.
            if verdict.reason == .noInputRoute { told.insert("timeout") }
            return kinds.isSubset(of: told) && met.answered == 0 ? nil : "predicted \(verdict), met \(met)"
        case .dropped:
            // Without a route the sender is told by its own kernel.
            let silent = verdict.reason == .noOutputRoute ? ["unreachable", "timeout"] : ["timeout"]
            return kinds.isSubset(of: Set(silent)) && met.answered == 0 ? nil : "predicted \(verdict), met \(met)"
        }
    }
}
