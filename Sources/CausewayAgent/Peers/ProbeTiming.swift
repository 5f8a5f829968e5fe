/// How often peers are asked, and how long one waits for what; counted in rounds.
package enum ProbeTiming {
    /// From one round of probes to the next.
    package static let period = Duration.milliseconds(200)

    /// A peer that was not heard in so many rounds is avoided: at the latest 800 ms after its last answer.
    static let missesUntilSuspect = 3
    /// It is used again after so many answers in a row; after twice and three times as many when it keeps coming and
    /// going, which is still within two seconds.
    static let answersUntilReachable = 2
    static let mostAnswersUntilReachable = 6
    /// How long a loss counts against a peer.
    static let flapMemory = rounds(in: .seconds(60))

    /// How often it is seen whether the largest packet still arrives.
    static let fullSizeInterval = rounds(in: .seconds(2))
    /// How often it is seen whether a larger one does.
    static let growthInterval = rounds(in: .seconds(30))
    /// How often a size is asked before its silence counts.
    static let triesOfSize = 3
    /// How many sizes are asked at once.
    static let sizesAtOnce = 8

    /// How many rounds a connection is waited for, and how many are tried before silence counts.
    static let connectPatience = 3
    static let connectTries = 3
    /// A cure is lifted for a trial when the way may be another one, but not sooner than this after the last.
    static let trialInterval = rounds(in: .seconds(60))
    /// And without any such sign after this.
    static let slowTrialInterval = rounds(in: .seconds(6 * 3600))

    static func rounds(in duration: Duration) -> Int { Int(duration / period) }
}
