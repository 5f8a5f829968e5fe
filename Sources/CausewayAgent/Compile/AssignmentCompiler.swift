import CausewayKernel
import CausewayModel

/// From an assignment to the desired state of the node: data path `direct`, nftables gear (docs/dataplane/direct.md).
///
/// A pure function. The same assignment and facts give the same state, whatever was before.
package struct AssignmentCompiler: Sendable {
    package init() {}

    package func compile(_ assignment: NodeAssignment, facts: NodeFacts) -> DesiredNode {
        let tasks = assignment.tasks
            .filter { Self.needsNamespace($0) }
            .map { TaskPlace(task: $0, assignment: assignment) }
            .sorted { $0.task.id < $1.task.id }
        let naming = NameCompiler(assignment: assignment, facts: facts)

        var desired = DesiredNode()
        desired.host = HostCompiler(assignment: assignment, tasks: tasks, facts: facts).state()
        for place in tasks {
            desired.namespaces[place.namespace] = TaskCompiler(place: place, facts: facts).state()
            desired.namespaceOfTask[place.task.id] = place.namespace
            desired.names[place.task.id] = naming.table(for: place)
        }
        desired.publishedPorts = Set(
            PublishedService.all(of: assignment).map {
                PublishedPort(protocol: $0.protocol, port: $0.port, service: $0.name)
            })
        return desired
    }

    /// A task has its namespace from the moment it is this node's until its container has ended.
    static func needsNamespace(_ task: Swarm.Task) -> Bool {
        (.assigned...(.running)).contains(task.status.state)
            && (task.desiredState <= .running || task.status.state > .assigned)
            && !task.networks.isEmpty
    }
}

/// A task, with what follows from it: its namespace, its link, its addresses by network.
package struct TaskPlace: Hashable, Sendable {
    package struct Attachment: Hashable, Sendable {
        package var network: Swarm.Network
        package var addresses: [CIDR]
    }

    package var task: Swarm.Task
    package var namespace: String
    /// The host's end of the task's veth.
    package var link: String
    /// Sorted by the network's name, ingress last.
    package var attachments: [Attachment]

    init(task: Swarm.Task, assignment: NodeAssignment) {
        self.task = task
        namespace = Self.namespaceName(of: task)
        link = Rtnl.linkPrefix + task.id.prefix(10)
        let networks = Dictionary(assignment.networks.map { ($0.id, $0) }) { first, _ in first }
        attachments =
            task.networks
            .compactMap { own in networks[own.networkID].map { Attachment(network: $0, addresses: own.addresses) } }
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

    /// Every address of the task, alone (/32 or /128), in the order of its networks.
    var addresses: [IPAddress] { attachments.flatMap { $0.addresses.map(\.address) } }

    /// The MAC address of `eth0`, derived as Docker derives it.
    var macAddress: MACAddress {
        let first = addresses.lazy.compactMap(\.v4).first ?? IPv4Address(rawValue: 0)
        return MACAddress(derivedFrom: first)
    }

    /// The host's end has one MAC address for all tasks: nothing but the task ever sees it.
    static let gatewayMACAddress = MACAddress(derivedFrom: IPv4Address(rawValue: 0xa9fe_0101))

    /// Where a task sends everything: not on any link, known by a permanent neighbour.
    static let gateways: [IPFamily: IPAddress] = [
        .ip: .v4(IPv4Address(rawValue: 0xa9fe_0101)),
        .ip6: .v6(IPv6Address(high: 0xfe80 << 48, low: 1)),
    ]
}
