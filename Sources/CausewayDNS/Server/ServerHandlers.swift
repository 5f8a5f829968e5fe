import NIOCore

/// Answers the datagrams of one task.
final class UDPServerHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let resolver: TaskResolver

    init(_ resolver: TaskResolver) {
        self.resolver = resolver
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        let channel = context.channel
        let asker = envelope.remoteAddress
        @Sendable func send(_ bytes: [UInt8]) {
            channel.writeAndFlush(
                AddressedEnvelope(remoteAddress: asker, data: ByteBuffer(bytes: bytes)), promise: nil)
        }
        switch resolver.respond(
            to: Array(envelope.data.readableBytesView), over: .udp, on: context.eventLoop)
        {
        case .now(let bytes): send(bytes)
        case .later(let future): future.whenSuccess(send)
        case .none: break
        }
    }
}

/// Answers the queries of one TCP connection, each as soon as it can (RFC 7766, 6.2.1.1).
///
/// While too many of its queries are under way, or while it does not take its answers, the next ones wait and the
/// connection is not read.
final class TCPServerHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let resolver: TaskResolver
    private let pipelined: Int
    private var underWay = 0
    /// What the last read brought and could not be taken up yet.
    private var waiting = CircularBuffer<ByteBuffer>()
    private var isReadHeld = false
    private var isInputClosed = false

    init(_ resolver: TaskResolver, pipelined: Int) {
        self.resolver = resolver
        self.pipelined = pipelined
    }

    func read(context: ChannelHandlerContext) {
        guard waiting.isEmpty, hasRoom(context) else {
            isReadHeld = true
            return
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        waiting.append(unwrapInboundIn(data))
        takeUp(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        takeUp(context)
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is IdleStateHandler.IdleStateEvent:
            // Upstreams have a limit of their own: a query under way comes to its end.
            if underWay == 0 || !context.channel.isWritable { context.close(promise: nil) }
        case ChannelEvent.inputClosed:
            isInputClosed = true
            closeIfDone(context)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    /// A connection that broke concerns nobody else.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func hasRoom(_ context: ChannelHandlerContext) -> Bool {
        underWay < pipelined && context.channel.isWritable
    }

    private func takeUp(_ context: ChannelHandlerContext) {
        while hasRoom(context), let message = waiting.popFirst() {
            answer(Array(message.readableBytesView), context)
        }
        if isReadHeld, waiting.isEmpty, hasRoom(context) {
            isReadHeld = false
            context.read()
        }
        closeIfDone(context)
    }

    private func answer(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        switch resolver.respond(to: bytes, over: .tcp, on: context.eventLoop) {
        case .now(let reply): context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: reply)), promise: nil)
        case .later(let future):
            underWay += 1
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            future.whenSuccess { reply in
                let (handler, context) = bound.value
                handler.underWay -= 1
                guard context.channel.isActive else { return }
                context.writeAndFlush(handler.wrapOutboundOut(ByteBuffer(bytes: reply)), promise: nil)
                handler.takeUp(context)
            }
        case .none: context.close(promise: nil)
        }
    }

    /// An asker that has said all it wants to say still gets its answers.
    private func closeIfDone(_ context: ChannelHandlerContext) {
        if isInputClosed, underWay == 0, waiting.isEmpty { context.close(promise: nil) }
    }
}
