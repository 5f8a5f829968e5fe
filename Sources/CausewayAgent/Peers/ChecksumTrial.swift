/// Whether packets to a peer arrive whose checksum was left to the hardware.
///
/// Pings carry a whole checksum, TCP does not: where pings are answered and connections are not, the checksums may be
/// what is lost. It is certain when connections are answered as soon as the checksums are computed here.
package struct ChecksumTrial: Hashable, Sendable {
    package enum Verdict: Hashable, Sendable {
        case unknown
        /// Answered with the checksums left to the hardware.
        case fine
        /// Silent so; not asked yet with checksums of our own.
        case failing
        /// Silent so, and answered with checksums of our own.
        case needsOwn
        /// Silent either way: it is not the checksums.
        case mute
    }

    private enum Phase: Hashable, Sendable {
        case idle
        /// The tries so far, the rounds that the last one has been waited for, and the setting of the link meanwhile.
        case asking(tries: Int, waited: Int, offload: Bool)
    }

    package private(set) var verdict = Verdict.unknown
    private var phase = Phase.idle
    /// Whether to ask as soon as the link leaves checksums to the hardware.
    private var isDue = false
    /// The round of the last trial that was not fine.
    private var lastTrial: Int?

    package init() {}

    /// One that an earlier process had to cure.
    package init(needsOwn: Bool) {
        guard needsOwn else { return }
        (verdict, lastTrial) = (.needsOwn, 0)
    }

    /// Whether a link that serves this peer has to compute checksums itself.
    var wantsOwn: Bool { verdict == .failing || verdict == .needsOwn }

    /// The way may be another one: asks again.
    ///
    /// A cure is lifted for that, and packets to the peer are lost for a second if it is still needed: not each time.
    mutating func wayMayHaveChanged(in round: Int) {
        if let lastTrial, round - lastTrial < ProbeTiming.trialInterval { return }
        (isDue, phase) = (true, .idle)
        if wantsOwn { verdict = .unknown }
    }

    /// Whether to ask in this round, while the tunnel's link has this setting.
    mutating func asks(in round: Int, offload: Bool) -> Bool {
        if let lastTrial, round - lastTrial >= ProbeTiming.slowTrialInterval { wayMayHaveChanged(in: round) }
        if case .asking(_, let waited, offload) = phase { return waited == 0 }
        // With checksums of our own only one question is left: whether they were it.
        guard offload ? isDue : verdict == .failing else {
            phase = .idle
            return false
        }
        phase = .asking(tries: 1, waited: 0, offload: offload)
        return true
    }

    /// Takes a round in which the peer was there; returns whether the verdict changes.
    mutating func take(isAnswered: Bool, offload: Bool, in round: Int) -> Bool {
        guard case .asking(let tries, let waited, offload) = phase else { return false }
        if isAnswered { return settle(offload ? .fine : .needsOwn, round) }
        if waited + 1 < ProbeTiming.connectPatience {
            phase = .asking(tries: tries, waited: waited + 1, offload: offload)
        } else if tries < ProbeTiming.connectTries {
            phase = .asking(tries: tries + 1, waited: 0, offload: offload)
        } else {
            return settle(offload ? .failing : .mute, round)
        }
        return false
    }

    private mutating func settle(_ new: Verdict, _ round: Int) -> Bool {
        (phase, isDue) = (.idle, false)
        lastTrial = new == .fine ? nil : round
        defer { verdict = new }
        return verdict != new
    }
}
