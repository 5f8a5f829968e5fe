import CausewayKernel
import CausewayModel

/// The walk itself says that a published port is dead, and no other check says why.
struct PublishedPortCheck: Check {
    let name = "published-port"
    let looksAt =
        "the whole way of a packet from outside to each published port, candidate by candidate, and of its answer"
    let why = "this is what users see; the rule, route or socket that ends the way is the cause, or leads to it"
    let threads: [Discussion] = [.moby(31_315), .moby(41_888)]

    func examine(_ patient: Patient) -> Examination {
        guard patient.ways.all.contains(where: { $0.kind == .published }) else {
            return .irrelevant("nothing is published here")
        }
        let failing = patient.ways.failing(.published).filter {
            $0.filterHook != "forward" && !$0.isClosedPort && !$0.isTaken
        }
        return .of(Grouping.findings(failing, patient))
    }
}

/// The same, between tasks.
struct VirtualIPCheck: Check {
    let name = "virtual-ip"
    let looksAt = "the whole way of a packet from a task to each virtual IP of its networks, candidate by candidate"
    let why = "one service cannot reach another by its name, although both run"
    let threads: [Discussion] = [.moby(30_078), .moby(25_985)]

    func examine(_ patient: Patient) -> Examination {
        guard patient.ways.all.contains(where: { $0.kind == .virtual }) else {
            return .irrelevant("no task here is on a network with a virtual IP")
        }
        let failing = patient.ways.failing(.virtual).filter { $0.filterHook != "forward" && !$0.isClosedPort }
        return .of(Grouping.findings(failing, patient))
    }
}

/// The program does not listen where the service says.
struct ClosedPortCheck: Check {
    let name = "closed-port"
    let looksAt = "sockets in the tasks to which published ports and virtual IPs lead"
    let why = "connections are refused: the program listens on another port, on 127.0.0.1 alone, or has not started yet"
    let threads: [Discussion] = [.moby(30_321)]

    func examine(_ patient: Patient) -> Examination {
        let failing = patient.ways.all.filter { !$0.arrives && $0.isClosedPort }
        var seen: Set<String> = []
        return .of(
            failing.filter { way in
                let verdict = way.badLeg.verdict
                return seen.insert("\(verdict.place.namespace) \(verdict.text)").inserted
            }.map { way in
                let verdict = way.badLeg.verdict
                let own = sockets(patient, verdict.place)
                return Finding(
                    .fault, "\(way.what): \(verdict.text) in \(verdict.place.heading)",
                    [
                        Evidence(
                            .socket, own.isEmpty ? "no socket listens at all" : own.joined(separator: ", "),
                            at: verdict.place,
                            owner: way.service.map { "service \($0)" } ?? verdict.place.title)
                    ],
                    remedy: .advice(
                        "make the program listen on 0.0.0.0 and that port, or publish the port that it listens on"))
            })
    }

    private func sockets(_ patient: Patient, _ place: Place) -> [String] {
        guard let at = patient.all.first(where: { patient.place($0) == place }) else { return [] }
        // The name server's is everywhere, and says nothing.
        return patient.world[at].sockets.filter { $0.address != IPAddress("127.0.0.11") }.map {
            "\($0.protocol.rawValue) \(Packet.endpoint($0.address, $0.port))\($0.processName.map { " \($0)" } ?? "")"
        }
    }
}

/// Somebody else has it.
struct PortTakenCheck: Check {
    let name = "port-taken"
    let looksAt = "who gets the packets of each published port: a task of the service, or another"
    let why = "a rule before the engine's, or a program of the host, takes the port: users see another service"
    let threads: [Discussion] = [.moby(36_934)]

    func examine(_ patient: Patient) -> Examination {
        guard patient.ways.all.contains(where: { $0.kind == .published }) else {
            return .irrelevant("nothing is published here")
        }
        var seen: Set<String> = []
        let taken = patient.ways.all.filter { $0.isTaken && seen.insert($0.what).inserted }
        return .of(
            taken.map { way in
                let leg = way.trace.outward
                let hop = leg.hops.first { $0.action.contains("dnat to") || $0.action.contains("redirect") }
                let rule = hop?.rules.last
                var evidence = [
                    Evidence(.socket, leg.verdict.text, at: leg.verdict.place, owner: leg.verdict.processName)
                ]
                if let hop, let rule {
                    let owner = RuleOwner.of(table: hop.stage.table, chain: rule.chain, rule: rule.text)
                    evidence.insert(
                        Evidence(
                            .rule, "\(hop.stage.table ?? "") \(rule.chain): \(rule.text)", at: hop.place,
                            owner: owner ?? RuleOwner.unknown), at: 0)
                }
                return Finding(
                    .fault, "\(way.what) is answered by \(leg.verdict.place.heading): \(leg.verdict.text)", evidence,
                    remedy: .run(
                        way.command(patient.world), "shows where it leaves the service's way; take that rule away"))
            })
    }
}

