/// How much one task may ask of its resolver at a time.
package struct DNSLimits: Hashable, Sendable {
    /// Forwarded queries under way; above, SERVFAIL.
    package var forwarded = 1024
    /// Open TCP connections; above, a new one is closed.
    package var connections = 128
    /// Queries under way on one TCP connection; above, the connection is not read until one is answered.
    package var pipelined = 64
    /// How long one upstream name server is waited for, over each of UDP and TCP.
    package var upstreamPatience: Duration = .seconds(2)
    /// How long a TCP connection may do nothing.
    package var idlePatience: Duration = .seconds(10)

    package init() {}
}
