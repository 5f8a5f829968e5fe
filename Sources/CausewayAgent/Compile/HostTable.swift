import CausewayKernel
import CausewayModel

/// The table `inet causeway` of the host: static rules, and sets and maps that hold all that changes.
///
/// No chain belongs to a service: a packet meets the same few rules whether there are ten services or ten thousand.
/// The chains and why each stands where it does: docs/dataplane/direct.md.
struct HostTable {
    /// Those of data path `direct`.
    let networks: [Swarm.Network]
    let uniqueLocalPrefix: CIDR
    let nodeID: Swarm.ID
    /// The port of the tunnel; absent for a node that is alone.
    let tunnelPort: UInt16?

    init(_ assignment: NodeAssignment, tunnelPort: UInt16? = nil) {
        self.tunnelPort = tunnelPort
        networks = assignment.networks.filter { !$0.spec.isClassic }
        uniqueLocalPrefix = assignment.uniqueLocalPrefix
        nodeID = assignment.nodeID
    }

    /// The table with nothing in its sets.
    func empty() -> Nft.Table {
        Nft.Table(
            family: .inet, name: KernelState.tableName,
            sets: IPFamily.allCases.flatMap { sets($0) }
                + [Nft.Set(name: SetNames.ports, key: [.inetProtocol, .inetService])] + ScopeSets([]).sets
                + (tunnelPort == nil ? [] : TunnelSets.sets),
            chains: HostRules(hairpinSource: hairpinSource, tunnelPort: tunnelPort).chains())
    }

    /// What a task that reaches itself sees as its client: nobody's address, so that the answer comes back to us.
    private var hairpinSource: [IPFamily: IPAddress] {
        [
            .ip: .v4(IPv4Address(rawValue: 0xa9fe_0101)),
            .ip6: uniqueLocalPrefix.network.address.advanced(by: 1) ?? uniqueLocalPrefix.address,
        ]
    }

    private func sets(_ family: IPFamily) -> [Nft.Set] {
        let names = SetNames(family)
        let type: Nft.DataType = family == .ip ? .ipv4Address : .ipv6Address
        let published = SetNames.sizes.map { size in
            Nft.Set(
                name: names.published(size), key: [.inetProtocol, .inetService, .integer], data: [type, .inetService])
        }
        let virtual = SetNames.sizes.map { size in
            Nft.Set(name: names.virtualMap(size), key: [type, .integer], data: [type])
        }
        return published + virtual + [
            Nft.Set(name: names.virtual, key: [type]),
            Nft.Set(name: names.sources, key: [.interfaceName, type]),
            Nft.Set(name: names.targets, key: [type, .inetProtocol, .inetService]),
            Nft.Set(name: names.networks, key: [type, type], flags: ["interval"]),
            Nft.Set(name: names.internal, key: [type], flags: ["interval"]),
            Nft.Set(name: names.tasks, key: [type], flags: ["interval"]),
        ]
    }

    // MARK: networks and tasks

    /// What the networks put into the sets: who may speak to whom, and what is ours.
    func partOfNetworks() -> TablePart {
        var part = TablePart()
        for family in IPFamily.allCases {
            let names = SetNames(family)
            for network in networks {
                guard let subnet = network.subnet(family).map({ Nft.Value.prefix($0.subnet.network) }) else { continue }
                let comment = "network \(network.spec.name)"
                // A network with itself.
                if !network.spec.isIngress { part.add(names.networks, [subnet, subnet], comment: comment) }
                if network.spec.isInternal { part.add(names.internal, [subnet], comment: comment) }
                part.add(names.tasks, [subnet], comment: comment)
            }
        }
        return part
    }

    /// What a task puts into the sets: its addresses, and the link that they may come from.
    func part(of place: TaskPlace) -> TablePart {
        var part = TablePart()
        for address in place.addresses {
            part.add(
                SetNames(address.family).sources, [.name(place.link), .address(address)], comment: place.title)
        }
        return part
    }

    // MARK: services

    /// What a service puts into the sets.
    func part(of service: ServiceEndpoint, published: [PublishedService]) -> TablePart {
        var part = TablePart()
        for port in published { add(port, to: &part) }
        for set in ScopeSets(published).sets { part.add(set) }
        for virtual in virtualAddresses(of: service) {
            let names = SetNames(virtual.address.family)
            part.add(names.virtual, [.address(virtual.address)], comment: "service \(service.name)")
            part.addSlots([.address(virtual.address)], virtual.backends.map { [.address($0)] }, in: names.virtualMap)
        }
        return part
    }

    /// Protocol, port and slot → address and port; the targets; and the port, whether it has a task now or not.
    private func add(_ port: PublishedService, to part: inout TablePart) {
        let key: [Nft.Value] = [.name(port.protocol.rawValue), .number(UInt64(port.port))]
        let target = Nft.Value.number(UInt64(port.targetPort))
        part.add(SetNames.ports, key, comment: "service \(port.name)")
        for family in IPFamily.allCases {
            let names = SetNames(family)
            let backends = port.backends[family] ?? []
            part.addSlots(key, backends.map { [.address($0), target] }, in: names.published)
            for address in port.targets[family] ?? [] {
                part.add(names.targets, [.address(address), key[0], target])
            }
        }
    }

    /// Virtual address → addresses.
    ///
    /// The port stays: a virtual address answers on every port of the task.
    private func virtualAddresses(
        of service: ServiceEndpoint
    ) -> [(address: IPAddress, backends: [IPAddress])] {
        service.virtualIPs.flatMap { virtual -> [(address: IPAddress, backends: [IPAddress])] in
            let isOfUsers = networks.contains { $0.id == virtual.networkID && !$0.spec.isIngress }
            guard isOfUsers else { return [] }
            let backends = service.backends.filter(\.isActive).flatMap { backend in
                backend.networks.filter { $0.networkID == virtual.networkID }
                    .flatMap { $0.addresses.map(\.address) }
            }
            return virtual.addresses.map { address in
                (address.address, backends.filter { $0.family == address.address.family })
            }
        }
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
