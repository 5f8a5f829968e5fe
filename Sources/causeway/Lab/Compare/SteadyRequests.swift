import CausewaySockets
import Glibc
import Synchronization

/// New connections at a steady pace, whatever becomes of those before, with one request on each.
///
/// An open loop: a service that hesitates gets no fewer.
final class SteadyRequests: Sendable {
    /// How many ended how.
    struct Tally: Codable, Hashable {
        var counts: [LabSocket.Outcome: Int] = [:]

        var total: Int { counts.values.reduce(0, +) }
        func count(_ outcome: LabSocket.Outcome) -> Int { counts[outcome] ?? 0 }
        var failed: Int { total - count(.answered) }

        mutating func add(_ outcome: LabSocket.Outcome) { counts[outcome, default: 0] += 1 }
    }

    /// After this an answer comes too late.
    static let patience: Duration = .seconds(3)

    private let targets: [SocketName]
    private let pause: Duration
    private let isEnding = Atomic(false)

    /// `rate` new connections a second, to the targets in turn.
    init(_ targets: [SocketName], rate: Int) {
        self.targets = targets
        pause = .nanoseconds(1_000_000_000 / rate)
    }

    /// Begins no more; those that are under way are waited for.
    func end() { isEnding.store(true, ordering: .relaxed) }

    private struct Request {
        var socket: LabSocket
        var deadline: ContinuousClock.Instant
        var isSent = false
    }

    /// Goes on until ``end()``, in the calling thread's namespace, which it keeps busy.
    func run() throws -> Tally {
        var tally = Tally()
        var open: [Request] = []
        var number = 0
        var next = ContinuousClock.now
        while true {
            let now = ContinuousClock.now
            let isEnding = isEnding.load(ordering: .relaxed)
            if isEnding, open.isEmpty { return tally }
            if !isEnding, now >= next {
                let socket = try LabSocket(targets[number % targets.count])
                open.append(Request(socket: socket, deadline: now + Self.patience))
                number += 1
                next += pause
                continue
            }
            Self.wait(open, until: isEnding ? now + .milliseconds(100) : min(next, now + .milliseconds(100)))
            open = open.compactMap { Self.advance($0, &tally) }
        }
    }

    private static func wait(_ open: [Request], until moment: ContinuousClock.Instant) {
        var waits = open.map {
            pollfd(fd: $0.socket.descriptor, events: Int16($0.isSent ? POLLIN : POLLOUT), revents: 0)
        }
        let left = (moment - ContinuousClock.now) / .milliseconds(1)
        // Rounded up: a pause that is too short makes the loop turn in vain.
        poll(&waits, nfds_t(waits.count), Int32(max(0, left.rounded(.up))))
    }

    /// The request as it goes on; `nil` when it has ended.
    private static func advance(_ request: Request, _ tally: inout Tally) -> Request? {
        var request = request
        var outcome: LabSocket.Outcome?
        if !request.isSent {
            if request.socket.wait(for: POLLOUT, milliseconds: 0) {
                outcome = request.socket.ask(keepsOpen: false)
                request.isSent = true
            }
        } else {
            outcome = request.socket.answer()
        }
        if outcome == nil, ContinuousClock.now > request.deadline { outcome = .timedOut }
        guard let outcome else { return request }
        tally.add(outcome)
        return nil
    }
}
