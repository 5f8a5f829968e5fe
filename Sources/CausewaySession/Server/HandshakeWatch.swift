import CausewayModel
import Logging
import NIOCore
import NIOSSL
import NIOTLS

/// Stands behind TLS on each accepted connection: says why a handshake failed, and ends one that takes too long.
///
/// gRPC drops such a connection without a word; who knocks at a manager's door is worth one.
final class HandshakeWatch: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private let logger: Logger
    private let patience: Nanoseconds
    private var isSettled = false
    private var limit: Scheduled<Void>?

    init(logger: Logger, patience: Nanoseconds) {
        self.logger = logger
        self.patience = patience
    }

    /// Put directly behind TLS: further on, others keep errors to themselves.
    static func install(on channel: any Channel, logger: Logger, patience: Nanoseconds) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            let tls = try pipeline.handler(type: NIOSSLServerHandler.self)
            try pipeline.addHandler(HandshakeWatch(logger: logger, patience: patience), position: .after(tls))
        }
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        limit = context.eventLoop.scheduleTask(in: .nanoseconds(patience.rawValue)) {
            let (watch, context) = bound.value
            watch.refuse(context, "no handshake within \(watch.patience.duration)")
            context.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { settle() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted = event as? TLSUserEvent { settle() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        refuse(context, "\(error)")
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        refuse(context, "closed by the other side before its end")
        context.fireChannelInactive()
    }

    private func refuse(_ context: ChannelHandlerContext, _ reason: String) {
        guard !isSettled else { return }
        settle()
        logger.warning(
            "refused a connection: no TLS",
            metadata: ["peer": "\(context.remoteAddress.map { "\($0)" } ?? "gone")", "reason": "\(reason)"])
    }

    private func settle() {
        isSettled = true
        limit?.cancel()
        limit = nil
    }
}
