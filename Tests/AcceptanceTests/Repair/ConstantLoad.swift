import Foundation
import Testing

/// Requests from several places, one run of the client after the other, until it is stopped.
struct ConstantLoad: Sendable {
    struct Source: Sendable {
        var place: Machine.Place
        var address: String
        var port: Int
    }

    struct Total: Sendable, CustomStringConvertible {
        var requested = 0
        var answered = 0
        var failed: [String: Int] = [:]

        var description: String { "\(answered) of \(requested) answered, failed: \(failed)" }
    }

    private let running: [Task<Total, any Error>]

    init(_ sources: [Source], timeout: Duration = .seconds(10)) {
        running = sources.map { source in
            Task {
                var total = Total()
                while !Task.isCancelled {
                    let load = Load(
                        transport: .http, address: source.address, port: source.port, count: 100, atOnce: 2,
                        timeout: timeout)
                    let result = try await load.run(at: source.place)
                    total.requested += result.requested
                    total.answered += result.answered
                    total.failed.merge(
                        result.failed.map { ("\(source.place): \($0.key)", $0.value) }, uniquingKeysWith: +)
                }
                return total
            }
        }
    }

    /// Lets the runs that are under way end, and adds them up.
    func stop() async throws -> Total {
        for task in running { task.cancel() }
        var sum = Total()
        for task in running {
            let one = try await task.value
            sum.requested += one.requested
            sum.answered += one.answered
            sum.failed.merge(one.failed, uniquingKeysWith: +)
        }
        return sum
    }
}

/// What `causeway plan` would change.
func plannedChanges() async throws -> String {
    try await shell(Machine.executable("causeway"), "plan").trimmed
}

let nothingToChange = "nothing to change: the kernel is as it should be"

/// Waits until `causeway plan` has nothing to say.
func planBecomesEmpty(within limit: Duration = .seconds(10)) async throws {
    var last = ""
    do {
        try await eventually("causeway plan to be empty", within: limit) {
            last = try await plannedChanges()
            return last == nothingToChange ? true : nil
        }
    } catch { throw Context(error: error, notes: [last, Cluster.lastOfLog()]) }
}
