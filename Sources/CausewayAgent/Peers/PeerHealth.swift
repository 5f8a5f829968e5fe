/// Whether a peer answers, decided from one round of probes after the other.
///
/// Begins as reachable: not knowing is no reason to avoid anybody.
package struct PeerHealth: Hashable, Sendable {
    package enum State: String, Hashable, Sendable {
        case reachable
        /// New connections avoid it. Nothing else follows: its tasks are not touched, its names stay.
        case suspect
    }

    package private(set) var state = State.reachable
    /// The round of the last change.
    package private(set) var since = 0
    /// Rounds in a row without an answer, and with one.
    private(set) var missed = 0
    private(set) var heard = 0
    /// The rounds in which it was lost, those of the last minute.
    private var losses: [Int] = []

    /// A suspicion of an earlier process stays until there are answers.
    package init(isSuspect: Bool = false) { state = isSuspect ? .suspect : .reachable }

    /// Takes what was heard in a round, and returns whether that changes the state.
    mutating func take(wasHeard: Bool, in round: Int) -> Bool {
        (missed, heard) = wasHeard ? (0, heard + 1) : (missed + 1, 0)
        switch state {
        case .reachable:
            guard missed >= ProbeTiming.missesUntilSuspect else { return false }
            state = .suspect
            losses = losses.filter { $0 > round - ProbeTiming.flapMemory } + [round]
        case .suspect:
            guard heard >= neededAnswers else { return false }
            state = .reachable
        }
        since = round
        return true
    }

    /// How many answers in a row a peer needs that was lost so often of late.
    private var neededAnswers: Int {
        min(ProbeTiming.answersUntilReachable * max(losses.count, 1), ProbeTiming.mostAnswersUntilReachable)
    }
}
