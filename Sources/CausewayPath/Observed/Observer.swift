import CausewayKernel
import CausewayModel

/// One packet that was followed: what it met, beside what was predicted of it.
package struct Observation: Hashable, Codable, Sendable {
    package var observed: Trace
    package var predicted: Trace
    package var comparison: TraceComparison
    /// Nanoseconds from the first sight of the packet to the first sight of its answer.
    package var answeredAfter: UInt64?
}

/// Puts sightings together into traces, and lays the walk's own beside them.
package struct Observer: Sendable {
    let tracer: PathTracer
    let book: RuleBook
    let machine: String?
    let tunnelPorts: Set<UInt16>
    let seesDevices: Bool

    /// `machine` is the boot of the kernel on which was traced; `seesDevices` says whether devices were watched too.
    package init(
        _ tracer: PathTracer, rules: RuleHandles, machine: String?, tunnelPorts: Set<UInt16>, seesDevices: Bool
    ) {
        self.tracer = tracer
        book = RuleBook(world: tracer.world, handles: rules)
        self.machine = machine
        self.tunnelPorts = tunnelPorts
        self.seesDevices = seesDevices
    }

    private var world: World { tracer.world }

    /// What became of each first packet, in the order in which they came.
    package func observations(of sightings: [Sighting]) -> [Observation] {
        let all = Journeys(sightings, world, machine: machine, tunnelPorts: tunnelPorts).all
            .sorted { $0.startedAt < $1.startedAt }
        var answers: [Int] = []
        var found: [Observation] = []
        for (index, journey) in all.enumerated() where !answers.contains(index) && isFirst(journey) {
            let asked = last(of: journey)
            let answer = all.indices.first { other in
                other > index && !answers.contains(other)
                    && (all[other].first.answers(asked) || all[other].first.answers(journey.first))
            }
            if let answer { answers.append(answer) }
            found.append(observation(journey, answer.map { all[$0] }))
        }
        return found
    }

    /// How many first packets there are among sightings.
    package func count(in sightings: [Sighting]) -> Int {
        Journeys(sightings, world, machine: machine, tunnelPorts: tunnelPorts).all.count { isFirst($0) }
    }

    /// Whether it is not by itself an answer.
    private func isFirst(_ journey: Journey) -> Bool {
        switch journey.first.identity {
        case .tcp(_, _, let flags): flags & 0x16 == 0x02
        case .echo(_, _, let isAnswer): !isAnswer
        case .udp: true
        }
    }

    /// The packet as it was seen last.
    private func last(of journey: Journey) -> SeenPacket {
        var last = journey.runs.last?.packet ?? journey.devices.last?.packet ?? journey.first
        // Out of a tunnel at last, or known by what is inside.
        if let inner = last.inner { last = inner }
        return last
    }

    private func observation(_ journey: Journey, _ answer: Journey?) -> Observation {
        let outward = leg(journey, answer: answer?.first, isAnswer: false)
        let reply = answer.map { leg($0, answer: nil, isAnswer: true) }
        let observed = Trace(outward: outward, reply: reply)
        let predicted = prediction(of: journey, observed)
        return Observation(
            observed: observed, predicted: predicted,
            comparison: TraceComparison(observed: observed, predicted: predicted, seesDevices: seesDevices),
            answeredAfter: answer.map { $0.startedAt >= journey.startedAt ? $0.startedAt - journey.startedAt : 0 })
    }

    private func leg(_ journey: Journey, answer: SeenPacket?, isAnswer: Bool) -> Trace.Leg {
        var builder = LegBuilder(journey, isAnswer: isAnswer, world, book, machine: machine, seesDevices: seesDevices)
        builder.build()
        let end = ObservedEnd(
            world: world, built: builder, journey: journey, answer: answer, isAnswer: isAnswer,
            seesDevices: seesDevices)
        return Trace.Leg(packet: journey.first.packet, hops: builder.hops, verdict: end.verdict)
    }

    // MARK: prediction

    /// The walk of the very packet that was seen, with the candidate that the kernel chose.
    private func prediction(of journey: Journey, _ observed: Trace) -> Trace {
        let entry = entry(of: observed)
        func walk(_ choice: Int) -> Trace? {
            entry.flatMap { try? tracer.trace(journey.first.packet, from: $0, choice: choice, isReturning: true) }
        }
        guard let first = walk(0) else { return Trace(outward: nothing(observed.outward), reply: nil) }
        let translated = observed.outward.hops.compactMap { $0.after?.destinationText }
        guard let chosen = first.candidates.firstIndex(where: { translated.contains($0.target) }) else {
            return closest(first, walk, observed)
        }
        return walk(chosen) ?? first
    }

    /// Where a candidate is no address: the one whose walk is most like what was seen.
    private func closest(_ first: Trace, _ walk: (Int) -> Trace?, _ observed: Trace) -> Trace {
        guard first.candidates.count > 1, first.candidates.count <= 64 else { return first }
        let all = first.candidates.indices.compactMap { walk($0) }
        return all.min { difference($0, observed) < difference($1, observed) } ?? first
    }

    private func difference(_ predicted: Trace, _ observed: Trace) -> Int {
        TraceComparison(observed: observed, predicted: predicted, seesDevices: seesDevices).rows
            .count { $0.kind == .onlyObserved || $0.kind == .onlyPredicted }
    }

    private func nothing(_ leg: Trace.Leg) -> Trace.Leg {
        var verdict = leg.verdict
        verdict.uncertain = ["where it came from is in no inventory"]
        return Trace.Leg(packet: leg.packet, hops: [], verdict: verdict)
    }

    private func entry(of observed: Trace) -> PathTracer.Entry? {
        guard let first = observed.outward.hops.first, let position = world.positionsByPlace[first.place] else {
            return nil
        }
        let inode = world[position].inode
        return first.stage.kind == .deviceIn
            ? .link(namespace: inode, name: first.stage.name) : .process(namespace: inode)
    }
}
