import CausewayModel
import CausewaySession
import Testing

struct BackoffTests {
    @Test func `waits double up to the limit, and half of each is left to chance`() {
        let backoff = Backoff(first: .seconds(1), longest: .seconds(10))

        #expect((0..<6).map { backoff.wait(attempt: $0, chance: 1).rawValue / 1_000_000_000 } == [1, 2, 4, 8, 10, 10])
        #expect(backoff.wait(attempt: 1, chance: 0) == .seconds(1))
        #expect(backoff.wait(attempt: 1_000, chance: 1) == .seconds(10))
    }
}

struct ManagerAddressTests {
    @Test(arguments: [
        ("192.0.2.1:2377", "192.0.2.1", 2377), ("192.0.2.1", "192.0.2.1", 2377),
        ("[2001:db8::1]:77", "2001:db8::1", 77),
        ("2001:db8::1", "2001:db8::1", 2377), ("[2001:db8::1]", "2001:db8::1", 2377), ("n1:2378", "n1", 2378),
        ("n1", "n1", 2377),
    ])
    func `an address is a host and a port`(text: String, host: String, port: Int) throws {
        let address = try #require(ManagerAddress(text))

        #expect(address.host == host)
        #expect(address.port == UInt16(port))
        #expect(ManagerAddress(address.description) == address)
    }

    @Test(arguments: ["", ":2377", "n1:", "n1:0", "n1:70000", "n1:x", "a/b:1", "a b"])
    func `what is no address is refused`(text: String) {
        #expect(ManagerAddress(text) == nil)
    }
}
