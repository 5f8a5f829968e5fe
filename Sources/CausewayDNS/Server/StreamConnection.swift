import CausewaySockets

/// One TCP connection to a task's resolver: each query is answered as soon as it can be (RFC 7766, 6.2.1.1).
///
/// While too many of its queries are under way, or while it does not take its answers, it is not read.
final class StreamConnection: EventHandler {
    let socket: CInt
    private let loop: EventLoop
    private let resolver: TaskResolver
    private let limits: DNSLimits
    private let closed: (StreamConnection) -> Void
    private var incoming: [UInt8]
    private var outgoing: [UInt8]
    private var underWay: [ObjectIdentifier: Forward] = [:]
    private var isInputClosed: Bool
    private var isClosed = false
    private var timer: Timers.ID?
    private var lastActivity: UInt64

    /// What a client may leave unread of its answers before it is not read any more, in bytes.
    private static let mostOutgoing = 64 << 10

    init(
        _ socket: CInt, _ resolver: TaskResolver, _ limits: DNSLimits, on loop: EventLoop, resuming state: State? = nil,
        closed: @escaping (StreamConnection) -> Void
    ) {
        self.socket = socket
        self.resolver = resolver
        self.limits = limits
        self.loop = loop
        self.closed = closed
        incoming = state?.incoming ?? []
        outgoing = state?.outgoing ?? []
        isInputClosed = state?.isInputClosed ?? false
        lastActivity = loop.now
    }

    /// What another program has to know to go on with this connection.
    struct State: Codable {
        var socket: CInt
        var incoming: [UInt8]
        var outgoing: [UInt8]
        var isInputClosed: Bool
    }

    /// Queries that are under way upstream are asked again by who goes on.
    var state: State {
        let again = underWay.values.flatMap { forward in
            [UInt8(forward.query.count >> 8), UInt8(truncatingIfNeeded: forward.query.count)] + forward.query
        }
        return State(
            socket: socket, incoming: again + incoming, outgoing: outgoing, isInputClosed: isInputClosed)
    }

    func start() {
        armTimer()
        work()
    }

    func ready(_ descriptor: CInt, _ events: EventLoop.Events) {
        if events.contains(.writable) { send() }
        if events.contains(.readable), !isClosed { receive() }
        if !isClosed { work() }
    }

    private var hasRoom: Bool { underWay.count < limits.pipelined && outgoing.count < Self.mostOutgoing }

    private func receive() {
        guard hasRoom, !isInputClosed else { return }
        var outcome = Socket.Outcome.wouldBlock
        let bytes = [UInt8](unsafeUninitializedCapacity: 16 << 10) { buffer, count in
            outcome = Socket.receive(socket, into: UnsafeMutableRawBufferPointer(buffer))
            if case .bytes(let got) = outcome { count = got }
        }
        switch outcome {
        case .bytes:
            lastActivity = loop.now
            incoming += bytes
        case .end: isInputClosed = true
        case .wouldBlock: break
        // A connection that broke concerns nobody else.
        case .failed: close()
        }
    }

    private func send() {
        guard !outgoing.isEmpty else { return }
        switch outgoing.withUnsafeBytes({ Socket.send(socket, $0) }) {
        case .bytes(let count):
            lastActivity = loop.now
            outgoing.removeFirst(count)
        case .wouldBlock: break
        case .end, .failed: close()
        }
    }

    /// Answers what can be answered, and asks the loop for what is needed to go on.
    private func work() {
        var start = 0
        while hasRoom, !isClosed, incoming.count - start >= 2 {
            let length = Int(incoming[start]) << 8 | Int(incoming[start + 1])
            guard incoming.count - start >= 2 + length else { break }
            answer(Array(incoming[start + 2..<start + 2 + length]))
            start += 2 + length
        }
        guard !isClosed else { return }
        incoming.removeFirst(start)
        send()
        guard !isClosed else { return }
        if isInputClosed, underWay.isEmpty, outgoing.isEmpty, !hasWholeMessage {
            // An asker that has said all it wants to say has had its answers.
            return close()
        }
        var events: EventLoop.Events = []
        if hasRoom, !isInputClosed { events.insert(.readable) }
        if !outgoing.isEmpty { events.insert(.writable) }
        loop.watch(socket, events, self)
    }

    private var hasWholeMessage: Bool {
        incoming.count >= 2 && incoming.count - 2 >= Int(incoming[0]) << 8 | Int(incoming[1])
    }

    private func answer(_ bytes: [UInt8]) {
        var key: ObjectIdentifier?
        let response = resolver.respond(to: bytes, over: .tcp) { [weak self] reply in
            guard let self, !self.isClosed else { return }
            if let key { self.underWay[key] = nil }
            self.put(reply)
            self.work()
        }
        switch response {
        case .now(let reply): put(reply)
        case .later(let forward):
            key = ObjectIdentifier(forward)
            underWay[ObjectIdentifier(forward)] = forward
        case .none: close()
        }
    }

    private func put(_ reply: [UInt8]) {
        lastActivity = loop.now
        outgoing += [UInt8(reply.count >> 8), UInt8(truncatingIfNeeded: reply.count)] + reply
    }

    private func armTimer() {
        let patience = limits.idlePatience.nanoseconds
        let idle = loop.now - lastActivity
        timer = loop.after(idle < patience ? patience - idle : patience) { [weak self] in
            guard let self, !self.isClosed else { return }
            // Upstreams have a limit of their own: a query under way comes to its end.
            let isIdle = self.loop.now - self.lastActivity >= patience
            if isIdle, self.underWay.isEmpty || !self.outgoing.isEmpty { return self.close() }
            self.armTimer()
        }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        if let timer { loop.cancel(timer) }
        for forward in underWay.values { forward.cancel() }
        underWay = [:]
        loop.close(socket)
        closed(self)
    }
}
