import CausewayModel
import Testing

@testable import CausewayManager

@Suite struct PublishLabelTests {
    static let ports = [
        Swarm.PortConfig(targetPort: 80, publishedPort: 8080),
        Swarm.PortConfig(protocol: .udp, targetPort: 53, publishedPort: 8080),
        Swarm.PortConfig(targetPort: 443, publishedPort: 8443),
    ]

    static let links: [String: [IPAddress]] = [
        "lo": [IPAddress("127.0.0.1")!, IPAddress("::1")!], "eth0": [IPAddress("192.0.2.10")!],
        "cw-web1abcdef": [], "wg0": [IPAddress("10.9.0.1")!, IPAddress("fd00:9::1")!],
    ]

    @Test func `a label without protocol is for every protocol published on its port`() {
        let scopes = PublishLabel.scopes(
            [
                "causeway.publish.8080.bind": "192.0.2.10, wg0",
                "causeway.publish.8080/udp.from": "10.0.0.0/8,2001:db8::1",
            ],
            of: Self.ports)

        let bind = PortScope(addresses: [IPAddress("192.0.2.10")!], interfaces: ["wg0"])
        var both = bind
        both.sources = [CIDR("10.0.0.0/8")!, CIDR("2001:db8::1/128")!]
        #expect(scopes == [TransportPort(.tcp, 8080): bind, TransportPort(.udp, 8080): both])
    }

    @Test func `other labels are nobody's business`() throws {
        try PublishLabel.check(["causeway.published": "x", "com.example": "y"], of: [])
        #expect(PublishLabel.scopes(["com.example": "y"], of: Self.ports).isEmpty)
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        var label: String
        var value: String
        var words: String
        var testDescription: String { "\(label)=\(value)" }
    }

    @Test(arguments: [
        Wrong(
            label: "8080.form", value: "10.0.0.0/8",
            words: "is not known: use causeway.publish.PORT.bind or causeway.publish.PORT.from"),
        Wrong(label: "bind", value: "eth0", words: "is not known: use causeway.publish.PORT.bind or"),
        Wrong(label: "0.bind", value: "eth0", words: "'0' is not a port: write it as in 8080 or 8080/udp"),
        Wrong(label: "08080.bind", value: "eth0", words: "'08080' is not a port"),
        Wrong(label: "65536.bind", value: "eth0", words: "'65536' is not a port"),
        Wrong(label: "8080/icmp.bind", value: "eth0", words: "'8080/icmp' is not a port"),
        Wrong(label: "8080/tcp/x.bind", value: "eth0", words: "'8080/tcp/x' is not a port"),
        Wrong(
            label: "9090.bind", value: "eth0",
            words: "the service does not publish port 9090: publish it, or name one of 8080/tcp, 8443/tcp, 8080/udp"),
        Wrong(label: "8443/udp.bind", value: "eth0", words: "the service does not publish port 8443/udp"),
        Wrong(label: "8080.bind", value: "", words: "'' has an empty item"),
        Wrong(label: "8080.bind", value: "eth0,,wg0", words: "'eth0,,wg0' has an empty item"),
        Wrong(label: "8080.bind", value: "192.0.2.300", words: "'192.0.2.300' is neither an address nor an interface"),
        Wrong(label: "8080.bind", value: "192.0.2.0/24", words: "is neither an address nor an interface"),
        Wrong(label: "8080.bind", value: "eth*", words: "'eth*' is neither an address nor an interface"),
        Wrong(label: "8080.from", value: "eth0", words: "'eth0' is neither an address nor a subnet"),
        Wrong(label: "8080.from", value: "10.0.0.0/33", words: "'10.0.0.0/33' is neither an address nor a subnet"),
    ])
    func `a label that is wrong is refused by its name, with what to do`(_ wrong: Wrong) {
        let label = "causeway.publish.\(wrong.label)"
        let error = #expect(throws: SwarmError.self) {
            try PublishLabel.check([label: wrong.value], of: Self.ports)
        }
        #expect(error?.reason == .invalid)
        #expect(error?.message.contains("label '\(label)'") == true)
        #expect(error?.message.contains(wrong.words) == true, "\(error?.message ?? "")")
    }

    @Test func `the same thing is not said twice of a port`() {
        #expect(throws: SwarmError.self) {
            try PublishLabel.check(
                ["causeway.publish.8080.bind": "eth0", "causeway.publish.8080/tcp.bind": "wg0"], of: Self.ports)
        }
    }

    @Test func `a port is bound only to what the host has`() throws {
        let fine = "192.0.2.10,wg0,127.0.0.1,127.0.0.5,0.0.0.0,::"
        try PublishLabel.check(["causeway.publish.8080.bind": fine], against: Self.links)

        let address = #expect(throws: SwarmError.self) {
            try PublishLabel.check(["causeway.publish.8080.bind": "192.0.2.11"], against: Self.links)
        }
        #expect(
            address?.message.contains(
                "this host does not have the address 192.0.2.11: use one of 10.9.0.1, 127.0.0.1, 192.0.2.10") == true)
        let link = #expect(throws: SwarmError.self) {
            try PublishLabel.check(["causeway.publish.8080.bind": "eth1"], against: Self.links)
        }
        #expect(link?.message.contains("this host has no interface 'eth1': use one of eth0, lo, wg0") == true)
    }
}
