import CausewayLinux
import CausewayModel

/// What went to each backend since the daemon was first asked, from what the kernel says of addresses.
///
/// Totals only rise. A backend is `SERVICE.SLOT`, so that it outlives its tasks.
struct ConnectionTotals: Sendable {
    struct Backend: Hashable, Sendable {
        var service: String
        var name: String
    }

    struct Reading: Hashable, Sendable {
        var totals = FlowCounter.Counts()
        var open = 0
    }

    private var ended: [Backend: FlowCounter.Counts] = [:]
    private var highest: [Backend: FlowCounter.Counts] = [:]

    /// Adds up what has ended since the last time and what is there now.
    ///
    /// A connection that ends between the two looks may be seen twice, or not at all until next time: what was told
    /// once is never taken back.
    mutating func read(
        ended news: [IPAddress: FlowCounter.Counts], live: [IPAddress: FlowCounter.Live],
        backends: [IPAddress: Backend]
    ) -> [Backend: Reading] {
        for (address, counts) in news {
            guard let backend = backends[address] else { continue }
            ended[backend, default: .init()].add(counts)
        }
        var readings = ended.mapValues { Reading(totals: $0) }
        for (address, found) in live {
            guard let backend = backends[address] else { continue }
            readings[backend, default: Reading()].totals.add(found.known)
            readings[backend, default: Reading()].open += found.open
        }
        for backend in Set(highest.keys).union(readings.keys).union(backends.values) {
            var reading = readings[backend] ?? Reading()
            reading.totals = reading.totals.risen(to: highest[backend])
            highest[backend] = reading.totals
            readings[backend] = reading
        }
        return readings
    }
}

extension FlowCounter.Counts {
    mutating func add(_ other: Self) {
        connections += other.connections
        bytesIn += other.bytesIn
        bytesOut += other.bytesOut
    }

    fileprivate func risen(to other: Self?) -> Self {
        guard let other else { return self }
        var counts = self
        counts.connections = max(connections, other.connections)
        counts.bytesIn = max(bytesIn, other.bytesIn)
        counts.bytesOut = max(bytesOut, other.bytesOut)
        return counts
    }
}
