import CausewayModel
import NIOCore
import Synchronization

/// One task's resolver: its table, its limits and its counters, whatever socket a query came in on.
final class TaskResolver: Sendable {
    enum Transport: Sendable {
        case udp
        case tcp
    }

    enum Response: Sendable {
        case now([UInt8])
        case later(EventLoopFuture<[UInt8]>)
        /// The message asks for nothing that can be answered.
        case none
    }

    let box: NameTableBox
    private let limits: DNSLimits
    private let forwarder: Forwarder
    private let state = Mutex((counters: DNSCounters(), underWay: 0))

    init(_ table: NameTable, limits: DNSLimits, forwarder: Forwarder) {
        box = NameTableBox(table)
        self.limits = limits
        self.forwarder = forwarder
    }

    var counters: DNSCounters { state.withLock { $0.counters } }

    func count(_ counter: WritableKeyPath<DNSCounters, UInt64>) {
        state.withLock { $0.counters[keyPath: counter] += 1 }
    }

    /// Answers a message that came in over `transport`; what must be asked upstream is asked on `loop`.
    func respond(to bytes: [UInt8], over transport: Transport, on loop: any EventLoop) -> Response {
        count(\.queries)
        let table = box.current
        var generator = SystemRandomNumberGenerator()
        guard let (query, outcome) = Resolver(table).answer(bytes: bytes, using: &generator) else {
            count(\.malformed)
            return .none
        }
        let limit = transport == .udp ? query.udpLimit : DNS.largestLimit
        switch outcome {
        case .ignore:
            count(\.malformed)
            return .none
        case .reply(let reply):
            count(reply.responseCode == .formatError ? \.malformed : \.own)
            return .now(encoded(reply, limit))
        case .forward:
            return forward(bytes, query, to: table.upstreams, limit, on: loop)
        }
    }

    private func forward(
        _ bytes: [UInt8], _ query: DNS.Message, to upstreams: [IPAddress], _ limit: Int, on loop: any EventLoop
    ) -> Response {
        guard let question = query.questions.first, enter() else {
            count(\.overloaded)
            return .now(encoded(query.response(.serverFailure), limit))
        }
        return .later(
            forwarder.forward(bytes, question, to: upstreams[...], on: loop).map { reply in
                self.leave()
                guard let reply else {
                    self.count(\.failed)
                    return self.encoded(query.response(.serverFailure), limit)
                }
                guard reply.count > limit else { return reply }
                return self.shortened(reply, to: query, limit)
            })
    }

    /// An upstream's reply that came over TCP and is more than the asker can take over UDP.
    private func shortened(_ reply: [UInt8], to query: DNS.Message, _ limit: Int) -> [UInt8] {
        let code = DNS.Message(headerOf: reply)?.responseCode ?? .noError
        var response = query.response(code)
        response.isTruncated = true
        return encoded(response, limit)
    }

    private func encoded(_ message: DNS.Message, _ limit: Int) -> [UInt8] {
        let bytes = message.encoded(limit: limit)
        if bytes[2] & 0x02 != 0 { count(\.truncated) }
        return bytes
    }

    private func enter() -> Bool {
        state.withLock { state in
            guard state.underWay < limits.forwarded else { return false }
            state.underWay += 1
            state.counters.forwarded += 1
            return true
        }
    }

    private func leave() {
        state.withLock { $0.underWay -= 1 }
    }
}
