import CausewayModel

@testable import CausewayDNS

extension FuzzTarget {
    private static let table = NameTable(
        names: [
            "web": NameTable.Entry(addresses: addresses(1...1), timeToLive: 60),
            "tasks.web": NameTable.Entry(addresses: addresses(1...200), timeToLive: 2),
            "empty": NameTable.Entry(addresses: [], timeToLive: 2),
        ],
        reverse: [address(1): "web"], ownSubnets: [CIDR("10.0.1.0/24"), CIDR("fd00::/64")].compactMap { $0 })

    private static func address(_ number: UInt32) -> IPAddress { .v4(IPv4Address(rawValue: 0x0a00_0100 + number)) }
    private static func addresses(_ numbers: ClosedRange<UInt32>) -> [IPAddress] { numbers.map(address) }

    /// A query of a task: read, answered from a table, the answer written within the asker's limit.
    static let dnsQuery = FuzzTarget(name: "dns-query") { bytes in
        var generator = SystemRandomNumberGenerator()
        guard let (query, outcome) = Resolver(table).answer(bytes: bytes, using: &generator) else { return }
        guard case .reply(let reply) = outcome else { return }
        for limit in [query.udpLimit, DNS.largestLimit] {
            let written = reply.encoded(limit: limit)
            promise(written.count <= limit, "an answer of \(written.count) bytes, where \(limit) are the limit")
            let again = try? DNS.Message(decoding: written)
            promise(again?.id == query.id && again?.isResponse == true, "an answer of ours cannot be read")
        }
    }

    /// What an upstream name server sends back; the question is taken from the bytes themselves.
    static let dnsReply = FuzzTarget(name: "dns-reply") { bytes in
        guard let message = try? DNS.Message(decoding: bytes) else {
            _ = UpstreamReply(bytes, id: 1, question: DNS.Question(DNS.Name("web") ?? .root, .a))
            return
        }
        let question = message.questions.first ?? DNS.Question(.root, .a)
        let reply = UpstreamReply(bytes, id: message.id, question: question)
        promise(reply == nil || message.isResponse, "a query was taken for a reply")
        _ = reply?.isFailure
    }
}
