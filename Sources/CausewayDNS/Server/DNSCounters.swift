/// What a resolver has done since it began to serve.
package struct DNSCounters: Hashable, Sendable {
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

    package init() {}

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
        return sum
    }
}
