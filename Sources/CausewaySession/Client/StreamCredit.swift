/// How many parts of a stream may be on their way to a manager that has not taken them.
///
/// gRPC and HTTP/2 hold a writer back too, but late: what is written waits at the event loop that carries the session's
/// heartbeats, and only what that loop has come to counts against a window (docs/design/0034).
struct StreamCredit: Sendable {
    private let parts: AsyncStream<Void>
    private let more: AsyncStream<Void>.Continuation
    /// A manager that does not say what it takes is sent everything.
    private let isCounted: Bool

    /// `ahead`: The parts that may be sent before the first is taken; 0: any number.
    init(ahead: UInt32) {
        (parts, more) = AsyncStream.makeStream()
        isCounted = ahead > 0
        for _ in 0..<ahead { more.yield() }
    }

    /// The manager has taken a part.
    func earn() { more.yield() }

    /// Waits until one more part may be sent; one task at a time.
    func spend() async throws {
        guard isCounted else { return }
        for await _ in parts { return }
        throw CancellationError()
    }
}
