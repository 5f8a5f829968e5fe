/// What a resolver has done since it began to serve.
package struct DNSCounters: Hashable, Sendable, Codable {
    /// Messages that came in, malformed ones included.
    package var queries: UInt64 = 0
    /// Answered from the name table, refusals of a kind of query included.
    package var own: UInt64 = 0
    /// Handed on to the upstream name servers.
    package var forwarded: UInt64 = 0
    /// Not readable.
    package var malformed: UInt64 = 0
    /// Answered SERVFAIL because no upstream name server gave an answer.
    package var failed: UInt64 = 0
    /// Answered SERVFAIL because too many forwarded queries were under way.
    package var overloaded: UInt64 = 0
    /// Answers that did not fit and said so.
    package var truncated: UInt64 = 0
    /// Connections closed at once because too many were open.
    package var refusedConnections: UInt64 = 0
    /// Answers that the kernel had no room for.
    package var dropped: UInt64 = 0
    /// Answers, by the response code's number: 0 is NOERROR, 3 NXDOMAIN.
    package var answers: [UInt16: UInt64] { codes.counts }
    private var codes = Codes()

    package init() {}

    package mutating func answered(_ code: DNS.ResponseCode) { codes.add(code.rawValue, 1) }

    /// The usual answer is counted a million times; a dictionary is for the others.
    mutating func answeredWell() { codes.noError += 1 }

    package static func + (a: Self, b: Self) -> Self {
        var sum = a
        sum.queries += b.queries
        sum.own += b.own
        sum.forwarded += b.forwarded
        sum.malformed += b.malformed
        sum.failed += b.failed
        sum.overloaded += b.overloaded
        sum.truncated += b.truncated
        sum.refusedConnections += b.refusedConnections
        sum.dropped += b.dropped
        for (code, count) in b.answers { sum.codes.add(code, count) }
        return sum
    }

    private struct Codes: Hashable, Sendable, Codable {
        var noError: UInt64 = 0
        var others: [UInt16: UInt64] = [:]

        var counts: [UInt16: UInt64] {
            var counts = others
            if noError > 0 { counts[0] = noError }
            return counts
        }

        mutating func add(_ code: UInt16, _ count: UInt64) {
            if code == 0 { noError += count } else { others[code, default: 0] += count }
        }
    }
}
