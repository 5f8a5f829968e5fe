import CausewayModel

/// What a node has to tell its manager, kept until the manager has taken it.
///
/// Reports are taken in order; of one task only the newest counts, so that a manager that is away for long costs no
/// more than there are tasks. What is lost on the way is sent again in the next session.
struct Outbox: Sendable {
    /// What one message carries at most: it must stay below 4 MiB.
    static let batch = 500

    enum Message: Hashable, Sendable {
        case reports(number: UInt64, [TaskReport])
        case applied(UInt64)
        case observed([PeerObservation])
    }

    private var reports: [TaskReport] = []
    /// The batch that is on its way.
    private var underway: (number: UInt64, reports: [TaskReport])?
    private var nextNumber: UInt64 = 1
    private var applied: UInt64?
    private var isAppliedSent = false
    private var observed: [PeerObservation]?
    private var isObservedSent = false

    init() {}

    /// Reports that have not been taken yet, in their order.
    var waiting: [TaskReport] { (underway?.reports ?? []) + reports }

    mutating func add(_ new: [TaskReport]) {
        let renewed = Set(new.map(\.taskID))
        reports.removeAll { renewed.contains($0.taskID) }
        var last: [Swarm.ID: Int] = [:]
        for (at, report) in new.enumerated() { last[report.taskID] = at }
        reports += new.enumerated().filter { last[$1.taskID] == $0 }.map(\.element)
    }

    mutating func apply(_ revision: UInt64) {
        applied = revision
        isAppliedSent = false
    }

    mutating func observe(_ peers: [PeerObservation]) {
        guard peers != observed else { return }
        observed = peers
        isObservedSent = false
    }

    /// A new session: whatever was not taken in the last one is sent again.
    mutating func startOver() {
        if let underway {
            let renewed = Set(reports.map(\.taskID))
            reports = underway.reports.filter { !renewed.contains($0.taskID) } + reports
        }
        underway = nil
        isAppliedSent = false
        isObservedSent = false
    }

    /// What is to be sent next; one batch of reports at a time.
    mutating func next() -> Message? {
        if underway == nil, !reports.isEmpty {
            let batch = Array(reports.prefix(Self.batch))
            reports.removeFirst(batch.count)
            underway = (nextNumber, batch)
            defer { nextNumber += 1 }
            return .reports(number: nextNumber, batch)
        }
        if let applied, !isAppliedSent {
            isAppliedSent = true
            return .applied(applied)
        }
        if let observed, !isObservedSent {
            isObservedSent = true
            return .observed(observed)
        }
        return nil
    }

    /// The manager has taken a batch, or refused it for good.
    mutating func taken(_ number: UInt64) {
        if underway?.number == number { underway = nil }
    }
}
