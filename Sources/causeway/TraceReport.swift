import CausewayPath
import CausewayTrace

/// What `causeway trace` has to say.
struct TraceReport: Encodable {
    var question: String
    var isSent: Bool
    var packets: [Observation]
    /// What the sockets that sent were told.
    var outcomes: [Sender.Outcome]
    var gaps: [String]
    var losses: Int

    init(_ asked: TraceQuestion.Asked, _ result: TraceRun.Result) {
        question = asked.answer.packet.header
        isSent = result.isSent
        packets = result.observations
        outcomes = result.outcomes
        gaps = result.gaps + asked.gaps
        losses = result.losses
    }

    var notes: [String] {
        gaps
            + (losses > 0
                ? ["\(losses) times more came than could be heard: packets are missing, or parts of them"] : [])
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
