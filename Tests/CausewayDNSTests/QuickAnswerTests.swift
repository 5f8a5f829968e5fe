import CausewayModel
import Foundation
import Testing

@testable import CausewayDNS

/// The quick way has to say what the thorough one says, or nothing.
@Suite struct QuickAnswerTests {
    static let table: NameTable = {
        var names: [String: NameTable.Entry] = [
            "web": .init(addresses: [IPAddress("10.0.1.2")!], timeToLive: 60),
            "both": .init(addresses: [IPAddress("10.0.1.3")!, IPAddress("fd00::3")!], timeToLive: 2),
            "six": .init(addresses: [IPAddress("fd00::6")!], timeToLive: 100_000),
            "idle": .init(addresses: [], timeToLive: 2),
            "tasks.web.front": .init(
                addresses: (1...9).map { IPAddress("10.0.2.\($0)")! }, timeToLive: 2),
            "huge": .init(addresses: (0..<200).map { .v4(IPv4Address(rawValue: 0x0a01_0000 + $0)) }, timeToLive: 2),
        ]
        for number in 0..<500 {
            names["web.\(number).x\(number * 7919)"] = .init(
                addresses: [.v4(IPv4Address(rawValue: UInt32(number)))], timeToLive: 2)
        }
        return NameTable(names: names)
    }()

    private let names = PreparedNames(QuickAnswerTests.table)

    private func quick(_ query: [UInt8]) -> [UInt8]? {
        var order = OrderGenerator(seed: 1)
        var room = [UInt8](repeating: 0xee, count: 4096)
        let length = query.withUnsafeBytes { query in
            room.withUnsafeMutableBytes { QuickAnswer.write(query, names, into: $0, using: &order) }
        }
        return length.map { Array(room.prefix($0)) }
    }

    /// What the resolver says, in an order that does not depend on chance.
    private func thorough(_ query: [UInt8]) throws -> DNS.Message? {
        var random = SeededGenerator(seed: 1)
        guard case .reply(let reply)? = Resolver(Self.table).answer(bytes: query, using: &random)?.outcome else {
            return nil
        }
        return Self.sorted(try DNS.Message(decoding: reply.encoded(limit: 4096)))
    }

    private static func sorted(_ message: DNS.Message) -> DNS.Message {
        var message = message
        message.answers.sort { "\($0.content)" < "\($1.content)" }
        return message
    }

    @Test(arguments: ["web", "WEB", "both", "six", "idle", "tasks.web.front", "Tasks.Web.FRONT", "web.499.x3951581"])
    func `a known name's addresses are those of the thorough way, to the byte`(name: String) throws {
        for type in [DNS.RecordType.a, .aaaa] {
            for payload in [nil, 512, 1232, 4096] as [UInt16?] {
                let query = Client.query(name, type, id: 0xbeef, payload: payload)
                let answer = try #require(quick(query), "\(name) \(type)")
                let expected = try #require(try thorough(query))
                #expect(Self.sorted(try DNS.Message(decoding: answer)) == expected)
                if expected.answers.count < 2 { #expect(answer == expected.encoded()) }
            }
        }
    }

    @Test func `what it does not understand whole it leaves to the thorough way`() throws {
        #expect(quick(Client.query("unknown", .a)) == nil)
        #expect(quick(Client.query("web", .any)) == nil)
        #expect(quick(Client.query("web", .mx)) == nil)
        // Too many for 512 bytes; with EDNS0 there is room.
        #expect(quick(Client.query("huge", .a)) == nil)
        #expect(quick(Client.query("huge", .a, payload: 4096)) != nil)
        var query = Client.query("web", .a, payload: 4096)
        query[query.count - 5] = 1
        #expect(quick(query) == nil, "EDNS version 1")
        query = Client.query("web", .a)
        query[2] |= 0x80
        #expect(quick(query) == nil, "a response")
        query = Client.query("web", .a)
        query[2] |= 0x28
        #expect(quick(query) == nil, "another opcode")
        #expect(quick(hex("abcd 0100 0001 0000 0000 0000 c00c 0001 0001")) == nil, "a compressed name")
    }

    @Test func `whatever comes, it says what the thorough way says or nothing`() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        let good = [
            Client.query("web", .a), Client.query("both", .aaaa, payload: 1232), Client.query("tasks.web.front", .a),
        ]
        var answered = 0
        for _ in 0..<20_000 {
            var query = good.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                switch Int.random(in: 0..<3, using: &random) {
                case 0:
                    query[Int.random(in: 0..<query.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                case 1: if query.count > 1 { query.removeLast(Int.random(in: 1..<query.count, using: &random)) }
                default: query.append(UInt8.random(in: 0...255, using: &random))
                }
            }
            guard let answer = quick(query) else { continue }
            answered += 1
            let expected = try #require(try thorough(query), "seed \(seed): \(query)")
            #expect(Self.sorted(try DNS.Message(decoding: answer)) == expected, "seed \(seed): \(query)")
        }
        #expect(answered > 1000)
    }

    @Test func `the first of several addresses changes`() throws {
        var order = OrderGenerator(seed: 7)
        var firsts: Set<IPv4Address> = []
        var room = [UInt8](repeating: 0, count: 512)
        let query = Client.query("tasks.web.front", .a)
        for _ in 0..<200 {
            let length = query.withUnsafeBytes { query in
                room.withUnsafeMutableBytes { QuickAnswer.write(query, names, into: $0, using: &order) }
            }
            let answer = try DNS.Message(decoding: Array(room.prefix(try #require(length))))
            if case .a(let address)? = answer.answers.first?.content { firsts.insert(address) }
        }
        #expect(firsts.count == 9)
    }
}
