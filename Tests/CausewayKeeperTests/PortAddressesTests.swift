import CausewayModel
import Testing

@testable import CausewayKeeper

@Suite struct PortAddressesTests {
    static func scope(_ addresses: [String] = [], links: [String] = [], from: [String] = []) -> PortScope {
        PortScope(
            addresses: addresses.map { IPAddress($0)! }, interfaces: links, sources: from.map { CIDR($0)! })
    }

    @Test(arguments: [
        (scope(), ["0.0.0.0", "::"], ["127.0.0.1", "::1"]),
        (scope(["192.0.2.1"]), ["192.0.2.1"], []),
        (scope(["127.0.0.1"]), [], ["127.0.0.1"]),
        (scope(["127.0.0.5", "2001:db8::1"]), ["2001:db8::1"], ["127.0.0.5"]),
        (scope(["0.0.0.0"]), ["0.0.0.0"], ["127.0.0.1"]),
        (scope(links: ["eth0"]), ["0.0.0.0%eth0", "::%eth0"], []),
        (scope(links: ["lo"]), [], ["127.0.0.1", "::1"]),
        (scope(from: ["203.0.113.0/24"]), ["0.0.0.0", "::"], []),
        (scope(from: ["127.0.0.0/8"]), ["0.0.0.0", "::"], ["127.0.0.1"]),
        (scope(from: ["0.0.0.0/0"]), ["0.0.0.0", "::"], ["127.0.0.1"]),
    ])
    func `a scope says what is held and what is relayed`(scope: PortScope, reserved: [String], relayed: [String]) {
        let addresses = PortAddresses(scope)

        #expect(addresses.reserved.map { "\($0.address)" + ($0.link.map { "%\($0)" } ?? "") } == reserved)
        #expect(addresses.relayed.map(\.description) == relayed)
    }
}
