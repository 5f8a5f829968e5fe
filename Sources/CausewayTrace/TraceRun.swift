import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
import Foundation

/// One trace from its question to its answer: watch, send or wait, and put together what was seen.
package struct TraceRun: Sendable {
    /// What is followed.
    package struct Subject: Sendable {
        package var tracer: PathTracer
        package var packet: Packet
        package var entry: PathTracer.Entry
        /// The client's address, if it is known before it comes.
        package var source: IPAddress?

        package init(_ tracer: PathTracer, _ packet: Packet, from entry: PathTracer.Entry, source: IPAddress? = nil) {
            self.tracer = tracer
            self.packet = packet
            self.entry = entry
            self.source = source
        }
    }

    /// What came of it.
    package struct Result: Sendable {
        package var observations: [Observation]
        /// What the sockets that sent were told; empty when nothing was sent.
        package var outcomes: [Sender.Outcome]
        package var isSent: Bool
        package var gaps: [String]
        package var losses: Int
        package var sightings: [Sighting]
    }

    private let subject: Subject
    private let count: Int
    private let directories: [String]
    private let eyes: TraceSession.Eyes
    private let patience: Duration
    private let machine: String?

    /// `directories` are where namespaces have names; `patience` is how long one of our packets waits for its answer.
    package init(
        _ subject: Subject, count: Int, directories: [String], eyes: TraceSession.Eyes = .best,
        patience: Duration = .milliseconds(1_500), machine: String? = InventoryReader.machine
    ) {
        self.subject = subject
        self.count = count
        self.directories = directories
        self.eyes = eyes
        self.patience = patience
        self.machine = machine
    }

    /// Sends from the place where the packet sets out.
    ///
    /// Throws ``Unreachable`` when that is no namespace of this machine.
    package func send() async throws -> Result {
        guard let inode = subject.tracer.origin(of: subject.entry, machine: machine) else { throw Unreachable() }
        let place = LiveNamespaces([inode], directories: directories)
        guard place[inode] != nil else { throw Unreachable() }
        let packet = subject.packet
        let sender = try await Sender(count, packet.transport, packet.family, in: inode, of: place, patience: patience)
        return try await run(ports: sender.ports) { session, observer in
            let outcomes = try await sender.send(to: packet.destination, packet.destinationPort)
            await session.settle(min(.milliseconds(150), patience))
            // A neighbour that does not answer is given up after three seconds only.
            if patience > .seconds(1),
                observer.observations(of: session.log.sightings).contains(where: { !$0.observed.isCertain })
            {
                try? await Task.sleep(for: .seconds(2))
                await session.settle()
            }
            return outcomes
        }
    }

    /// Whether ``send()`` can.
    package var canSend: Bool { subject.tracer.origin(of: subject.entry, machine: machine) != nil }

    /// Waits for the packets of others.
    package func wait(_ limit: Duration) async throws -> Result {
        try await run(ports: []) { session, observer in
            let end = ContinuousClock.now + limit
            var seen = 0
            while ContinuousClock.now < end {
                try? await Task.sleep(for: .milliseconds(50))
                let now = session.log.count
                guard now != seen else { continue }
                seen = now
                if observer.count(in: session.log.sightings) >= count { break }
            }
            await session.settle()
            return nil
        }
    }

    private func run(
        ports: Set<UInt16>, _ act: (TraceSession, Observer) async throws -> [Sender.Outcome]?
    ) async throws -> Result {
        let predictions = try predictions()
        let isInside = if case .process = subject.entry { true } else { false }
        let source = isInside ? predictions.first?.outward.packet.source : subject.source
        let filter = TraceFilter(
            subject.tracer, predictions, client: FollowedClient(source: source, ports: ports), machine: machine)
        let namespaces = LiveNamespaces(Set(filter.patterns.keys), directories: directories)
        guard !namespaces.all.isEmpty else { throw Unreachable() }
        let session = try await TraceSession(filter, in: namespaces, eyes: eyes)
        defer { session.stop() }
        let observer = Observer(
            subject.tracer, rules: try await session.ruleHandles(), machine: machine, tunnelPorts: filter.tunnelPorts,
            seesDevices: session.seesDevices)
        let outcomes = try await act(session, observer)
        session.stop()
        let sightings = session.sightings
        return Result(
            observations: Array(observer.observations(of: sightings).prefix(count)), outcomes: outcomes ?? [],
            isSent: outcomes != nil, gaps: session.gaps, losses: session.log.losses, sightings: sightings)
    }

    /// The walk for every candidate that may be chosen: each is looked for.
    private func predictions() throws -> [Trace] {
        func walk(_ choice: Int) throws -> Trace {
            try subject.tracer.trace(subject.packet, from: subject.entry, choice: choice, isReturning: true)
        }
        let first = try walk(0)
        return try [first] + (1..<max(1, min(256, first.candidates.count))).map { try walk($0) }
    }
}

extension TraceRun {
    /// None of the namespaces on the way is one of this machine.
    package struct Unreachable: Error, CustomStringConvertible {
        package var description: String {
            "none of the namespaces on the way is one of this machine; run causeway trace on the node itself"
        }
    }
}
