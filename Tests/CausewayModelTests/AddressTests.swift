import Testing

@testable import CausewayModel

@Suite struct AddressTests {
    @Test(arguments: ["0.0.0.0", "255.255.255.255", "10.0.1.5"])
    func `an IPv4 address reads and prints the same`(text: String) {
        #expect(IPv4Address(text)?.description == text)
    }

    @Test(arguments: ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.0.0.1", "1.2.3.-4", "1..2.3", "a.b.c.d"])
    func `what is not an IPv4 address is refused`(text: String) {
        #expect(IPv4Address(text) == nil)
    }

    @Test(arguments: [
        ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"), ("fe80::1", "fe80::1"),
    ])
    func `an IPv6 address prints as RFC 5952 has it`(text: String, canonical: String) {
        #expect(IPv6Address(text)?.description == canonical)
    }

    @Test(arguments: [
        "", ":", ":::", "1:2", "1::2::3", "12345::", "g::", "1:2:3:4:5:6:7:8:9", "::1%eth0", "1:2:3:4:5:6:7:8::",
    ])
    func `what is not an IPv6 address is refused`(text: String) {
        #expect(IPv6Address(text) == nil)
    }

    @Test func `a subnet knows its ends and what is inside`() throws {
        let subnet = try #require(CIDR("10.0.1.77/24"))

        #expect(subnet.network.description == "10.0.1.0/24")
        #expect(subnet.last.description == "10.0.1.255")
        #expect(subnet.contains(.v4(IPv4Address("10.0.1.9")!)))
        #expect(!subnet.contains(.v4(IPv4Address("10.0.2.9")!)))
        #expect(subnet.overlaps(CIDR("10.0.0.0/16")!))
        #expect(!subnet.overlaps(CIDR("10.0.2.0/24")!))
        #expect(CIDR("fd00:1::/64")!.contains(IPAddress("fd00:1::5")!))
        #expect(CIDR("0.0.0.0/0")!.contains(IPAddress("9.9.9.9")!))
    }

    @Test(arguments: [
        "2026-11-23T04:10:12Z", "2026-11-23T04:10:12.000000001Z", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
        "2024-02-29T23:59:59.5Z",
    ])
    func `a timestamp survives its text`(text: String) throws {
        let moment = try #require(Timestamp(text))

        #expect(Timestamp(moment.description) == moment)
    }

    @Test func `a timestamp with an offset is brought to UTC`() {
        #expect(Timestamp("2026-11-23T05:10:12+01:00") == Timestamp("2026-11-23T04:10:12Z"))
        #expect(Timestamp("0001-01-01T00:00:00Z") == .zero)
    }

    @Test func `a task state prints Docker's word`() {
        #expect(Swarm.Task.State.running.description == "running")
        #expect(Swarm.Task.State("orphaned") == .orphaned)
    }
}
