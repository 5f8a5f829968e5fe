import CausewayDNS
import CausewayModel
import CausewaySockets
import Glibc
import Synchronization
import Testing

/// Real sockets on loopback.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ResolverSetTests {
    static let loopback = IPAddress("127.0.0.1")!

    static func address(_ text: String) -> IPAddress { IPAddress(text)! }

    static func table(_ upstreams: [String] = []) -> NameTable {
        NameTable(
            names: [
                "web": .init(addresses: [address("10.0.1.2")], timeToLive: 60),
                "many": .init(
                    addresses: (0..<64).map { .v4(IPv4Address(rawValue: 0x0a00_0100 + $0)) }, timeToLive: 2),
            ], upstreams: upstreams.map(address))
    }

    /// Serves one task while `body` asks it on the given port.
    private func serving(
        _ table: NameTable, upstreamPort: UInt16 = 1, limits: DNSLimits = Self.quick,
        _ body: (TestResolvers, UInt16) async throws -> Void
    ) async throws {
        let service = await TestResolvers(limits: limits, upstreamPort: upstreamPort)
        let (sockets, port) = try Self.open()
        await service.serve("task", udp: sockets.udp, tcp: sockets.tcp, table: table)
        do {
            try await body(service, port)
        } catch {
            await service.stopAll()
            throw error
        }
        await service.stopAll()
    }

    /// Silent servers cost this each time; a busy machine must still answer within it.
    private static let quick: DNSLimits = {
        var limits = DNSLimits()
        limits.upstreamPatience = .seconds(1)
        return limits
    }()

    /// Two sockets on one free port of 127.0.0.1.
    private static func open() throws -> (DNSSockets, UInt16) {
        while true {
            let port = UInt16.random(in: 20_000..<30_000)
            do {
                return (try DNSSockets.open(on: loopback, port: port), port)
            } catch {
                guard error.errno == EADDRINUSE else { throw error }
            }
        }
    }

    private static func answer(_ query: DNS.Message, _ address: String = "192.0.2.7") -> [UInt8] {
        query.response(
            .noError,
            answers: [
                DNS.ResourceRecord(query.questions[0].name, .a(IPv4Address(address)!), timeToLive: 5)
            ]
        ).encoded()
    }

    @Test func `a thousand queries over UDP and a thousand over one TCP connection are all answered`() async throws {
        try await serving(Self.table()) { service, port in
            for stream in [false, true] {
                let client = try Client(stream: stream, port: port)
                for id in UInt16(0)..<1000 {
                    let reply = try #require(try client.ask("web", .a, id: id))
                    #expect(reply.id == id && reply.answers.count == 1)
                }
            }
            #expect(await service.counters["task"]?.own == 2000)
        }
    }

    @Test func `queries that come in one piece on a TCP connection are all answered`() async throws {
        let upstream = try await FakeUpstream("127.0.0.2") { query, _ in Self.answer(query) }
        try await serving(Self.table(["127.0.0.2"]), upstreamPort: upstream.port) { _, port in
            let client = try Client(stream: true, port: port)
            let all = (0..<200).flatMap { id in
                let query = Client.query(id % 2 == 0 ? "web" : "example.org", .a, id: UInt16(id))
                return [UInt8(query.count >> 8), UInt8(query.count & 255)] + query
            }
            // Cut in the middle of a message, and the rest later.
            try client.sendRaw(Array(all.prefix(77)))
            try client.sendRaw(Array(all.dropFirst(77)))
            client.finish()

            var ids: Set<UInt16> = []
            while let bytes = try client.receive() {
                let reply = try DNS.Message(decoding: bytes)
                #expect(reply.answers.count == 1)
                ids.insert(reply.id)
            }
            #expect(ids == Set(0..<200))
        }
        try await upstream.stop()
    }

    @Test func `an answer that is too long for UDP says so, and comes whole over TCP or with EDNS0`() async throws {
        try await serving(Self.table()) { service, port in
            let udp = try Client(stream: false, port: port)
            let short = try #require(try udp.ask("many", .a))
            #expect(short.isTruncated && short.answers.count < 64)
            let large = try #require(try udp.ask("many", .a, payload: 4096))
            #expect(!large.isTruncated && large.answers.count == 64)
            let tcp = try Client(stream: true, port: port)
            let whole = try #require(try tcp.ask("many", .a))
            #expect(!whole.isTruncated && whole.answers.count == 64)
            #expect(await service.counters["task"]?.truncated == 1)
        }
    }

    @Test func `a new table answers at once`() async throws {
        try await serving(Self.table()) { service, port in
            let client = try Client(stream: false, port: port)
            var table = Self.table()
            table.names["web"]?.addresses = [Self.address("10.0.1.9")]

            #expect(await service.update("task", table))
            #expect(try client.ask("web", .a)?.answers.first?.content == .a(IPv4Address("10.0.1.9")!))
            #expect(await !service.update("nobody", table))
        }
    }

    @Test func `unknown names are asked upstream under fresh identifiers from fresh ports`() async throws {
        let upstream = try await FakeUpstream("127.0.0.2") { query, _ in Self.answer(query) }
        try await serving(Self.table(["127.0.0.2"]), upstreamPort: upstream.port) { service, port in
            let client = try Client(stream: false, port: port)
            for id in UInt16(1)...50 {
                let reply = try #require(try client.ask("Example.ORG", .a, id: id))
                #expect(reply.id == id && reply.answers.count == 1)
            }
            #expect(Set(upstream.seen.map { $0.1.id }).count > 45)
            #expect(Set(upstream.seen.map(\.port)).count > 40)
            #expect(upstream.seen.first?.1.questions.first?.name.description == "Example.ORG.")
            #expect(await service.counters["task"]?.forwarded == 50)
        }
        try await upstream.stop()
    }

    @Test func `a thousand forwarded queries at once are all answered`() async throws {
        let upstream = try await FakeUpstream("127.0.0.2") { query, _ in Self.answer(query) }
        var limits = DNSLimits()
        limits.pipelined = 100
        try await serving(Self.table(["127.0.0.2"]), upstreamPort: upstream.port, limits: limits) { _, port in
            let client = try Client(stream: true, port: port)
            for id in UInt16(0)..<1000 { try client.send(Client.query("example.org", .a, id: id)) }
            var ids: Set<UInt16> = []
            for _ in 0..<1000 {
                let reply = try DNS.Message(decoding: try #require(try client.receive()))
                #expect(reply.responseCode == .noError)
                ids.insert(reply.id)
            }
            #expect(ids.count == 1000)
        }
        try await upstream.stop()
    }

    @Test func `a server that fails, refuses, is silent or is not there is passed over`() async throws {
        let failing = try await FakeUpstream("127.0.0.2") { query, _ in query.response(.serverFailure).encoded() }
        let port = failing.port
        let refusing = try await FakeUpstream("127.0.0.3", port: port) { query, _ in
            DNS.Message(id: query.id, isResponse: true, responseCode: .refused).encoded()
        }
        let silent = try await FakeUpstream("127.0.0.4", port: port) { _, _ in nil }
        let good = try await FakeUpstream("127.0.0.5", port: port) { query, _ in Self.answer(query) }
        for bad in ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.99"] {
            try await serving(Self.table([bad, "127.0.0.5"]), upstreamPort: port) { _, port in
                let client = try Client(stream: false, port: port)
                #expect(try client.ask("example.org", .a)?.answers.count == 1, "\(bad)")
            }
        }
        // A silent server is asked once more before it is given up.
        #expect(silent.seen.count == 2)
        for upstream in [failing, refusing, silent, good] { try await upstream.stop() }
    }

    @Test func `a lost datagram is sent again`() async throws {
        let count = Mutex(0)
        let upstream = try await FakeUpstream("127.0.0.2") { query, _ in
            count.withLock { count in
                count += 1
                return count == 1
            } ? nil : Self.answer(query)
        }
        try await serving(Self.table(["127.0.0.2"]), upstreamPort: upstream.port) { _, port in
            let client = try Client(stream: false, port: port)
            #expect(try client.ask("example.org", .a)?.answers.count == 1)
        }
        try await upstream.stop()
    }

    @Test func `a name that an upstream says does not exist is final`() async throws {
        let first = try await FakeUpstream("127.0.0.2") { query, _ in query.response(.nameError).encoded() }
        let second = try await FakeUpstream("127.0.0.3", port: first.port) { query, _ in Self.answer(query) }
        try await serving(Self.table(["127.0.0.2", "127.0.0.3"]), upstreamPort: first.port) { _, port in
            let client = try Client(stream: false, port: port)
            #expect(try client.ask("nope.example.org", .a)?.responseCode == .nameError)
            #expect(second.seen.isEmpty)
        }
        for upstream in [first, second] { try await upstream.stop() }
    }

    @Test func `without an answer from any upstream there is SERVFAIL, never silence`() async throws {
        let silent = try await FakeUpstream("127.0.0.4") { _, _ in nil }
        for upstreams in [[], ["127.0.0.4"], ["127.0.0.99", "127.0.0.98"]] {
            try await serving(Self.table(upstreams), upstreamPort: silent.port) { service, port in
                let client = try Client(stream: false, port: port)
                #expect(try client.ask("example.org", .a)?.responseCode == .serverFailure, "\(upstreams)")
                #expect(await service.counters["task"]?.failed == 1)
            }
        }
        try await silent.stop()
    }

    @Test func `a reply under another identifier, to another question or no reply at all is not taken`() async throws {
        let upstream = try await FakeUpstream("127.0.0.2") { query, _ in
            var reply = query.response(.noError)
            switch query.questions[0].name.key {
            case "id": reply.id &+= 1
            case "question": reply.questions = [DNS.Question(DNS.Name("other")!, .a)]
            case "type": reply.questions[0].type = .aaaa
            case "query": reply.isResponse = false
            default: reply.questions = []
            }
            return reply.encoded()
        }
        try await serving(Self.table(["127.0.0.2"]), upstreamPort: upstream.port) { _, port in
            let client = try Client(stream: false, port: port)
            for name in ["id", "question", "type", "query", "none"] {
                #expect(try client.ask(name, .a)?.responseCode == .serverFailure, "\(name)")
            }
        }
        try await upstream.stop()
    }

    @Test func `a truncated reply is asked for again over TCP`() async throws {
        let upstream = try await FakeUpstream("127.0.0.2") { query, transport in
            var reply = query.response(.noError)
            if transport == .udp {
                reply.isTruncated = true
            } else {
                reply.answers = (0..<40).map {
                    DNS.ResourceRecord(query.questions[0].name, .a(IPv4Address(rawValue: $0)), timeToLive: 1)
                }
            }
            return reply.encoded()
        }
        try await serving(Self.table(["127.0.0.2"]), upstreamPort: upstream.port) { _, port in
            let udp = try Client(stream: false, port: port)
            let short = try #require(try udp.ask("example.org", .a, id: 7))
            #expect(short.isTruncated && short.id == 7 && short.questions.count == 1)
            #expect(try udp.ask("example.org", .a, payload: 4096)?.answers.count == 40)
            let tcp = try Client(stream: true, port: port)
            #expect(try tcp.ask("example.org", .a)?.answers.count == 40)
        }
        try await upstream.stop()
    }

    @Test func `more forwarded queries than allowed are SERVFAIL and counted`() async throws {
        let silent = try await FakeUpstream("127.0.0.4") { _, _ in nil }
        var limits = Self.quick
        limits.forwarded = 3
        try await serving(Self.table(["127.0.0.4"]), upstreamPort: silent.port, limits: limits) { service, port in
            let client = try Client(stream: false, port: port)
            for id in UInt16(0)..<5 { try client.send(Client.query("example.org", .a, id: id)) }
            var first: [UInt16] = []
            for _ in 0..<5 {
                let reply = try DNS.Message(decoding: try #require(try client.receive()))
                #expect(reply.responseCode == .serverFailure)
                first.append(reply.id)
            }
            // The two that were too many are answered at once.
            #expect(Set(first.prefix(2)) == [3, 4])
            #expect(await service.counters["task"]?.overloaded == 2)
            #expect(try client.ask("web", .a)?.answers.count == 1)
        }
        try await silent.stop()
    }

    @Test func `connections have a limit and an idle one is closed`() async throws {
        var limits = Self.quick
        limits.connections = 2
        limits.idlePatience = .milliseconds(200)
        try await serving(Self.table(), limits: limits) { service, port in
            let first = try Client(stream: true, port: port)
            let second = try Client(stream: true, port: port)
            #expect(try first.ask("web", .a) != nil)
            #expect(try second.ask("web", .a) != nil)
            let third = try Client(stream: true, port: port)
            #expect(try third.receive() == nil)
            #expect(await service.counters["task"]?.refusedConnections == 1)
            #expect(try first.receive() == nil)
            #expect(try second.receive() == nil)
            #expect(try Client(stream: true, port: port).ask("web", .a) != nil)
        }
    }

    @Test func `a malformed query is a format error over both transports`() async throws {
        try await serving(Self.table()) { service, port in
            for stream in [false, true] {
                let client = try Client(stream: stream, port: port)
                try client.send(hex("abcd 0100 0001 0000 0000 0000 c00c"))
                let reply = try DNS.Message(decoding: try #require(try client.receive()))
                #expect(reply.id == 0xabcd && reply.responseCode == .formatError)
            }
            #expect(await service.counters["task"]?.malformed == 2)
        }
    }

    @Test func `a stopped task is served no more, its port is free, and others go on`() async throws {
        try await serving(Self.table()) { service, port in
            let (sockets, other) = try Self.open()
            await service.serve("other", udp: sockets.udp, tcp: sockets.tcp, table: Self.table())
            let connection = try Client(stream: true, port: port)
            #expect(try connection.ask("web", .a) != nil)

            await service.stop("task")

            #expect(await service.tasks == ["other"])
            #expect(try connection.receive() == nil)
            let free = try DNSSockets.open(on: Self.loopback, port: port)
            free.close()
            #expect(try Client(stream: false, port: other).ask("web", .a)?.answers.count == 1)
        }
    }
}
