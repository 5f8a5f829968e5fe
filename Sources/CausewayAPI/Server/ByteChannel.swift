import NIOCore
import NIOPosix
import Synchronization

/// One end of a stream socket: bytes in, bytes out, each direction closed by itself.
///
/// Nothing is read from the socket before somebody asks, and a write returns when the kernel has taken it, so a slow
/// reader slows its writer down and memory stays bounded. One task may read while another writes. A cancelled read
/// loses nothing.
final class ByteChannel: Sendable {
    private let channel: any Channel
    private let reader: NIOLoopBound<ByteReader>

    private init(channel: any Channel, reader: ByteReader) {
        self.channel = channel
        self.reader = NIOLoopBound(reader, eventLoop: channel.eventLoop)
    }

    /// Puts the reader at the end of a new channel's pipeline.
    ///
    /// To be called on the channel's event loop.
    static func wrap(_ channel: any Channel) throws -> ByteChannel {
        let reader = ByteReader()
        try channel.pipeline.syncOperations.addHandler(reader)
        return ByteChannel(channel: channel, reader: reader)
    }

    /// Connects to a unix socket.
    static func connect(to path: String, on group: any EventLoopGroup) async throws -> ByteChannel {
        try await ClientBootstrap(group: group)
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connectTimeout(.seconds(5))
            .connect(unixDomainSocketPath: path) { channel in
                channel.eventLoop.makeCompletedFuture { try ByteChannel.wrap(channel) }
            }
    }

    /// Whether the socket is open in at least one direction.
    var isOpen: Bool { channel.isActive }

    /// The next bytes, at least one; `nil` once the other end has closed its side.
    func read() async throws -> ByteBuffer? {
        try await wait { reader, promise, token in reader.read(promise, token) }
    }

    /// Puts bytes back: they are what the next read returns.
    func unread(_ bytes: ByteBuffer) async {
        guard bytes.readableBytes > 0 else { return }
        await onLoop { $0.unread(bytes) }
    }

    /// Waits until the other end has closed its side, whether or not its last bytes have been read.
    func untilInputClosed() async throws {
        _ = try await wait { reader, promise, token in reader.watch(promise, token) }
    }

    /// Waits until the socket is closed in both directions.
    func untilClosed() async {
        // A close future never fails.
        do { try await channel.closeFuture.get() } catch {}
    }

    /// Returns when the kernel has taken the bytes.
    func write(_ bytes: ByteBuffer) async throws {
        try await channel.writeAndFlush(bytes).get()
    }

    /// Says that no more bytes come from here.
    ///
    /// No error if the socket is closed already.
    func closeOutput() async {
        do { try await channel.close(mode: .output).get() } catch {}
    }

    /// Closes both directions at once; what was not written is lost.
    func close() { channel.close(promise: nil) }

    private func wait(
        _ ask: @escaping @Sendable (ByteReader, EventLoopPromise<ByteBuffer?>, ByteReader.Token) -> Void
    ) async throws -> ByteBuffer? {
        let loop = channel.eventLoop
        let promise = loop.makePromise(of: ByteBuffer?.self)
        let token = ByteReader.Token()
        return try await withTaskCancellationHandler {
            loop.execute { [reader] in ask(reader.value, promise, token) }
            return try await promise.futureResult.get()
        } onCancel: {
            token.isCancelled.store(true, ordering: .relaxed)
            loop.execute { [reader] in reader.value.cancel(token) }
        }
    }

    private func onLoop(_ work: @escaping @Sendable (ByteReader) -> Void) async {
        do { try await channel.eventLoop.submit { [reader] in work(reader.value) }.get() } catch {}
    }
}
