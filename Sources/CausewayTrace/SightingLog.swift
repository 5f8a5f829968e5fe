import CausewayPath
import Glibc
import Synchronization

/// Everything that was seen, by whoever saw it.
package final class SightingLog: Sendable {
    private struct State {
        var sightings: [Sighting] = []
        var losses = 0
    }

    /// More than anybody reads: what comes after it is counted as lost.
    private static let most = 200_000

    private let state = Mutex(State())

    package init() {}

    func add(_ sighting: Sighting) {
        state.withLock { state in
            if state.sightings.count < Self.most { state.sightings.append(sighting) } else { state.losses += 1 }
        }
    }

    func lose() { state.withLock { $0.losses += 1 } }

    package var sightings: [Sighting] { state.withLock { $0.sightings } }
    package var count: Int { state.withLock { $0.sightings.count } }
    /// How often the kernel had more to say than could be heard.
    package var losses: Int { state.withLock { $0.losses } }
}

/// The clock that the kernel's programs read.
enum MonotonicClock {
    static var now: UInt64 { read(CLOCK_MONOTONIC) }

    /// What is to be added to a time of the day to have a time of this clock.
    static var fromRealTime: Int64 { Int64(bitPattern: now) &- Int64(bitPattern: read(CLOCK_REALTIME)) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
