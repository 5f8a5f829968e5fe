import CausewayModel
import Testing

@testable import CausewaySession

struct OutboxTests {
    @Test func `of one task only the newest report waits, in the order of the newest`() {
        var outbox = Outbox()
        outbox.add([.running("t1"), .running("t2")])
        outbox.add([.running("t1", message: "newer")])

        #expect(outbox.waiting == [.running("t2"), .running("t1", message: "newer")])
    }

    @Test func `what was underway when a session was lost is sent again, unless something newer waits`() {
        var outbox = Outbox()
        outbox.add([.running("t1"), .running("t2")])
        #expect(outbox.next() == .reports(number: 1, [.running("t1"), .running("t2")]))
        outbox.add([.running("t2", message: "newer"), .running("t3")])
        #expect(outbox.next() == nil)

        outbox.startOver()

        #expect(
            outbox.next()
                == .reports(number: 2, [.running("t1"), .running("t2", message: "newer"), .running("t3")]))
        outbox.taken(1)
        #expect(outbox.waiting.count == 3)
        outbox.taken(2)
        #expect(outbox.waiting.isEmpty)
    }

    @Test func `many reports go in batches, one after the other`() {
        var outbox = Outbox()
        outbox.add((0..<1_200).map { .running("t\($0)") })
        var sizes: [Int] = []
        while case .reports(let number, let reports) = outbox.next() {
            sizes.append(reports.count)
            outbox.taken(number)
        }

        #expect(sizes == [500, 500, 200])
    }

    @Test func `the newest revision and the newest observations are said in each session`() {
        var outbox = Outbox()
        outbox.apply(3)
        outbox.apply(4)
        outbox.observe([])
        #expect(outbox.next() == .applied(4))
        #expect(outbox.next() == .observed([]))
        outbox.observe([])
        #expect(outbox.next() == nil)

        outbox.startOver()

        #expect(outbox.next() == .applied(4))
        #expect(outbox.next() == .observed([]))
    }
}