/// Tasks that call the world.
struct OutwardCheck: Check {
    let name = "way-out"
    let looksAt = "the way of a packet from each task to the outside, and whose address it has when it leaves"
    let why = "a task resolves names and cannot fetch anything: no masquerading, no route, or a filter"
    let threads: [Discussion] = [.moby(47_063)]

    func examine(_ patient: Patient) -> Examination {
        let ways = patient.ways.all.filter { $0.kind == .outward }
        guard !ways.isEmpty else { return .irrelevant("no task here has a way out, and its host has one") }
        let failing = ways.filter { !$0.arrives && $0.filterHook != "forward" }
        return .of(Grouping.findings(failing, patient) + bare(patient, ways.filter(\.arrives)))
    }

    /// It leaves with an address that nobody outside can answer.
    private func bare(_ patient: Patient, _ ways: [Ways.Way]) -> [Finding] {
        ways.compactMap { way in
            let leg = way.trace.outward
            guard let last = leg.hops.last(where: { $0.place.kind == .host }) else { return nil }
            let source = last.packet.source
            let host = patient.world.host(of: way.position)
            guard patient.world.holds(way.position, source), !patient.world.holds(host, source),
                leg.verdict.place.kind == .host || leg.verdict.outcome == .sent
            else { return nil }
            return Finding(
                .fault, "\(way.what): leaves with its own address \(source), and nobody outside can answer that",
                [
                    Evidence(
                        .path, "\(last.packet.sourceText) > \(last.packet.destinationText) by \(last.stage.name)",
                        at: last.place)
                ],
                remedy: .run(
                    patient.isCauseway(host) ? "systemctl restart causewayd" : "systemctl restart docker",
                    "the rule that masquerades is gone"))
        }
    }
}

/// Names, as far as packets get to who answers them.
struct ResolverCheck: Check {
    let name = "resolver"
    let looksAt = "the way from each task to 127.0.0.11:53, and the socket at its end"
    let why = "no name resolves in the task: the redirect to the resolver or the resolver's socket is gone"
    let threads: [Discussion] = [.moby(34_596), .moby(36_752)]

    func examine(_ patient: Patient) -> Examination {
        let ways = patient.ways.all.filter { $0.kind == .names }
        guard !ways.isEmpty else { return .irrelevant("no task here asks 127.0.0.11") }
        return .of(
            ways.filter { !$0.arrives }.map { way in
                let host = patient.world.host(of: way.position)
                return Finding(
                    .fault, "no name resolves in \(patient.place(way.position).heading): \(way.badLeg.verdict.text)",
                    [Evidence(endOf: way.badLeg)],
                    remedy: patient.isCauseway(host)
                        ? .run(
                            "systemctl status causeway-keeper causewayd",
                            "the keeper holds the sockets, the daemon the redirect")
                        : .run("docker restart CONTAINER", "Docker makes the redirect when a container starts"))
            })
    }
}

extension Ways.Way {
    /// Somebody gets it who is not of the service.
    var isTaken: Bool {
        guard kind == .published, let service, trace.outward.verdict.outcome == .delivered else { return false }
        let place = trace.outward.verdict.place
        // A port that is held, or relayed, by the engine's own process is no other's.
        let engines = ["causeway", "docker"]
        if place.kind == .host { return !engines.contains { trace.outward.verdict.processName?.hasPrefix($0) == true } }
        guard place.kind == .task || place.kind == .container else { return false }
        return !(place.title == service || place.title.hasPrefix(service + "."))
    }
}

extension Grouping {
    /// One for each end, with the ways that come to it.
    static func findings(_ ways: [Ways.Way], _ patient: Patient) -> [Finding] {
        byEnd(ways).map { ways, evidence in
            let more = Set(ways.map(\.what)).count > 1 ? " (as are \(list(Array(ways.dropFirst()))))" : ""
            return Finding(
                ways[0].isCertain ? .fault : .risk, ways[0].sentence + more, [evidence],
                remedy: .run(ways[0].command(patient.world), "shows the whole way"))
        }
    }
}
