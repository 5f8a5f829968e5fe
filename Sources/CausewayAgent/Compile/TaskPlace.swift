import CausewayKernel
import CausewayModel

/// What has a network namespace of ours, a task or a container of a user, with what follows from it: its namespace,
/// its link, its addresses by network.
package struct TaskPlace: Hashable, Sendable, Identifiable {
    package struct Attachment: Hashable, Sendable {
        package var network: Swarm.Network
        package var addresses: [CIDR]

        var isClassic: Bool { network.spec.isClassic }
    }

    /// Of the task or of the attached container.
    package var id: Swarm.ID
    /// What the kernel's own lists call it: `task web.1.ID`, `container NAME`.
    package var title: String
    package var namespace: String
    /// The host's end of the veth.
    package var link: String
    /// The MAC address of `eth0`.
    package var macAddress: MACAddress
    /// Sorted by the network's name, ingress last.
    package var attachments: [Attachment]
    /// Name servers of its own; empty: those of the host.
    package var nameServers: [IPAddress]
    /// Its place on docker_gwbridge; absent where it is on no classic network.
    package var gatewayNumber: UInt32?
    /// Its published ports; empty where it is on no classic network.
    package var ports: [Swarm.PortConfig]

    init(task: Swarm.Task, assignment: NodeAssignment) {
        id = task.id
        title = "task \(task.name)"
        namespace = Self.namespaceName(of: task)
        link = Rtnl.linkPrefix + task.id.prefix(10)
        nameServers = (task.spec.containerSpec?.dnsConfig?.nameservers ?? []).compactMap { IPAddress($0) }
        attachments = Self.attachments(task.networks.map { ($0.networkID, $0.addresses) }, assignment)
        gatewayNumber = task.gatewayNumber
        ports = attachments.contains(where: \.isClassic) ? task.ports : []
        // As Docker derives it.
        let first = attachments.lazy.filter { !$0.isClassic }.flatMap(\.addresses).compactMap(\.address.v4).first
        macAddress = MACAddress(derivedFrom: first ?? IPv4Address(rawValue: 0))
    }

    init(container: AttachedContainer, assignment: NodeAssignment) {
        id = container.id
        title = "container \(container.name)"
        namespace = Self.namespaceName(of: container)
        link = Rtnl.linkPrefix + container.id.prefix(10)
        nameServers = container.nameServers
        var own = container.networks.map { ($0.networkID, $0.addresses) }
        if !container.ingress.isEmpty, let ingress = assignment.networks.first(where: \.spec.isIngress) {
            own.append((ingress.id, container.ingress))
        }
        attachments = Self.attachments(own, assignment)
        ports = []
        // Not from an address: these come and go while it runs.
        let number = UInt64(container.id.prefix(8), radix: 36) ?? 0
        macAddress = MACAddress(derivedFrom: IPv4Address(rawValue: UInt32(truncatingIfNeeded: number)))
    }

    private static func attachments(
        _ own: [(network: Swarm.ID, addresses: [CIDR])], _ assignment: NodeAssignment
    ) -> [Attachment] {
        let networks = Dictionary(assignment.networks.map { ($0.id, $0) }) { first, _ in first }
        return own.compactMap { own in networks[own.network].map { Attachment(network: $0, addresses: own.addresses) } }
            .sorted { a, b in
                (a.network.spec.isIngress ? 1 : 0, a.network.spec.name, a.network.id)
                    < (b.network.spec.isIngress ? 1 : 0, b.network.spec.name, b.network.id)
            }
    }

    /// `cw-web.1.0a1b2c3d`: what `ip netns` shows.
    package static func namespaceName(of task: Swarm.Task) -> String {
        let slot = task.slot > 0 ? "\(task.slot)" : "\(task.nodeID?.prefix(8) ?? "")"
        return "\(Rtnl.linkPrefix)\(task.serviceName).\(slot).\(task.id.prefix(8))"
    }

    /// `cw-NAME.0a1b2c3d`, with the container's first name: renaming it does not move it.
    package static func namespaceName(of container: AttachedContainer) -> String {
        let name = container.firstName.utf8.prefix(64)
            .map { Self.isPlain($0) ? Character(Unicode.Scalar($0)) : "_" }
        return "\(Rtnl.linkPrefix)\(String(name)).\(container.id.prefix(8))"
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || "_.-".utf8.contains(byte)
    }

    /// On networks of data path `direct`, sorted as all are.
    var direct: [Attachment] { attachments.filter { !$0.isClassic } }

    /// Every address of its own on those, alone (/32 or /128), in the order of its networks.
    var addresses: [IPAddress] { direct.flatMap { $0.addresses.map(\.address) } }

    /// The host's end has one MAC address for all tasks: nothing but the task ever sees it.
    static let gatewayMACAddress = MACAddress(derivedFrom: IPv4Address(rawValue: 0xa9fe_0101))

    /// Where a task sends everything: not on any link, known by a permanent neighbour.
    static let gateways: [IPFamily: IPAddress] = [
        .ip: .v4(IPv4Address(rawValue: 0xa9fe_0101)),
        .ip6: .v6(IPv6Address(high: 0xfe80 << 48, low: 1)),
    ]
}
