import CausewayDNS
import CausewayModel
import Testing

@Suite struct ResolverTests {
    static func address(_ text: String) -> IPAddress { IPAddress(text)! }

    static let table = NameTable(
        names: [
            "web": .init(addresses: [address("10.0.1.2")], timeToLive: 60),
            "tasks.web": .init(
                addresses: ["10.0.1.3", "10.0.1.4", "10.0.1.5", "fd00::3"].map(address), timeToLive: 2),
            "web.1.abc": .init(addresses: [address("10.0.1.3")], timeToLive: 2),
            "idle": .init(addresses: [], timeToLive: 2),
        ],
        reverse: [address("10.0.1.3"): "web.1.abc", address("fd00::3"): "web.1.abc.front"],
        ownSubnets: [CIDR("10.0.1.0/24")!, CIDR("fd00::/64")!])

    /// The response to one question, or `nil` when it is forwarded.
    private func ask(
        _ name: String, _ type: DNS.RecordType, _ recordClass: DNS.RecordClass = .internet, seed: UInt64 = 1
    ) throws -> DNS.Message? {
        var random = SeededGenerator(seed: seed)
        let query = DNS.Message(id: 9, questions: [DNS.Question(DNS.Name(name)!, type, recordClass)])
        switch Resolver(Self.table).answer(query, using: &random) {
        case .reply(let reply):
            #expect(reply.id == 9 && reply.isResponse && reply.questions == query.questions)
            return reply
        case .forward: return nil
        case .ignore: throw Ignored()
        }
    }

    struct Ignored: Error {}

    @Test(arguments: ["web", "web.", "WEB", "Web."])
    func `a service's name is its address, in any case and with or without a final dot`(name: String) throws {
        let reply = try #require(try ask(name, .a))

        #expect(reply.responseCode == .noError)
        #expect(reply.isAuthoritative && reply.isRecursionAvailable)
        #expect(reply.answers.map(\.content) == [.a(IPv4Address("10.0.1.2")!)])
        #expect(reply.answers.map(\.timeToLive) == [60])
    }

    @Test func `each address family has its own answer, and any has both`() throws {
        #expect(try ask("tasks.web", .a)?.answers.count == 3)
        #expect(try ask("tasks.web", .aaaa)?.answers.map(\.content) == [.aaaa(IPv6Address("fd00::3")!)])
        #expect(try ask("tasks.web", .any)?.answers.count == 4)
    }

    @Test(arguments: [
        ("web", DNS.RecordType.aaaa), ("web", .mx), ("web", .txt), ("web", .srv), ("idle", .a), ("idle", .any),
    ])
    func `a known name without such a record has no data and is never forwarded`(
        name: String, type: DNS.RecordType
    ) throws {
        let reply = try #require(try ask(name, type))

        #expect(reply.responseCode == .noError)
        #expect(reply.answers.isEmpty)
    }

    @Test func `a known name of another class has no data`() throws {
        #expect(try ask("web", .a, DNS.RecordClass(rawValue: 3))?.answers.isEmpty == true)
    }

    @Test(arguments: ["example.org", "webb", "a.web", "arpa", "in-addr.arpa", "1.300.in-addr.arpa", "x.ip6.arpa"])
    func `a name that is nobody's is forwarded`(name: String) throws {
        #expect(try ask(name, .a) == nil)
    }

    @Test func `every order of several addresses comes up, and the generator alone decides it`() throws {
        let orders = try (0..<200).map { seed in
            try #require(try ask("tasks.web", .a, seed: UInt64(seed))).answers.map(\.content)
        }

        #expect(Set(orders).count == 6)
        #expect(try ask("tasks.web", .a, seed: 3) == ask("tasks.web", .a, seed: 3))
    }

    @Test func `an address of ours has its name`() throws {
        let reply = try #require(try ask("3.1.0.10.in-addr.arpa", .ptr))

        #expect(reply.answers.map(\.content) == [.ptr(DNS.Name("web.1.abc")!)])
        #expect(reply.answers.map(\.timeToLive) == [2])
        let zeros = Array(repeating: "0", count: 27).joined(separator: ".")
        let v6 = try #require(try ask("3.\(zeros).0.0.d.f.ip6.ARPA", .ptr))
        #expect(v6.answers.map(\.content) == [.ptr(DNS.Name("web.1.abc.front")!)])
        #expect(try ask("3.1.0.10.in-addr.arpa", .a)?.answers.isEmpty == true)
    }

    @Test func `an address of our subnets without a name does not exist, and no other is ours`() throws {
        #expect(try ask("99.1.0.10.in-addr.arpa", .ptr)?.responseCode == .nameError)
        #expect(try ask("1.0.10.in-addr.arpa", .soa)?.responseCode == .noError)
        #expect(try ask("99.2.0.10.in-addr.arpa", .ptr) == nil)
        #expect(try ask("0.10.in-addr.arpa", .soa) == nil)
    }

    @Test func `what is no query of one question is refused, each in its own way`() {
        var random = SeededGenerator(seed: 1)
        let question = DNS.Question(DNS.Name("web")!, .a)
        func code(_ query: DNS.Message) -> DNS.ResponseCode? {
            guard case .reply(let reply) = Resolver(Self.table).answer(query, using: &random) else { return nil }
            return reply.responseCode
        }

        #expect(code(DNS.Message(id: 1, opcode: DNS.Opcode(rawValue: 5), questions: [question])) == .notImplemented)
        #expect(code(DNS.Message(id: 1)) == .formatError)
        #expect(code(DNS.Message(id: 1, questions: [question, question])) == .formatError)
        #expect(
            code(DNS.Message(id: 1, questions: [question], extended: .init(payloadSize: 512, version: 1)))
                == .badVersion)
        #expect(code(DNS.Message(id: 1, isResponse: true, questions: [question])) == nil)
    }

    @Test func `a message with a readable header and a malformed rest is a format error`() throws {
        var random = SeededGenerator(seed: 1)
        let resolver = Resolver(Self.table)

        let broken = hex("abcd 0100 0001 0000 0000 0000 c00c")
        #expect(
            resolver.answer(bytes: broken, using: &random)?.outcome
                == .reply(
                    DNS.Message(
                        id: 0xabcd, isResponse: true, isRecursionAvailable: true, responseCode: .formatError)))
        #expect(resolver.answer(bytes: Array(broken.prefix(11)), using: &random) == nil)
        #expect(
            resolver.answer(bytes: hex("abcd 8100 0001 0000 0000 0000 c00c"), using: &random)?.outcome == .ignore)
    }
}

@Suite struct UpstreamsTests {
    @Test func `name servers are read in order, each once, loopback ones too`() {
        let text = """
            # made by hand
            search example.org
            nameserver 127.0.0.53
            ;nameserver 1.1.1.1
            nameserver\t192.0.2.1   # comment
            nameserver 192.0.2.1
            nameserver fe80::1%eth0
            nameserver nonsense
            nameserver
            nameserver 2001:db8::53
            nameserver 192.0.2.9
            options ndots:2
            """

        #expect(Upstreams.read(resolvConf: text).map(\.description) == ["127.0.0.53", "192.0.2.1", "2001:db8::53"])
        #expect(Upstreams.read(resolvConf: "").isEmpty)
    }
}
