import CausewayModel
import NIOCore
import NIOPosix

/// Asks upstream name servers, from the process's own network namespace.
///
/// Each query goes out from a socket of its own (a random port), connected (so the kernel takes replies from that server
/// only, and tells at once when nobody listens there), under a fresh random identifier.
struct Forwarder: Sendable {
    let port: Int
    let patience: TimeAmount
    let newID: @Sendable () -> UInt16

    /// The first usable reply of `servers`, in their order, under the query's own identifier; `nil` when none has one.
    func forward(
        _ query: [UInt8], _ question: DNS.Question, to servers: ArraySlice<IPAddress>, on loop: any EventLoop
    ) -> EventLoopFuture<[UInt8]?> {
        guard let server = servers.first else { return loop.makeSucceededFuture(nil) }
        return ask(server, query, question, on: loop).flatMap { reply in
            if let reply, !reply.isFailure {
                return loop.makeSucceededFuture(Array(query.prefix(2)) + reply.bytes.dropFirst(2))
            }
            return forward(query, question, to: servers.dropFirst(), on: loop)
        }
    }

    /// A failure to reach the server is no reply: the next one is asked, and the caller counts when none is left.
    private func ask(
        _ server: IPAddress, _ query: [UInt8], _ question: DNS.Question, on loop: any EventLoop
    ) -> EventLoopFuture<UpstreamReply?> {
        overUDP(server, query, question, on: loop).flatMap { reply in
            guard let reply, reply.isTruncated, !reply.isFailure else { return loop.makeSucceededFuture(reply) }
            // A server that has no TCP has at least said this much.
            return overTCP(server, query, question, on: loop).map { $0 ?? reply }
        }
    }

    private func overUDP(
        _ server: IPAddress, _ query: [UInt8], _ question: DNS.Question, on loop: any EventLoop
    ) -> EventLoopFuture<UpstreamReply?> {
        let id = newID()
        let promise = loop.makePromise(of: UpstreamReply?.self)
        // Once more at half time: a lost datagram is not yet a dead server.
        return exchange(server, query, id: id, sendings: 2, promise) { address in
            DatagramBootstrap(group: loop)
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: DNS.largestLimit))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers([
                            DatagramHandler(), UpstreamHandler(id: id, question: question, promise),
                        ])
                    }
                }.connect(to: address)
        }
    }

    private func overTCP(
        _ server: IPAddress, _ query: [UInt8], _ question: DNS.Question, on loop: any EventLoop
    ) -> EventLoopFuture<UpstreamReply?> {
        let id = newID()
        let promise = loop.makePromise(of: UpstreamReply?.self)
        return exchange(server, query, id: id, sendings: 1, promise) { address in
            ClientBootstrap(group: loop).connectTimeout(patience)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers([
                            ByteToMessageHandler(LengthFraming()), LengthPrefixer(),
                            UpstreamHandler(id: id, question: question, promise),
                        ])
                    }
                }.connect(to: address)
        }
    }

    /// Sends the query on a channel of its own, waits for `promise` at most ``patience``, and closes the channel.
    private func exchange(
        _ server: IPAddress, _ query: [UInt8], id: UInt16, sendings: Int64,
        _ promise: EventLoopPromise<UpstreamReply?>, connect: (SocketAddress) -> EventLoopFuture<any Channel>
    ) -> EventLoopFuture<UpstreamReply?> {
        let address: SocketAddress
        do {
            address = try SocketAddress(ipAddress: "\(server)", port: port)
        } catch {
            promise.succeed(nil)
            return promise.futureResult
        }
        let loop = promise.futureResult.eventLoop
        let bytes = ByteBuffer(bytes: [UInt8(id >> 8), UInt8(truncatingIfNeeded: id)] + query.dropFirst(2))
        let channel = connect(address)
        var timers = [loop.scheduleTask(in: patience) { promise.succeed(nil) }]
        for sending in 0..<sendings {
            let later = TimeAmount.nanoseconds(patience.nanoseconds / sendings * sending)
            let send: @Sendable () -> Void = {
                channel.flatMap { $0.writeAndFlush(bytes) }.whenFailure { _ in promise.succeed(nil) }
            }
            if sending == 0 { send() } else { timers.append(loop.scheduleTask(in: later, send)) }
        }
        return promise.futureResult.always { [timers] _ in
            for timer in timers { timer.cancel() }
            channel.whenSuccess { $0.close(promise: nil) }
        }
    }
}
