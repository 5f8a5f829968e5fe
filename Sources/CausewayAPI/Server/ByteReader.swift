import NIOCore
import Synchronization

/// The reading side of a ``ByteChannel``, on its event loop.
final class ByteReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// Marks one wait, so that its cancellation ends that wait and no later one.
    final class Token: Sendable {
        let isCancelled = Atomic(false)
    }

    private typealias Waiter = (promise: EventLoopPromise<ByteBuffer?>, token: Token)

    private var buffered = CircularBuffer<ByteBuffer>()
    private var hasEnded = false
    private var failure: (any Error)?
    private var reading: Waiter?
    private var watching: [Waiter] = []
    private var context: ChannelHandlerContext?

    // MARK: what the channel asks

    func read(_ promise: EventLoopPromise<ByteBuffer?>, _ token: Token) {
        guard !token.isCancelled.load(ordering: .relaxed) else { return promise.fail(CancellationError()) }
        precondition(reading == nil, "two tasks read the same connection at once")
        if let bytes = buffered.popFirst() { return promise.succeed(bytes) }
        guard !hasEnded else { return failure.map { promise.fail($0) } ?? promise.succeed(nil) }
        reading = (promise, token)
        context?.read()
    }

    func watch(_ promise: EventLoopPromise<ByteBuffer?>, _ token: Token) {
        guard !token.isCancelled.load(ordering: .relaxed) else { return promise.fail(CancellationError()) }
        guard !hasEnded else { return promise.succeed(nil) }
        watching.append((promise, token))
    }

    func cancel(_ token: Token) {
        if let waiter = reading, waiter.token === token {
            reading = nil
            waiter.promise.fail(CancellationError())
        }
        let cancelled = watching.filter { $0.token === token }
        watching.removeAll { $0.token === token }
        for waiter in cancelled { waiter.promise.fail(CancellationError()) }
    }

    func unread(_ bytes: ByteBuffer) { buffered.prepend(bytes) }

    // MARK: what the pipeline says

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard bytes.readableBytes > 0 else { return }
        guard let waiter = reading else { return buffered.append(bytes) }
        reading = nil
        waiter.promise.succeed(bytes)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // A read may bring nothing; who waits goes on waiting.
        if reading != nil { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { end() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !hasEnded { failure = error }
        end()
        context.close(promise: nil)
    }

    private func end() {
        guard !hasEnded else { return }
        hasEnded = true
        let waiter = reading
        reading = nil
        failure.map { waiter?.promise.fail($0) } ?? waiter?.promise.succeed(nil)
        let watchers = watching
        watching = []
        for watcher in watchers { watcher.promise.succeed(nil) }
    }
}
