import CausewayModel

/// The virtual hosts of a lab, and the underlay between them.
///
/// Every link has both ends in namespaces of the lab, so that the machine's own network does not change:
///
///     cwlab-n1  eth0 ── n1 ┐
///     cwlab-n2  eth0 ── n2 ┼ br0  cwlab-net  client ── eth0  cwlab-client
///     cwlab-n3  eth0 ── n3 ┘
struct LabTopology: Codable, Hashable {
    /// A namespace with one link, as others see it.
    struct Host: Codable, Hashable {
        var name: String
        var v4: IPAddress
        var v6: IPAddress

        var namespace: String { "\(LabTopology.prefix)\(name)" }
    }

    /// What the names of the lab's namespaces begin with.
    static let prefix = "cwlab-"
    static let sizes = 1...200
    /// Ethernet's 1500 is the default; below, IPv6 has no place.
    static let mtus: ClosedRange<UInt32> = 1280...9000
    static let underlay = "\(prefix)net"

    var nodes: [Host]
    var client: Host
    var mtu: UInt32

    init(nodes count: Int, mtu: UInt32) {
        nodes = (1...count).map { number in
            let low = UInt64(number)
            return Host(
                name: "n\(number)", v4: Self.v4(0xc000_0200 + UInt32(number)),
                v6: .v6(IPv6Address(high: Self.underlay6, low: low)))
        }
        client = Host(name: "client", v4: Self.v4(0xcb00_7109), v6: .v6(IPv6Address(high: Self.outside6, low: 9)))
        self.mtu = mtu
    }

    var hosts: [Host] { nodes + [client] }

    func host(_ name: String) -> Host? { hosts.first { $0.name == name } }

    /// 2001:db8:2::/64 and 2001:db8:203::/64 (RFC 3849); the underlay's IPv4 is 192.0.2.0/24, the outside's is
    /// 203.0.113.0/24 (RFC 5737).
    private static let underlay6: UInt64 = 0x2001_0db8_0002_0000
    private static let outside6: UInt64 = 0x2001_0db8_0203_0000

    private static func v4(_ value: UInt32) -> IPAddress { .v4(IPv4Address(rawValue: value)) }

    /// The addresses of the gateway: towards the nodes, and towards the client.
    static let gateway = (v4: v4(0xc000_02fe), v6: IPAddress.v6(IPv6Address(high: underlay6, low: 0xfe)))
    static let outsideGateway = (v4: v4(0xcb00_71fe), v6: IPAddress.v6(IPv6Address(high: outside6, low: 0xfe)))

    /// What a file /etc/hosts says of them.
    var hostsFile: String {
        let own = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
        return (own + hosts.flatMap { ["\($0.v4) \($0.name)", "\($0.v6) \($0.name)"] }).map { "\($0)\n" }.joined()
    }
}

/// One thing to be done for a lab's network, in the operator's words.
enum LabStep: Hashable, CustomStringConvertible {
    case namespace(String)
    /// Words of ip(8), in a namespace.
    case ip(String, [String])
    case sysctl(String, String, String)

    var description: String {
        switch self {
        case .namespace(let name): "ip netns add \(name)"
        case .ip(let namespace, let words): "ip -n \(namespace) \(words.joined(separator: " "))"
        case .sysctl(let namespace, let name, let value): "ip netns exec \(namespace) sysctl \(name)=\(value)"
        }
    }

    fileprivate static func ip(_ namespace: String, _ text: String) -> LabStep {
        .ip(namespace, text.split(separator: " ").map(String.init))
    }
}

extension LabTopology {
    /// The underlay and its gateway, then each host.
    var steps: [LabStep] { underlaySteps + hosts.flatMap(steps) }

    private var underlaySteps: [LabStep] {
        let place = Self.underlay
        let gateway = Self.gateway
        return [
            .namespace(place), .ip(place, "link set lo up"), .ip(place, "link add br0 mtu \(mtu) type bridge"),
            .ip(place, "address add \(gateway.v4)/24 dev br0"),
            .ip(place, "address add \(gateway.v6)/64 dev br0 nodad"), .ip(place, "link set br0 up"),
            .sysctl(place, "net.ipv4.ip_forward", "1"), .sysctl(place, "net.ipv6.conf.all.forwarding", "1"),
        ]
    }

    private func steps(for host: Host) -> [LabStep] {
        let (place, middle) = (host.namespace, Self.underlay)
        let isOutside = host == client
        let gateway = isOutside ? Self.outsideGateway : Self.gateway
        let far: [LabStep] =
            isOutside
            ? [
                .ip(middle, "address add \(gateway.v4)/24 dev \(host.name)"),
                .ip(middle, "address add \(gateway.v6)/64 dev \(host.name) nodad"),
            ] : [.ip(middle, "link set \(host.name) master br0")]
        return [
            .namespace(place), .sysctl(place, "net.ipv4.ip_forward", "0"), .ip(place, "link set lo up"),
            .ip(middle, "link add \(host.name) mtu \(mtu) type veth peer name eth0 mtu \(mtu) netns \(place)"),
        ] + far + [
            .ip(middle, "link set \(host.name) up"),
            .ip(place, "address add \(host.v4)/24 dev eth0"), .ip(place, "address add \(host.v6)/64 dev eth0 nodad"),
            .ip(place, "link set eth0 up"), .ip(place, "route add default via \(gateway.v4)"),
            .ip(place, "-6 route add default via \(gateway.v6)"),
        ]
    }
}
