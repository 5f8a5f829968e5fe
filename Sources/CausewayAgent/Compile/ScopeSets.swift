import CausewayKernel
import CausewayModel

/// The sets that say where published ports are offered and to whom; only ports with a scope are in them.
struct ScopeSets {
    private let ports: [PublishedService]

    /// Ports without a scope are left out.
    init(_ published: [PublishedService]) { ports = published.filter { !$0.scope.isUnrestricted } }

    var sets: [Nft.Set] {
        [
            portSet(SetNames.scoped) { _ in true },
            portSet(SetNames.bound) { !$0.addresses.isEmpty || !$0.interfaces.isEmpty },
            portSet(SetNames.restricted) { !$0.sources.isEmpty },
            portSet(SetNames.fromHost) { $0.sources.contains(where: \.isLoopback) },
            Nft.Set(
                name: SetNames.bindLinks, key: [.inetProtocol, .inetService, .interfaceName],
                elements: elements { $0.interfaces.map { .name($0) } }),
        ]
            + IPFamily.allCases.flatMap { family in
                [
                    prefixSet(SetNames(family).binds, family) { $0.addresses.map(\.bound) },
                    prefixSet(SetNames(family).from, family) { $0.sources.map(\.network) },
                ]
            }
    }

    private func portSet(_ name: String, where isWanted: (PortScope) -> Bool) -> Nft.Set {
        Nft.Set(
            name: name, key: [.inetProtocol, .inetService],
            elements: ports.filter { isWanted($0.scope) }.map { port in
                Nft.Element(key: key(of: port), comment: "service \(port.name)")
            })
    }

    private func prefixSet(_ name: String, _ family: IPFamily, _ prefixes: (PortScope) -> [CIDR]) -> Nft.Set {
        let type: Nft.DataType = family == .ip ? .ipv4Address : .ipv6Address
        return Nft.Set(
            name: name, key: [.inetProtocol, .inetService, type], flags: ["interval"],
            elements: elements { scope in
                prefixes(scope).filter { $0.family == family }.disjoint.map { .prefix($0) }
            })
    }

    private func elements(_ values: (PortScope) -> [Nft.Value]) -> [Nft.Element] {
        ports.flatMap { port in values(port.scope).map { Nft.Element(key: key(of: port) + [$0]) } }
    }

    private func key(of port: PublishedService) -> [Nft.Value] {
        [.name(port.protocol.rawValue), .number(UInt64(port.port))]
    }
}

extension SetNames {
    /// Ports with a scope of any kind.
    static let scoped = "scoped"
    static let bound = "bound"
    static let bindLinks = "bind_links"
    static let restricted = "restricted"
    /// Ports that the host itself may connect to, by whatever address.
    static let fromHost = "from_host"

    var binds: String { "binds" + suffix }
    var from: String { "from" + suffix }
}

extension IPAddress {
    /// What a port bound to this address answers on: 0.0.0.0 and :: are every address of their family.
    fileprivate var bound: CIDR {
        isUnspecified ? CIDR(self, 0) ?? CIDR(host: self) : CIDR(host: self)
    }
}

extension [CIDR] {
    /// Without those that lie within another: the kernel refuses intervals that overlap.
    fileprivate var disjoint: [CIDR] {
        Set(self).filter { one in !contains { $0 != one && $0.contains(one) } }.sorted()
    }
}
