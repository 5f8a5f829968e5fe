import CausewayModel

/// Decides what a task is told about a name, from one name table.
///
/// Decides only: forwarding is its caller's. A name of the table is never asked about upstream, whatever is asked about
/// it: a name without an address of the family in question has no data, which is an answer.
package struct Resolver: Sendable {
    package enum Outcome: Hashable, Sendable {
        case reply(DNS.Message)
        /// Nothing of ours: ask the upstream name servers.
        case forward
        /// No query at all. Answering a response could go on for ever.
        case ignore
    }

    private let table: NameTable
    /// For the name of an address that the table has no entry for.
    private static let reverseTimeToLive: UInt32 = 2

    package init(_ table: NameTable) {
        self.table = table
    }

    /// What to do about a message as it came from the wire.
    ///
    /// One that cannot be read is a format error where its header can be; `query` is what could be read.
    package func answer(
        bytes: [UInt8], using generator: inout some RandomNumberGenerator
    ) -> (query: DNS.Message, outcome: Outcome)? {
        do throws(DNS.Malformed) {
            let query = try DNS.Message(decoding: bytes)
            return (query, answer(query, using: &generator))
        } catch {
            guard let header = DNS.Message(headerOf: bytes) else { return nil }
            guard !header.isResponse else { return (header, .ignore) }
            return (header, .reply(header.response(header.opcode == .query ? .formatError : .notImplemented)))
        }
    }

    /// What to do about a query that could be read.
    ///
    /// Several addresses come in an order of the generator's choice.
    package func answer(_ query: DNS.Message, using generator: inout some RandomNumberGenerator) -> Outcome {
        guard !query.isResponse else { return .ignore }
        guard query.opcode == .query else { return .reply(query.response(.notImplemented)) }
        guard query.questions.count == 1, let question = query.questions.first else {
            return .reply(query.response(.formatError))
        }
        if let extended = query.extended, extended.version > 0 { return .reply(query.response(.badVersion)) }
        if let entry = table.names[question.name.key] {
            return own(query, records(entry, question, using: &generator))
        }
        if let prefix = ReverseName.prefix(of: question.name) { return reverse(prefix, query, question) }
        return .forward
    }

    private func records(
        _ entry: NameTable.Entry, _ question: DNS.Question, using generator: inout some RandomNumberGenerator
    ) -> [DNS.ResourceRecord] {
        guard Self.isInternet(question) else { return [] }
        var addresses = entry.addresses.filter { address in
            switch question.type {
            case .a: address.family == .ip
            case .aaaa: address.family == .ip6
            case .any: true
            default: false
            }
        }
        addresses.shuffle(using: &generator)
        return addresses.map { address in
            let content: DNS.ResourceRecord.Content =
                switch address {
                case .v4(let address): .a(address)
                case .v6(let address): .aaaa(address)
                }
            return DNS.ResourceRecord(question.name, content, timeToLive: entry.timeToLive)
        }
    }

    private func reverse(_ prefix: CIDR, _ query: DNS.Message, _ question: DNS.Question) -> Outcome {
        if prefix.isHost, let text = table.reverse[prefix.address], let name = DNS.Name(text) {
            let isAsked = Self.isInternet(question) && (question.type == .ptr || question.type == .any)
            let timeToLive = table.names[name.key]?.timeToLive ?? Self.reverseTimeToLive
            return own(
                query, isAsked ? [DNS.ResourceRecord(question.name, .ptr(name), timeToLive: timeToLive)] : [])
        }
        guard table.ownSubnets.contains(where: { $0.contains(prefix) }) else { return .forward }
        // The name of a whole prefix exists, as there are names below it; that of a single address does not.
        guard prefix.isHost else { return own(query, []) }
        var response = query.response(.nameError)
        response.isAuthoritative = true
        return .reply(response)
    }

    private func own(_ query: DNS.Message, _ records: [DNS.ResourceRecord]) -> Outcome {
        var response = query.response(.noError, answers: records)
        response.isAuthoritative = true
        return .reply(response)
    }

    private static func isInternet(_ question: DNS.Question) -> Bool {
        question.recordClass == .internet || question.recordClass == .any
    }
}
