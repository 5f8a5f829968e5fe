import CausewayLinux
import CausewayModel
import Testing

@testable import causewayd

@Suite struct `Totals of connections` {
    private let first = IPAddress("10.0.1.5")!
    private let second = IPAddress("10.0.1.6")!
    private let web1 = ConnectionTotals.Backend(service: "web", name: "web.1")

    private func counts(_ connections: UInt64, _ bytes: UInt64) -> FlowCounter.Counts {
        var counts = FlowCounter.Counts()
        counts.connections = connections
        counts.bytesIn = bytes
        return counts
    }

    private func live(_ connections: UInt64, _ bytes: UInt64, open: Int) -> FlowCounter.Live {
        var live = FlowCounter.Live()
        live.known = counts(connections, bytes)
        live.open = open
        return live
    }

    @Test func `what has ended and what is there are added up, and a task that follows goes on where one ended`() {
        var totals = ConnectionTotals()

        var found = totals.read(ended: [:], live: [first: live(2, 100, open: 1)], backends: [first: web1])
        #expect(found[web1]?.totals == counts(2, 100))
        #expect(found[web1]?.open == 1)

        found = totals.read(ended: [first: counts(2, 150)], live: [:], backends: [first: web1])
        #expect(found[web1]?.totals == counts(2, 150))

        found = totals.read(ended: [:], live: [second: live(1, 10, open: 1)], backends: [second: web1])
        #expect(found[web1]?.totals == counts(3, 160))
    }

    @Test func `what was told once is never taken back, and addresses of nobody are nobody's`() {
        var totals = ConnectionTotals()
        _ = totals.read(ended: [first: counts(1, 50)], live: [first: live(1, 50, open: 1)], backends: [first: web1])

        let found = totals.read(
            ended: [:], live: [second: live(9, 9, open: 9)], backends: [first: web1])

        #expect(found[web1]?.totals == counts(2, 100))
        #expect(found.count == 1)
    }
}
