import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
import CausewayTrace
import Foundation

/// One run of `causeway trace`: watch, send or wait, and put together what was seen.
struct TraceRun {
    let asked: TraceQuestion.Asked
    let count: Int
    let waits: Bool
    let timeout: Duration
    let eyes: TraceSession.Eyes

    init(
        _ asked: TraceQuestion.Asked, count: Int, waits: Bool, timeout: Duration, eyes: TraceSession.Eyes
    ) {
        self.asked = asked
        self.count = count
        self.waits = waits
        self.timeout = timeout
        self.eyes = eyes
    }

    private var machine: String? { InventoryReader.machine }

    /// What is to be said, and what the kernel said.
    func report() async throws -> (TraceReport, [Sighting]) {
        let predictions = try predictions()
        let sender = try await sender()
        let isInside = if case .process = asked.answer.entry { true } else { false }
        let source = isInside ? predictions.first?.outward.packet.source : asked.source
        let client = FollowedClient(source: source, ports: sender?.ports ?? [])
        let filter = TraceFilter(asked.tracer, predictions, client: client, machine: machine)
        let namespaces = LiveNamespaces(Set(filter.patterns.keys), directories: directories)
        guard !namespaces.all.isEmpty else {
            throw Failure(
                what: "cannot trace", cause: "none of the namespaces on the way is one of this machine",
                remedy: "run causeway trace on the node itself")
        }
        let session = try await TraceSession(filter, in: namespaces, eyes: eyes)
        let observer = Observer(
            asked.tracer, rules: try await session.ruleHandles(), machine: machine, tunnelPorts: filter.tunnelPorts,
            seesDevices: session.seesDevices)
        var outcomes: [Sender.Outcome] = []
        if let sender {
            outcomes = try await sender.send(
                to: asked.answer.packet.destination, asked.answer.packet.destinationPort)
        } else {
            await wait(for: session, observer)
        }
        await session.settle()
        session.stop()
        let seen = session.sightings
        let found = observer.observations(of: seen)
        let report = TraceReport(
            question: asked.answer.packet.header, isSent: sender != nil, packets: Array(found.prefix(count)),
            outcomes: outcomes, gaps: gaps(session), losses: session.log.losses)
        return (report, seen)
    }

    /// Which namespaces have names, and where.
    private var directories: [String] {
        let own = ProcessInfo.processInfo.environment["CAUSEWAY_NAMESPACES_DIRECTORY"].map { [$0] } ?? []
        let named = asked.inventories.flatMap(\.namespaces).map(\.path).filter { $0.hasPrefix("/run/") }
            .map { URL(filePath: $0).deletingLastPathComponent().path }
        return own + ["/run/netns", "/run/docker/netns"] + Set(named).sorted()
    }

    /// The walk for every candidate that may be chosen: each is looked for.
    private func predictions() throws -> [Trace] {
        func walk(_ choice: Int) throws -> Trace {
            try asked.tracer.trace(
                asked.answer.packet, from: asked.answer.entry, choice: choice, isReturning: true)
        }
        let first = try walk(0)
        return try [first] + (1..<max(1, min(256, first.candidates.count))).map { try walk($0) }
    }

    /// `nil` when we are to wait for the packets of others.
    private func sender() async throws -> Sender? {
        guard !waits, let inode = asked.tracer.origin(of: asked.answer.entry, machine: machine) else { return nil }
        let place = LiveNamespaces([inode], directories: directories)
        guard place[inode] != nil else { return nil }
        let packet = asked.answer.packet
        return try await Sender(count, packet.transport, packet.family, in: inode, of: place)
    }

    private func wait(for session: TraceSession, _ observer: Observer) async {
        Console.note("waiting up to \(timeout.components.seconds) s for \(count) packets: \(asked.answer.packet.header)")
        let end = ContinuousClock.now + timeout
        var seen = 0
        while ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(50))
            let now = session.log.count
            guard now != seen else { continue }
            seen = now
            if observer.count(in: session.log.sightings) >= count { return }
        }
    }

    private func gaps(_ session: TraceSession) -> [String] {
        let several = asked.inventories.count > 1
        return session.gaps
            + asked.inventories.flatMap { inventory in
                inventory.gaps.map { "not read: \(several ? "\(inventory.hostname): " : "")\($0)" }
            }
    }
}

/// What `causeway trace` has to say.
struct TraceReport: Codable {
    var question: String
    var isSent: Bool
    var packets: [Observation]
    /// What the sockets that sent were told.
    var outcomes: [Sender.Outcome]
    var gaps: [String]
    var losses: Int

    var notes: [String] {
        gaps + (losses > 0 ? ["\(losses) times more came than could be heard: packets are missing, or parts of them"] : [])
    }

    /// `nil` for success.
    var status: Int32? {
        if packets.isEmpty { return 1 }
        if packets.contains(where: { !$0.comparison.agrees || !$0.observed.isCertain }) { return 4 }
        let ends = packets.map(\.observed.verdict.outcome)
        return ends.contains { $0 == .refused || $0 == .dropped } ? 3 : nil
    }

    func text(_ renderer: ObservationRenderer, isFull: Bool) -> String {
        guard !packets.isEmpty else { return nothing }
        var text = renderer.legend
        for (index, packet) in packets.enumerated() {
            text += "\n"
            if isFull || index == 0 || !packet.comparison.agrees {
                text += renderer.render(packet, number: index + 1, of: packets.count)
            } else {
                text += renderer.line(packet, number: index + 1, of: packets.count)
            }
        }
        for outcome in outcomes {
            let from = outcome.port == 0 ? "" : " from port \(outcome.port)"
            text += "\nthe socket\(from): \(outcome.text), after \(outcome.microseconds) µs"
        }
        return text + (outcomes.isEmpty ? "" : "\n")
    }

    private var nothing: String {
        let said = outcomes.map { "the socket said: \($0.text)\n" }.joined()
        return "no packet was seen: \(question)\n\(said)"
            + (isSent
                ? "it left no trace: it ended before any table, or goes another way than predicted\n"
                : "nobody sent one; with --from host or --from task:NAME one is sent\n")
    }
}
