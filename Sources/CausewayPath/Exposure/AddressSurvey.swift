import CausewayKernel
import CausewayModel

/// What of one address can be reached with one protocol.
struct AddressSurvey: Sendable {
    let survey: ExposureSurvey
    let address: IPAddress
    let transport: Packet.Transport
    let clients: Clients

    private(set) var openings: [Exposure.Opening] = []
    /// Packets that arrive, and those that do not, by range: for the firewall's view of them.
    private(set) var reached: [(packet: Packet, link: String, range: ClosedRange<UInt16>, trace: Trace)] = []
    private(set) var closed: [(packets: [(Packet, String)], range: ClosedRange<UInt16>, why: String)] = []
    private(set) var unknown: [String] = []

    init(_ survey: ExposureSurvey, _ address: IPAddress, _ transport: Packet.Transport, _ clients: Clients) {
        self.survey = survey
        self.address = address
        self.transport = transport
        self.clients = clients
    }

    mutating func run() {
        var closedCells: Set<Int> = []
        for ports in survey.ports[transport] ?? [] {
            // What nobody reaches of one range, nobody reaches of another that is like it.
            if let cell = ports.cell, closedCells.contains(cell) { continue }
            if !look(ports.range), let cell = ports.cell { closedCells.insert(cell) }
        }
    }

    /// Asks the first of a range's ports; returns whether anybody reaches it.
    private mutating func look(_ range: ClosedRange<UInt16>) -> Bool {
        var byTarget: [(target: Exposure.Target, regions: Set<Int>, unknown: [String])] = []
        var packets: [(Packet, String)] = []
        var why = ""
        for client in clients.all {
            let packet = Packet(transport, from: client.address, 40_000, to: address, range.lowerBound)
            packets.append((packet, client.link))
            guard let trace = survey.outcome(packet, by: client.link) else { continue }
            let doubts = trace.legs.flatMap(\.verdict.uncertain)
            unknown += doubts.filter { !unknown.contains($0) }
            guard survey.isReached(trace) else {
                why = "\(trace.verdict)"
                continue
            }
            reached.append((packet, client.link, range, trace))
            let target = target(of: trace, asked: range)
            if let at = byTarget.firstIndex(where: { $0.target == target }) {
                byTarget[at].regions.insert(client.region)
                byTarget[at].unknown += doubts.filter { !byTarget[at].unknown.contains($0) }
            } else {
                byTarget.append((target, [client.region], doubts))
            }
        }
        if byTarget.isEmpty { closed.append((packets, range, why)) }
        for (target, regions, unknown) in byTarget { add(range, target, regions, unknown) }
        return !byTarget.isEmpty
    }

    /// Joins a range to the one before it when everything else is the same.
    private mutating func add(
        _ range: ClosedRange<UInt16>, _ target: Exposure.Target, _ regions: Set<Int>, _ unknown: [String]
    ) {
        let new = Exposure.Opening(
            transport: transport, firstPort: range.lowerBound, lastPort: range.upperBound, address: address,
            from: clients.summary(of: regions), leadsTo: target, unknown: unknown)
        let before = openings.lastIndex { $0.lastPort < .max && $0.lastPort + 1 == range.lowerBound }
        if let before, openings[before].continues(into: new) {
            openings[before].lastPort = new.lastPort
        } else {
            openings.append(new)
        }
    }

    private func target(of trace: Trace, asked range: ClosedRange<UInt16>) -> Exposure.Target {
        if let way = trace.wayToPeer {
            let name = survey.service(of: transport, range.lowerBound) ?? "a task of another node"
            return Exposure.Target(
                kind: .service, name: name, tasks: trace.candidates.compactMap(\.owner),
                port: way.before.destinationPort, processID: nil)
        }
        let verdict = trace.outward.verdict
        let arrived = trace.outward.hops.last?.packet.destinationPort ?? trace.outward.packet.destinationPort
        let port = range.count > 1 && arrived == range.lowerBound ? nil : arrived
        let identity = survey.world.inventory.namespaces.firstIndex { $0.name == verdict.place.namespace }
            .map { survey.world.identity($0) }
        var target = Exposure.Target(
            kind: .process, name: verdict.processName ?? "a process that could not be read", tasks: [], port: port,
            processID: verdict.processID)
        if let service = identity?.service {
            let candidates = trace.candidates.compactMap(\.owner)
            target.kind = .service
            target.name = service
            target.tasks = candidates.isEmpty ? [verdict.place.title] : candidates
            target.processID = nil
        } else if verdict.place.kind != .host {
            target.kind = .container
            target.name = verdict.place.title
            target.processID = nil
        }
        return target
    }
}

extension Exposure.Opening {
    fileprivate func continues(into next: Self) -> Bool {
        leadsTo == next.leadsTo && leadsTo.port == nil && from == next.from && unknown == next.unknown
    }
}
