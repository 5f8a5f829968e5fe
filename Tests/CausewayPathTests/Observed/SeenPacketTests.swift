import CausewayModel
import Testing

@testable import CausewayPath

struct SeenPacketTests {
    /// 10.1.1.2:40000 > 10.2.1.2:80, SYN, sequence 0x01020304.
    static let syn: [UInt8] =
        [0x45, 0, 0, 60, 0, 0, 0x40, 0, 63, 6, 0, 0, 10, 1, 1, 2, 10, 2, 1, 2]
        + [0x9c, 0x40, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, 0xa0, 0x02, 0xff, 0xff]

    @Test func `an IPv4 segment is read with what no NAT changes`() throws {
        let seen = try #require(SeenPacket(network: Self.syn))
        #expect(seen.packet.header == "10.1.1.2:40000 > 10.2.1.2:80 tcp")
        #expect(seen.packet.timeToLive == 63 && seen.packet.flags == .syn)
        #expect(seen.identity == .tcp(sequence: 0x0102_0304, acknowledged: 0, flags: 2))
    }

    @Test func `an IPv6 packet inside VXLAN inside IPv4 is read`() throws {
        let inner =
            [0x60, 0, 0, 0, 0, 20, 17, 64] + [0xfd] + Array(repeating: 0, count: 14) + [1] + [0xfd]
            + Array(repeating: 0, count: 14) + [2] + [0, 53, 0x9c, 0x41, 0, 20, 0, 0] + Array("causeway1234".utf8)
        let outer =
            [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]
            + [0xd9, 0x03, 0x12, 0xb5, 0, 0, 0, 0] + [8, 0, 0, 0, 0, 0x10, 0, 0] + Array(repeating: 2, count: 12)
            + [0x86, 0xdd] + inner
        let seen = try #require(SeenPacket(network: outer, tunnelPorts: [4789]))
        #expect(seen.packet.header == "192.0.2.1:55555 > 192.0.2.2:4789 udp")
        #expect(seen.inner?.packet.header == "[fd00::1]:53 > [fd00::2]:40001 udp")
        #expect(seen.inner?.identity == .udp(length: 20, beginning: Array("causeway1234".utf8)))
        #expect(SeenPacket(network: outer)?.inner == nil)
    }

    @Test func `what is cut short, or no packet, is none`() {
        for length in 0..<34 { #expect(SeenPacket(network: Self.syn.prefix(length)) == nil, "\(length)") }
        var fragment = Self.syn
        fragment[7] = 1
        #expect(SeenPacket(network: fragment) == nil)
        #expect(SeenPacket(network: [0x50] + Self.syn.dropFirst()) == nil)
        // A header that claims to be longer than the packet.
        #expect(SeenPacket(network: [0x4f] + Self.syn.dropFirst()) == nil)
    }

    @Test func `a reset and the second segment answer the first, others do not`() throws {
        let asked = try #require(SeenPacket(network: Self.syn))
        var answer = asked
        answer.identity = .tcp(sequence: 9, acknowledged: 0x0102_0305, flags: 0x12)
        #expect(answer.answers(asked) && !asked.answers(answer))
        answer.identity = .tcp(sequence: 0, acknowledged: 0x0102_0305, flags: 0x14)
        #expect(answer.answers(asked))
        answer.identity = .tcp(sequence: 9, acknowledged: 0x0102_0306, flags: 0x12)
        #expect(!answer.answers(asked))
        answer.identity = .tcp(sequence: 0x0102_0305, acknowledged: 0x0102_0305, flags: 0x10)
        #expect(answer.answers(asked))
    }
}
