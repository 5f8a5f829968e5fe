import CausewayDNS
import NIOCore
import NIOPosix
import Synchronization

/// A name server on a loopback address, over UDP and TCP, that answers as a test says.
final class FakeUpstream: Sendable {
    enum Transport: Sendable {
        case udp
        case tcp
    }

    typealias Behaviour = @Sendable (DNS.Message, Transport) -> [UInt8]?

    let port: UInt16
    private let channels: [any Channel]
    private let log: Log

    final class Log: Sendable {
        let seen = Mutex<[(Transport, DNS.Message, port: Int)]>([])
    }

    /// The transports over which queries came, with their identifiers and source ports.
    var seen: [(Transport, DNS.Message, port: Int)] { log.seen.withLock { $0 } }

    /// Listens on `address`; on any free port when `port` is 0.
    init(_ address: String, port: UInt16 = 0, _ behaviour: @escaping Behaviour) async throws {
        let log = Log()
        let group = MultiThreadedEventLoopGroup.singleton
        let udp = try await DatagramBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(UDP(behaviour, log))
            }
        }.bind(host: address, port: Int(port)).get()
        let chosen = udp.localAddress!.port!
        let tcp = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(TCP(behaviour, log))
                }
            }.bind(host: address, port: chosen).get()
        self.port = UInt16(chosen)
        self.log = log
        channels = [udp, tcp]
    }

    func stop() async throws {
        for channel in channels { try await channel.close() }
    }

    private final class UDP: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>
        let behaviour: Behaviour
        let log: Log

        init(_ behaviour: @escaping Behaviour, _ log: Log) {
            self.behaviour = behaviour
            self.log = log
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = unwrapInboundIn(data)
            guard let query = try? DNS.Message(decoding: Array(envelope.data.readableBytesView)) else { return }
            log.seen.withLock { $0.append((.udp, query, envelope.remoteAddress.port ?? 0)) }
            guard let reply = behaviour(query, .udp) else { return }
            let answer = AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: reply))
            context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
        }
    }

    private final class TCP: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        let behaviour: Behaviour
        let log: Log

        init(_ behaviour: @escaping Behaviour, _ log: Log) {
            self.behaviour = behaviour
            self.log = log
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var buffer = unwrapInboundIn(data)
            guard let message = buffer.readLengthPrefixedSlice(as: UInt16.self),
                let query = try? DNS.Message(decoding: Array(message.readableBytesView))
            else { return }
            log.seen.withLock { $0.append((.tcp, query, context.remoteAddress?.port ?? 0)) }
            guard let reply = behaviour(query, .tcp) else { return }
            context.writeAndFlush(
                wrapOutboundOut(ByteBuffer(bytes: [UInt8(reply.count >> 8), UInt8(reply.count & 255)] + reply)),
                promise: nil)
        }
    }
}
