/// The largest packet that reaches a peer through the tunnel, found by asking with packets that may not be fragmented.
///
/// Whoever drops a packet that is too big need not say so: silence counts, in rounds in which a small packet is answered.
/// Several sizes are asked at once, so that a search ends within four seconds.
package struct PathMTU: Hashable, Sendable {
    /// The size of the probe that says whether the peer is there.
    package static let smallest: UInt32 = 64

    private enum Phase: Hashable, Sendable {
        /// Not asked for: the peer was never heard, or there is no link.
        case idle
        /// Between what arrives and what does not, exclusive; the sizes asked, and how often they were.
        case searching(low: UInt32, high: UInt32, asked: [UInt32], tries: Int)
        /// Looks from time to time whether it is still true; rounds in which it was not answered.
        case settled(misses: Int)
    }

    /// Bytes inside the tunnel; absent until it is measured.
    package private(set) var value: UInt32?
    private var phase = Phase.idle
    private var link: UInt32 = 0
    private var lastGrowth = 0

    package init() {}

    /// One that was measured by an earlier process.
    package init(remembered: UInt32?) { value = remembered }

    /// Begins anew, up to the MTU of the tunnel's link; what was measured counts until something else is.
    mutating func measure(upTo link: UInt32) {
        self.link = link
        phase = Self.search(from: Self.smallest, to: link + 1)
    }

    /// The sizes to ask in a round.
    func sizes(in round: Int) -> [UInt32] {
        switch phase {
        case .idle: []
        case .searching(let low, _, let asked, _): asked.filter { $0 > low }
        case .settled(let misses):
            value.map { misses > 0 || round % ProbeTiming.fullSizeInterval == 0 ? [$0] : [] } ?? []
        }
    }

    /// Takes the sizes that were answered in a round in which the peer was there; returns whether the value changes.
    mutating func take(_ answered: Set<UInt32>, in round: Int) -> Bool {
        switch phase {
        case .idle: return false
        case .searching(let low, let high, let asked, let tries):
            let largest = answered.filter { $0 <= link }.reduce(low, max)
            // An answer that comes when its silence had been counted already: the way is long, not narrow.
            guard largest < high else {
                phase = Self.search(from: largest, to: link + 1)
                return settle(in: round)
            }
            if largest < high - 1, tries + 1 < ProbeTiming.triesOfSize {
                phase = .searching(low: largest, high: high, asked: asked, tries: tries + 1)
            } else {
                phase = Self.search(from: largest, to: asked.first { $0 > largest } ?? high)
            }
            return settle(in: round)
        case .settled(let misses):
            watch(answered, misses: misses, in: round)
            return false
        }
    }

    /// Ends a search in which nothing is open any more.
    private mutating func settle(in round: Int) -> Bool {
        guard case .searching(let low, let high, _, _) = phase, high - low <= 1 else { return false }
        lastGrowth = round
        phase = .settled(misses: 0)
        defer { value = low }
        return value != low
    }

    private mutating func watch(_ answered: Set<UInt32>, misses: Int, in round: Int) {
        guard let value else { return }
        if !sizes(in: round).isEmpty {
            let silent = answered.contains(value) ? 0 : misses + 1
            guard silent <= ProbeTiming.triesOfSize else {
                phase = Self.search(from: Self.smallest, to: value)
                return
            }
            phase = .settled(misses: silent)
            if silent > 0 { return }
        }
        if value < link, round - lastGrowth >= ProbeTiming.growthInterval {
            phase = Self.search(from: value, to: link + 1)
        }
    }

    /// The next sizes to ask: evenly over what is open, the largest among them, because mostly that is the answer.
    private static func search(from low: UInt32, to high: UInt32) -> Phase {
        guard high > low + 1 else { return .searching(low: low, high: low + 1, asked: [], tries: 0) }
        let open = high - 1 - low
        let count = min(UInt32(ProbeTiming.sizesAtOnce), open)
        return .searching(low: low, high: high, asked: (1...count).map { low + open * $0 / count }, tries: 0)
    }
}
