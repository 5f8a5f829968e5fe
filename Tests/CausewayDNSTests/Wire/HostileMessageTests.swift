import CausewayDNS
import CausewayModel
import Testing

@Suite struct HostileMessageTests {
    static let header = "0001 0100 0001 0000 0000 0000"

    @Test(arguments: [
        ("a pointer to itself", "c00c 0001 0001"),
        ("two pointers to each other", "c00e c00c 0001 0001"),
        ("a pointer to its own label", "0161 c00c 0001 0001"),
        ("a pointer forwards", "c012 0001 0001 0161 00"),
        ("a pointer past the end", "ffff 0001 0001"),
        ("half a pointer", "c0"),
        ("a label of a type that nobody knows", "8161 00 0001 0001"),
        ("a label that runs past the end", "3f61"),
        ("a name without an end", "0161"),
        ("a question without a class", "0161 00 0001"),
        ("nothing where a question is promised", ""),
    ])
    func `a malformed question is refused`(what: String, question: String) {
        #expect(throws: DNS.Malformed.self, "\(what)") {
            try DNS.Message(decoding: hex(Self.header + question))
        }
    }

    @Test(arguments: [
        ("an A record of three bytes", "00 0001 0001 00000001 0003 0a0000"),
        ("an AAAA record of four bytes", "00 001c 0001 00000001 0004 0a000000"),
        ("a PTR record with something behind the name", "00 000c 0001 00000001 0004 0161 00 00"),
        ("data that run past the end", "00 0010 0001 00000001 ffff 00"),
        ("an OPT record with a name", "0161 00 0029 1000 00000000 0000"),
    ])
    func `a malformed record is refused`(what: String, record: String) {
        #expect(throws: DNS.Malformed.self, "\(what)") {
            try DNS.Message(decoding: hex("0001 0100 0000 0000 0000 0001" + record))
        }
    }

    @Test func `a second OPT record is refused`() {
        let option = "00 0029 1000 00000000 0000"

        #expect(throws: DNS.Malformed.self) {
            try DNS.Message(decoding: hex("0001 0100 0000 0000 0000 0002" + option + option))
        }
    }

    @Test func `a name of 256 bytes is refused however it is put together`() throws {
        let label = "3f" + String(repeating: "61", count: 63)
        let first = String(repeating: label, count: 3) + "3d" + String(repeating: "62", count: 61) + "00 0001 0001"

        _ = try DNS.Message(decoding: hex("0001 0100 0001 0000 0000 0000" + first))
        // One label more in front, by pointer.
        #expect(throws: DNS.Malformed.self) {
            try DNS.Message(decoding: hex("0001 0100 0002 0000 0000 0000" + first + "0161 c00c 0001 0001"))
        }
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func `random bytes are read or refused, and what was read is written the same way again`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var understood = 0
        for round in 0..<5000 {
            let bytes = round % 2 == 0 ? noise(&random) : damaged(&random)
            guard let message = try? DNS.Message(decoding: bytes) else { continue }
            understood += 1
            // Names inside opaque data cannot be written again, and a code above 15 needs an OPT record.
            let isOurs = [message.answers, message.authorities, message.additionals].joined().allSatisfy {
                if case .opaque = $0.content { false } else { true }
            }
            guard isOurs, message.extended != nil || message.responseCode.rawValue < 16 else { continue }
            var expected = message
            let written = message.encoded()
            let again = try DNS.Message(decoding: written)
            expected.isTruncated = again.isTruncated || message.isTruncated
            #expect(again == expected, "seed \(seed), round \(round): \(bytes)")
        }
        #expect(understood > 100, "seed \(seed)")
    }

    @Test(arguments: [UInt64(5), 6])
    func `random bytes are answered or ignored, with the identifier that they came with`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let entry = NameTable.Entry(addresses: [.v4(IPv4Address(rawValue: 1))], timeToLive: 1)
        let resolver = Resolver(NameTable(names: ["web": entry]))
        var refused = 0
        for round in 0..<5000 {
            let bytes = round % 2 == 0 ? noise(&random) : damaged(&random)
            guard let (_, outcome) = resolver.answer(bytes: bytes, using: &random) else {
                #expect(bytes.count < 12, "seed \(seed), round \(round): \(bytes)")
                continue
            }
            guard case .reply(let reply) = outcome else { continue }
            if reply.responseCode == .formatError { refused += 1 }
            #expect(reply.id == UInt16(bytes[0]) << 8 | UInt16(bytes[1]), "seed \(seed), round \(round)")
            #expect(reply.isResponse && reply.encoded(limit: 512).count <= 512, "seed \(seed), round \(round)")
        }
        #expect(refused > 100, "seed \(seed)")
    }

    private func noise(_ random: inout SeededGenerator) -> [UInt8] {
        (0..<Int.random(in: 0...80, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// A good message with up to three bytes changed, or cut off.
    private func damaged(_ random: inout SeededGenerator) -> [UInt8] {
        let name = DNS.Name("web.front")!
        var bytes = DNS.Message(
            id: UInt16.random(in: 0 ... .max, using: &random), isResponse: Bool.random(using: &random),
            questions: [DNS.Question(name, .a)],
            answers: [
                DNS.ResourceRecord(name, .a(IPv4Address(rawValue: 9)), timeToLive: 3),
                DNS.ResourceRecord(name, .ptr(DNS.Name("x.front")!), timeToLive: 3),
            ], extended: DNS.ExtendedDNS(payloadSize: 1232)
        ).encoded()
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        guard Bool.random(using: &random) else { return bytes }
        return Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
    }
}
