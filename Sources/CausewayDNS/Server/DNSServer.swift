import CausewayModel
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// Serves one task's resolver on sockets that were bound in the task's network namespace.
final class DNSServer: Sendable {
    let resolver: TaskResolver
    private let loop: any EventLoop
    private let limits: DNSLimits
    private let channels = Mutex(Channels())

    private struct Channels {
        var listeners: [any Channel] = []
        var connections: [ObjectIdentifier: any Channel] = [:]
        var isClosed = false
    }

    init(_ resolver: TaskResolver, limits: DNSLimits, on loop: any EventLoop) {
        self.resolver = resolver
        self.limits = limits
        self.loop = loop
    }

    /// Serves both sockets, which are this server's from now on: closed with it, and when this fails.
    func start(_ sockets: DNSSockets) async throws {
        // Accepting works only on a listening socket; once more does no harm.
        guard listen(sockets.tcp, 128) == 0 else {
            let error = DNSSocketError(doing: "listen on descriptor \(sockets.tcp)", errno: errno)
            sockets.close()
            throw error
        }
        let resolver = resolver
        do {
            let udp = try await DatagramBootstrap(group: loop)
                .channelOption(
                    .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Int(DNS.Message.payloadSize))
                )
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(UDPServerHandler(resolver))
                    }
                }.withBoundSocket(sockets.udp).get()
            channels.withLock { $0.listeners.append(udp) }
        } catch {
            Glibc.close(sockets.tcp)
            throw error
        }
        do {
            let tcp = try await ServerBootstrap(group: loop, childGroup: loop)
                .childChannelOption(.allowRemoteHalfClosure, value: true)
                .childChannelInitializer(accept)
                .withBoundSocket(sockets.tcp).get()
            channels.withLock { $0.listeners.append(tcp) }
        } catch {
            await stop()
            throw error
        }
    }

    /// Closes listeners and connections; returns when they are closed.
    func stop() async {
        let open = channels.withLock { channels in
            channels.isClosed = true
            return channels.listeners + channels.connections.values
        }
        for channel in open {
            channel.close(promise: nil)
            // A channel that fails to close is closed all the same.
            _ = try? await channel.closeFuture.get()
        }
    }

    private func accept(_ channel: any Channel) -> EventLoopFuture<Void> {
        let key = ObjectIdentifier(channel)
        let isTaken = channels.withLock { channels in
            guard !channels.isClosed, channels.connections.count < limits.connections else { return false }
            channels.connections[key] = channel
            return true
        }
        guard isTaken else {
            resolver.count(\.refusedConnections)
            return channel.close()
        }
        channel.closeFuture.whenComplete { _ in self.channels.withLock { $0.connections[key] = nil } }
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandlers([
                IdleStateHandler(allTimeout: TimeAmount(self.limits.idlePatience)),
                ByteToMessageHandler(LengthFraming()), LengthPrefixer(),
                TCPServerHandler(self.resolver, pipelined: self.limits.pipelined),
            ])
        }
    }
}
