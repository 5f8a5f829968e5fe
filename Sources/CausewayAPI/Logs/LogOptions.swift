import CausewayModel

/// The parameters of a call for logs of a service or a task.
struct LogOptions: Hashable, Sendable {
    var follows: Bool
    var hasTimestamps: Bool
    var hasDetails: Bool
    private let passedOn: [String: String]
    /// `all`, or a number of lines of each task.
    private let tail: String

    /// Refuses, in Docker's words, what the nodes could only refuse one by one.
    init(_ query: Query) throws(APIError) {
        guard query.flag("stdout") || query.flag("stderr") else {
            throw APIError(500, "Bad parameters: you must choose at least one stream")
        }
        follows = query.flag("follow")
        hasTimestamps = query.flag("timestamps")
        hasDetails = query.flag("details")
        tail = query["tail"].flatMap { $0.isEmpty ? nil : $0 } ?? "all"
        guard tail == "all" || Int(tail) != nil else {
            throw APIError(400, "tail value must be a positive integer or \"all\"")
        }
        guard Int(tail) ?? 0 >= 0 else { throw APIError(400, "negative tail values not supported") }
        var passedOn: [String: String] = [:]
        for name in ["stdout", "stderr", "follow", "details"] { passedOn[name] = query.flag(name) ? "1" : "0" }
        for name in ["since", "until"] {
            guard let text = query[name], let moment = try EventSelection.moment(text, name) else { continue }
            passedOn[name] = moment.unixText
        }
        self.passedOn = passedOn
    }

    /// What the node's engine is asked for.
    ///
    /// With times, whether the reader wants them or not, so that a log that broke off can be taken up again; but for
    /// those of a terminal, which have no frames to find them in.
    ///
    /// `isLate`: Whether the container came while the log was being followed: then all of it is new.
    func parameters(isRaw: Bool, isLate: Bool, after position: LogPosition) -> [String: String] {
        var parameters = passedOn
        parameters["timestamps"] = !isRaw || hasTimestamps ? "1" : "0"
        parameters["tail"] = isLate ? "all" : tail
        if let last = position.last {
            parameters["since"] = last.unixText
            parameters["tail"] = "all"
        }
        return parameters
    }
}

extension Timestamp {
    /// `SECONDS.NANOSECONDS`, as Docker Engine reads it.
    var unixText: String {
        let digits = String(nanoseconds)
        return "\(seconds).\(String(repeating: "0", count: max(0, 9 - digits.count)))\(digits)"
    }
}

/// How far a task's log was read.
struct LogPosition: Hashable, Sendable {
    private(set) var last: Timestamp?
    /// How many lines of that very moment were read.
    private var atLast = 0
    /// How many of them come again, because Docker Engine's `since` includes its moment.
    private var toSkip = 0

    /// Takes note of a line; `false` when it was read before.
    mutating func isNew(_ time: Timestamp) -> Bool {
        if let last, time == last, toSkip > 0 {
            toSkip -= 1
            return false
        }
        if time == last {
            atLast += 1
        } else if last.map({ time > $0 }) ?? true {
            // Lines of two streams may be a little out of order: what is older moves nothing.
            (last, atLast) = (time, 1)
        }
        return true
    }

    /// It is read again, from its last moment on.
    mutating func takeUp() { toSkip = atLast }
}
