import CausewayModel

/// One task's resolver: its table, its limits and its counters, whatever socket a query came in on.
final class TaskResolver {
    enum Transport {
        case udp
        case tcp
    }

    enum Response {
        case now([UInt8])
        /// Asked upstream; the answer goes to the caller's closure later.
        case later(Forward)
        /// The message asks for nothing that can be answered.
        case none
    }

    var names: PreparedNames
    var counters = DNSCounters()
    private let limits: DNSLimits
    private let forwarder: Forwarder
    private var underWay = 0

    init(_ names: PreparedNames, limits: DNSLimits, forwarder: Forwarder) {
        self.names = names
        self.limits = limits
        self.forwarder = forwarder
    }

    /// Answers a message that came in over `transport`; `answer` gets what is known only later.
    func respond(
        to bytes: [UInt8], over transport: Transport, answer: @escaping ([UInt8]) -> Void
    ) -> Response {
        counters.queries += 1
        let table = names.table
        var generator = SystemRandomNumberGenerator()
        guard let (query, outcome) = Resolver(table).answer(bytes: bytes, using: &generator) else {
            counters.malformed += 1
            return .none
        }
        let limit = transport == .udp ? query.udpLimit : DNS.largestLimit
        switch outcome {
        case .ignore:
            counters.malformed += 1
            return .none
        case .reply(let reply):
            if reply.responseCode == .formatError { counters.malformed += 1 } else { counters.own += 1 }
            return .now(encoded(reply, limit))
        case .forward:
            return forward(bytes, query, to: table.upstreams, limit, answer)
        }
    }

    private func forward(
        _ bytes: [UInt8], _ query: DNS.Message, to upstreams: [IPAddress], _ limit: Int,
        _ answer: @escaping ([UInt8]) -> Void
    ) -> Response {
        guard let question = query.questions.first, underWay < limits.forwarded else {
            counters.overloaded += 1
            return .now(encoded(query.response(.serverFailure), limit))
        }
        underWay += 1
        counters.forwarded += 1
        return .later(
            forwarder.forward(bytes, question, to: upstreams) { reply in
                self.underWay -= 1
                answer(self.handOn(reply, to: query, limit))
            })
    }

    /// What the asker gets of an upstream's reply, or of there being none.
    private func handOn(_ reply: UpstreamReply?, to query: DNS.Message, _ limit: Int) -> [UInt8] {
        guard let reply else {
            counters.failed += 1
            return encoded(query.response(.serverFailure), limit)
        }
        guard reply.bytes.count <= limit else {
            // It came over TCP and is more than the asker can take over UDP.
            var response = query.response(reply.responseCode)
            response.isTruncated = true
            return encoded(response, limit)
        }
        counters.answered(reply.responseCode)
        return [UInt8(query.id >> 8), UInt8(truncatingIfNeeded: query.id)] + reply.bytes.dropFirst(2)
    }

    private func encoded(_ message: DNS.Message, _ limit: Int) -> [UInt8] {
        let bytes = message.encoded(limit: limit)
        if bytes[2] & 0x02 != 0 { counters.truncated += 1 }
        counters.answered(message.responseCode)
        return bytes
    }
}
