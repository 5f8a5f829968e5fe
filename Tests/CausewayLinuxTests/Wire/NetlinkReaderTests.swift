import CausewayKernel
import CausewayModel
import CausewayTestKit
import Testing

@testable import CausewayLinux

@Suite struct `Netlink reader` {
    @Test func `what the writer wrote is read back`() throws {
        var written = NetlinkWriter(type: 16)
        written.attribute(3, "eth0")
        written.nested(18) { $0.attribute(1, UInt32(77)) }
        written.attribute(5) { $0.putBig(UInt16(0x1234)) }

        let messages = try NetlinkMessage.split(written.finished(sequence: 9) + written.finished(sequence: 10))
        #expect(messages.map(\.sequence) == [9, 10])
        var reader = NetlinkReader(messages[1].payload)
        let attributes = try reader.attributes()

        #expect(attributes.string(3) == "eth0")
        #expect(try attributes.nested(18).integer(1, UInt32.self) == 77)
        #expect(try attributes.bigInteger(5, UInt16.self) == 0x1234)
        #expect(attributes.string(4) == nil)
    }

    @Test(arguments: [
        (bytes: [3, 0, 1, 0] as [UInt8], offset: 0, why: "length 3 is below the header's 4"),
        ([8, 0, 1, 0, 1, 2, 3], 0, "length 8 runs past the message by 1"),
        ([5, 0, 1, 0, 1, 0, 0, 0, 255, 255, 2, 0], 8, "length 65535 runs past the message by 65531"),
    ])
    func `a false length of an attribute is refused where it stands`(bytes: [UInt8], offset: Int, why: String) {
        var reader = NetlinkReader(bytes)

        #expect(throws: NetlinkReader.Malformed(offset: offset, why: why)) { try reader.attributes() }
    }

    @Test func `a message that is longer than what was received is refused`() {
        #expect(throws: NetlinkReader.Malformed(offset: 16, why: "1 bytes wanted, 0 are left")) {
            try NetlinkMessage.split([17, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        }
        #expect(throws: NetlinkReader.Malformed(offset: 0, why: "message length 4 is below the header's 16")) {
            try NetlinkMessage.split([4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        }
    }

    @Test func `an error comes with the kernel's words`() throws {
        var refused = NetlinkWriter(type: 2, flags: 0x300)
        refused.put(Int32(-17))
        refused.put([UInt8](repeating: 0, count: 16))
        refused.attribute(1, "File exists, and so on")

        let status = try #require(try NetlinkMessage.split(refused.finished(sequence: 1)).first).status()

        #expect(status.errno == 17)
        #expect(status.words == "File exists, and so on")
    }

    @Test func `a route over several links is one route for each`() throws {
        var message = NetlinkWriter(type: 24)
        message.put([2, 24, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0] as [UInt8])
        message.attribute(1) { $0.put([10, 9, 8, 0] as [UInt8]) }
        message.attribute(9) { hops in
            for (index, gateway) in [(UInt8(2), UInt8(1)), (3, 2)] {
                hops.put([16, 0, 0, 0, index, 0, 0, 0, 8, 0, 5, 0, 192, 0, 2, gateway] as [UInt8])
            }
        }
        let read = try #require(try NetlinkMessage.split(message.finished(sequence: 1)).first)

        let routes = try #require(try RouteMessage(read)).routes(names: [2: "a", 3: "b"])

        #expect(routes.map(\.link) == ["a", "b"])
        #expect(routes.map(\.gateway) == [IPAddress("192.0.2.1"), IPAddress("192.0.2.2")])
    }

    @Test func `no bytes at all bring a decoder down`() {
        for seed in UInt64(1)...400 {
            var chance = SeededGenerator(seed: seed)
            var bytes = (0..<Int.random(in: 0...200, using: &chance)).map { _ in
                UInt8.random(in: 0...255, using: &chance)
            }
            // Half of them with a true header, so that the decoders behind it are reached, and with short lengths.
            if seed % 2 == 0 {
                bytes = bytes.map { UInt8.random(in: 0...3, using: &chance) == 0 ? $0 : $0 % 12 }
                var message = NetlinkWriter(type: 16)
                message.put(bytes)
                bytes = message.finished(sequence: 1)
            }
            decodeAll(bytes)
        }
    }

    private func decodeAll(_ bytes: [UInt8]) {
        for message in (try? NetlinkMessage.split(bytes)) ?? [] {
            _ = try? message.status()
            _ = try? LinkMessage(message)
            _ = try? AddressMessage(message)
            _ = try? RouteMessage(message)?.routes(names: [:])
            _ = try? NeighborMessage(message)
            _ = try? RuleMessage.rule(message)
        }
    }

    @Test func `a message cut anywhere is refused or read, never worse`() throws {
        let link = Rtnl.Link(name: "cw-a", kind: .veth(peer: "eth0", namespace: "n"), mtu: 1500)
        let whole = try #require(NetlinkWriter.linkAdd(link, peerNamespace: 3)).finished(sequence: 1)

        #expect(try LinkMessage(try #require(try NetlinkMessage.split(whole).first)).name == "cw-a")
        for length in 0..<whole.count {
            #expect(throws: NetlinkReader.Malformed.self) {
                guard length > 0 else { throw NetlinkReader.Malformed(offset: 0, why: "empty") }
                _ = try NetlinkMessage.split(Array(whole[..<length]))
            }
        }
    }
}
