import Synchronization

/// How often something took how long.
package struct Histogram: Sendable, Hashable {
    /// Upper ends of the buckets, in seconds, rising; what takes longer is counted in `count` alone.
    package let bounds: [Double]
    /// One for each bound: how many took longer than the bound before it, and not longer than it.
    package private(set) var counts: [UInt64]
    package private(set) var count: UInt64 = 0
    /// Seconds, of all together.
    package private(set) var sum: Double = 0

    /// For what takes from a millisecond to half a minute.
    package static let seconds: [Double] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    package init(bounds: [Double] = Histogram.seconds) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count)
    }

    package mutating func add(_ seconds: Double) {
        if let bucket = bounds.firstIndex(where: { seconds <= $0 }) { counts[bucket] += 1 }
        count += 1
        sum += seconds
    }
}

/// Durations of calls, by what was called and what came of it.
package final class Stopwatch: Sendable {
    private let all = Mutex<[Exposition.Labels: Histogram]>([:])

    package init() {}

    package func add(_ labels: Exposition.Labels, _ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let value = Double(seconds) + Double(attoseconds) * 1e-18
        all.withLock { $0[labels, default: Histogram()].add(value) }
    }

    package var histograms: [Exposition.Labels: Histogram] { all.withLock { $0 } }
}
