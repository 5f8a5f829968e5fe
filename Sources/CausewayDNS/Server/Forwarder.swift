import CausewayModel
import CausewaySockets
import Glibc

/// Asks upstream name servers, from the process's own network namespace.
///
/// Each query goes out from a socket of its own (a random port), connected (so the kernel takes replies from that server
/// only, and tells at once when nobody listens there), under a fresh random identifier.
struct Forwarder {
    let loop: EventLoop
    let port: UInt16
    let patience: Duration
    let newID: () -> UInt16

    /// Gives `done` the first usable reply of `servers`, in their order; `nil` when none has one.
    func forward(
        _ query: [UInt8], _ question: DNS.Question, to servers: [IPAddress],
        done: @escaping (UpstreamReply?) -> Void
    ) -> Forward {
        let forward = Forward(self, query, question, servers, done)
        // Later, so that the answer never comes before the caller has what it asked for.
        loop.after(0) { [weak forward] in forward?.askNext() }
        return forward
    }
}

/// One query under way upstream; nothing comes of it when it is let go.
final class Forward: EventHandler {
    let query: [UInt8]
    private let forwarder: Forwarder
    private let question: DNS.Question
    private let done: (UpstreamReply?) -> Void
    private var servers: ArraySlice<IPAddress>
    private var attempt: Attempt?
    private var isDone = false

    /// One server, over one transport.
    private struct Attempt {
        var server: IPAddress
        var isStream: Bool
        var socket: CInt
        var id: UInt16
        /// What is still to be sent, and what came so far; of a stream.
        var outgoing: [UInt8] = []
        var incoming: [UInt8] = []
        var timers: [Timers.ID] = []
    }

    /// What a server said over UDP when it asked to be asked over TCP: better than nothing.
    private var truncated: UpstreamReply?

    init(
        _ forwarder: Forwarder, _ query: [UInt8], _ question: DNS.Question, _ servers: [IPAddress],
        _ done: @escaping (UpstreamReply?) -> Void
    ) {
        self.forwarder = forwarder
        self.query = query
        self.question = question
        self.servers = servers[...]
        self.done = done
    }

    deinit { end() }

    func cancel() {
        isDone = true
        end()
    }

    /// Goes on to the next server, or gives up.
    func askNext() {
        guard !isDone else { return }
        truncated = nil
        guard let server = servers.popFirst() else { return finish(nil) }
        ask(server, isStream: false)
    }

    private func ask(_ server: IPAddress, isStream: Bool) {
        end()
        let name = SocketName(server, forwarder.port)
        let socket: CInt
        do throws(SocketError) {
            socket = try Socket.open(name.family, isStream ? .stream : .datagram)
        } catch {
            return attemptFailed()
        }
        let failure = Socket.connect(socket, name)
        attempt = Attempt(server: server, isStream: isStream, socket: socket, id: forwarder.newID())
        guard failure == 0 || (isStream && failure == EINPROGRESS) else { return attemptFailed() }
        let patience = forwarder.patience.nanoseconds
        later(patience) { $0.attemptFailed() }
        if isStream {
            let message = renamed
            attempt?.outgoing = [UInt8(message.count >> 8), UInt8(truncatingIfNeeded: message.count)] + message
            forwarder.loop.watch(socket, [.readable, .writable], self)
        } else {
            forwarder.loop.watch(socket, .readable, self)
            sendDatagram()
            // Once more at half time: a lost datagram is not yet a dead server.
            later(patience / 2) { $0.sendDatagram() }
        }
    }

    private func later(_ nanoseconds: UInt64, _ body: @escaping (Forward) -> Void) {
        let timer = forwarder.loop.after(nanoseconds) { [weak self] in
            if let self { body(self) }
        }
        attempt?.timers.append(timer)
    }

    /// The query under this attempt's identifier.
    private var renamed: [UInt8] {
        let id = attempt?.id ?? 0
        return [UInt8(id >> 8), UInt8(truncatingIfNeeded: id)] + query.dropFirst(2)
    }

    private func sendDatagram() {
        guard let attempt else { return }
        if case .failed = renamed.withUnsafeBytes({ Socket.send(attempt.socket, $0) }) { attemptFailed() }
    }

    // MARK: what comes back

    func ready(_ descriptor: CInt, _ events: EventLoop.Events) {
        guard attempt?.socket == descriptor else { return }
        if events.contains(.writable) { sendStream() }
        if events.contains(.readable), attempt?.socket == descriptor { receive() }
    }

    private func sendStream() {
        guard let current = attempt, !current.outgoing.isEmpty else { return }
        switch current.outgoing.withUnsafeBytes({ Socket.send(current.socket, $0) }) {
        case .bytes(let count):
            attempt?.outgoing.removeFirst(count)
            if count == current.outgoing.count { forwarder.loop.watch(current.socket, .readable, self) }
        case .wouldBlock: break
        case .end, .failed: attemptFailed()
        }
    }

    private func receive() {
        guard let attempt else { return }
        let (outcome, bytes) = Self.read(attempt.socket)
        switch outcome {
        case .bytes where attempt.isStream: takeStream(bytes)
        case .bytes: take(bytes)
        case .wouldBlock: break
        case .end where !attempt.isStream: break
        case .end, .failed: attemptFailed()
        }
    }

    private static func read(_ socket: CInt) -> (Socket.Outcome, [UInt8]) {
        var outcome = Socket.Outcome.wouldBlock
        let bytes = [UInt8](unsafeUninitializedCapacity: DNS.largestLimit) { buffer, count in
            outcome = Socket.receive(socket, into: UnsafeMutableRawBufferPointer(buffer))
            if case .bytes(let got) = outcome { count = got }
        }
        return (outcome, bytes)
    }

    private func takeStream(_ bytes: [UInt8]) {
        attempt?.incoming += bytes
        while let incoming = attempt?.incoming, incoming.count >= 2 {
            let length = Int(incoming[0]) << 8 | Int(incoming[1])
            guard incoming.count >= 2 + length else { return }
            attempt?.incoming.removeFirst(2 + length)
            take(Array(incoming[2..<2 + length]))
        }
    }

    /// Anything but the reply to this query is not for us and changes nothing.
    private func take(_ bytes: [UInt8]) {
        guard let attempt, let reply = UpstreamReply(bytes, id: attempt.id, question: question) else { return }
        if reply.isFailure { return askNext() }
        if reply.isTruncated, !attempt.isStream {
            truncated = reply
            return ask(attempt.server, isStream: true)
        }
        finish(reply)
    }

    /// A server that has no TCP has at least said that there is more.
    private func attemptFailed() {
        if let truncated { finish(truncated) } else { askNext() }
    }

    private func finish(_ reply: UpstreamReply?) {
        guard !isDone else { return }
        isDone = true
        end()
        done(reply)
    }

    private func end() {
        guard let attempt else { return }
        for timer in attempt.timers { forwarder.loop.cancel(timer) }
        forwarder.loop.close(attempt.socket)
        self.attempt = nil
    }
}

extension Duration {
    /// Whole nanoseconds, at least 0.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(max(0, seconds)) * 1_000_000_000 + UInt64(max(0, attoseconds)) / 1_000_000_000
    }
}
