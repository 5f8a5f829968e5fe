import CausewayKernel
import CausewayModel

/// The table `inet causeway` of the host: static rules, and sets and maps that hold all that changes.
///
/// No chain belongs to a service: a packet meets the same few rules whether there are ten services or ten thousand.
/// The chains and why each stands where it does: docs/dataplane/direct.md.
struct HostTable {
    let assignment: NodeAssignment
    let tasks: [TaskPlace]

    func table() -> Nft.Table {
        let published = PublishedService.all(of: assignment)
        return Nft.Table(
            family: .inet, name: KernelState.tableName,
            sets: IPFamily.allCases.flatMap { sets($0, published) } + [ports(published)] + ScopeSets(published).sets,
            chains: HostRules(hairpinSource: hairpinSource).chains())
    }

    /// What a task that reaches itself sees as its client: nobody's address, so that the answer comes back to us.
    private var hairpinSource: [IPFamily: IPAddress] {
        [
            .ip: .v4(IPv4Address(rawValue: 0xa9fe_0101)),
            .ip6: assignment.uniqueLocalPrefix.network.address.advanced(by: 1)
                ?? assignment.uniqueLocalPrefix.address,
        ]
    }

    // MARK: sets

    private func sets(_ family: IPFamily, _ published: [PublishedService]) -> [Nft.Set] {
        let names = SetNames(family)
        let type: Nft.DataType = family == .ip ? .ipv4Address : .ipv6Address
        return publishedMaps(family, published) + virtualMaps(family) + [
            Nft.Set(name: names.virtual, key: [type], elements: virtualAddresses(family)),
            Nft.Set(name: names.sources, key: [.interfaceName, type], elements: sources(family)),
            Nft.Set(
                name: names.targets, key: [type, .inetProtocol, .inetService], elements: targets(family, published)),
            Nft.Set(name: names.networks, key: [type, type], flags: ["interval"], elements: pairs(family)),
            Nft.Set(
                name: names.internal, key: [type], flags: ["interval"], elements: subnets(family) { $0.isInternal }),
            Nft.Set(name: names.tasks, key: [type], flags: ["interval"], elements: subnets(family) { _ in true }),
        ]
    }

    /// Protocol, port and slot → address and port, for each size of service.
    private func publishedMaps(_ family: IPFamily, _ published: [PublishedService]) -> [Nft.Set] {
        let type: Nft.DataType = family == .ip ? .ipv4Address : .ipv6Address
        return SetNames.sizes.map { size in
            let elements = published.flatMap { port in
                let backends = port.backends[family] ?? []
                return Slots.count(backends: backends.count) != size
                    ? []
                    : Slots.deal(backends).map { slot, address in
                        Nft.Element(
                            key: [.name(port.protocol.rawValue), .number(UInt64(port.port)), .number(UInt64(slot))],
                            data: [.address(address), .number(UInt64(port.targetPort))])
                    }
            }
            return Nft.Set(
                name: SetNames(family).published(size), key: [.inetProtocol, .inetService, .integer],
                data: [type, .inetService], elements: elements)
        }
    }

    /// Virtual address and slot → address.
    ///
    /// The port stays: a virtual address answers on every port of the task.
    private func virtualMaps(_ family: IPFamily) -> [Nft.Set] {
        let type: Nft.DataType = family == .ip ? .ipv4Address : .ipv6Address
        return SetNames.sizes.map { size in
            let elements = virtualServices(family).flatMap { _, virtual, backends in
                Slots.count(backends: backends.count) != size
                    ? []
                    : Slots.deal(backends).map { slot, address in
                        Nft.Element(key: [.address(virtual), .number(UInt64(slot))], data: [.address(address)])
                    }
            }
            return Nft.Set(
                name: SetNames(family).virtualMap(size), key: [type, .integer], data: [type], elements: elements)
        }
    }

    private func virtualServices(_ family: IPFamily) -> [(name: String, virtual: IPAddress, backends: [IPAddress])] {
        let userNetworks = Set(assignment.networks.filter { !$0.spec.isIngress }.map(\.id))
        return assignment.services.flatMap { service in
            service.virtualIPs.filter { userNetworks.contains($0.networkID) }.flatMap { virtual in
                virtual.addresses.filter { $0.family == family }.map { address in
                    let backends = service.backends.filter(\.isActive).flatMap { backend in
                        backend.networks.filter { $0.networkID == virtual.networkID }
                            .flatMap { $0.addresses.map(\.address) }.filter { $0.family == family }
                    }
                    return (service.name, address.address, backends)
                }
            }
        }
    }

    private func virtualAddresses(_ family: IPFamily) -> [Nft.Element] {
        virtualServices(family).map { name, virtual, _ in
            Nft.Element(key: [.address(virtual)], comment: "service \(name)")
        }
    }

    private func sources(_ family: IPFamily) -> [Nft.Element] {
        tasks.flatMap { place in
            place.addresses.filter { $0.family == family }.map { address in
                Nft.Element(
                    key: [.name(place.link), .address(address)], comment: place.title)
            }
        }
    }

    private func targets(_ family: IPFamily, _ published: [PublishedService]) -> [Nft.Element] {
        let all = published.flatMap { port in
            (port.targets[family] ?? []).map { address in
                Nft.Element(key: [
                    .address(address), .name(port.protocol.rawValue), .number(UInt64(port.targetPort)),
                ])
            }
        }
        // Two published ports may lead to one port of a task.
        return all.reduce(into: []) { unique, element in
            if !unique.contains(element) { unique.append(element) }
        }
    }

    /// A network with itself: who may speak to whom.
    private func pairs(_ family: IPFamily) -> [Nft.Element] {
        assignment.networks.filter { !$0.spec.isIngress }.compactMap { network in
            network.subnet(family).map { subnet in
                Nft.Element(
                    key: [.prefix(subnet.subnet.network), .prefix(subnet.subnet.network)],
                    comment: "network \(network.spec.name)")
            }
        }
    }

    private func subnets(
        _ family: IPFamily, where isWanted: (Swarm.NetworkSpec) -> Bool
    ) -> [Nft.Element] {
        assignment.networks.filter { isWanted($0.spec) }.compactMap { network in
            network.subnet(family).map { subnet in
                Nft.Element(key: [.prefix(subnet.subnet.network)], comment: "network \(network.spec.name)")
            }
        }
    }

    /// Every port that leads to a service, whether it has a task now or not.
    private func ports(_ published: [PublishedService]) -> Nft.Set {
        Nft.Set(
            name: SetNames.ports, key: [.inetProtocol, .inetService],
            elements: published.map { port in
                Nft.Element(
                    key: [.name(port.protocol.rawValue), .number(UInt64(port.port))],
                    comment: "service \(port.name)")
            })
    }
}

/// The names of the table's sets, for one family.
struct SetNames {
    static let sizes = [Slots.small, Slots.large]
    static let ports = "ports"

    let suffix: String

    init(_ family: IPFamily) { suffix = family == .ip ? "4" : "6" }

    func published(_ size: UInt32) -> String { "published\(suffix)_\(size)" }
    func virtualMap(_ size: UInt32) -> String { "backends\(suffix)_\(size)" }
    var virtual: String { "vips\(suffix)" }
    var sources: String { "sources\(suffix)" }
    var targets: String { "targets\(suffix)" }
    var networks: String { "networks\(suffix)" }
    var `internal`: String { "internal\(suffix)" }
    var tasks: String { "subnets\(suffix)" }
}
