/// Keeps two programs that undo each other from spinning: the same repair of a namespace, again and again, is spaced.
///
/// Decides only. The spacing stays below the time in which everything has to be right again.
struct Damping: Sendable {
    private struct Record {
        var plan: String
        var since: ContinuousClock.Instant
        var count: Int
        var notBefore: ContinuousClock.Instant
    }

    /// How often the same repair is made at once within the window.
    static let patience = 8
    static let window = Duration.seconds(5)
    static let longest = Duration.seconds(1)

    private var records: [NamespaceReference: Record] = [:]

    /// How long a look at a namespace has to wait still; zero when it may be now.
    func delay(_ place: NamespaceReference, at now: ContinuousClock.Instant) -> Duration {
        max(.zero, (records[place]?.notBefore ?? now) - now)
    }

    /// Takes note of a repair; returns whether it is from now on, or still, to be spaced.
    mutating func note(_ plan: String, _ place: NamespaceReference, at now: ContinuousClock.Instant) -> Bool {
        var record = records[place] ?? Record(plan: plan, since: now, count: 0, notBefore: now)
        if record.plan != plan || now - record.since > Self.window {
            // Spaced repairs are few in a window: that the same one is due again is enough.
            let isSpaced = record.plan == plan && record.count >= Self.patience && now - record.notBefore < Self.window
            record = Record(plan: plan, since: now, count: isSpaced ? record.count : 0, notBefore: now)
        }
        record.count += 1
        let excess = record.count - Self.patience
        if excess > 0 { record.notBefore = now + min(Self.longest, .milliseconds(50 << min(excess, 5))) }
        records[place] = record
        return excess > 0
    }

    mutating func forget(_ isThere: (NamespaceReference) -> Bool) { records = records.filter { isThere($0.key) } }
}
