import CausewayKernel
import CausewayModel

/// What classic networks ask of a node, object for object as Docker Swarm 20.10 builds it (docs/dataplane/classic.md).
///
/// For each network that has a task here, and for a classic ingress network always: a namespace with its bridge and its
/// tunnel, and a namespace with its balancer. The tasks and the host get the ends that lead there.
struct ClassicCompiler {
    private let networks: [ClassicNetwork]
    private let tasks: [ClassicTask]
    private let bridge: GatewayNetwork?
    private let facts: NodeFacts
    private let services: [ServiceEndpoint]

    /// `nil` for a node that has nothing to do with any classic network.
    init?(_ assignment: NodeAssignment, facts: NodeFacts, places: [TaskPlace]) {
        let classic = assignment.networks.filter(\.spec.isClassic)
        guard !classic.isEmpty, let dataAddress = assignment.dataAddress else { return nil }
        let places = places.filter { $0.attachments.contains(where: \.isClassic) }.sorted { $0.id < $1.id }
        let joined = Set(places.flatMap(\.attachments).map(\.network.id))
        let present = classic.filter { $0.spec.isIngress || joined.contains($0.id) }
        networks = present.compactMap { ClassicNetwork($0, assignment, dataAddress: dataAddress, facts: facts) }
        guard !networks.isEmpty else { return nil }
        let bridge = GatewayNetwork(facts, networks: assignment.networks)
        let mtu = networks.first?.mtu ?? facts.mtu
        tasks = places.map { ClassicTask(place: $0, bridge: bridge, mtu: mtu, bridgeMTU: facts.mtu) }
        self.bridge = bridge
        self.facts = facts
        services = assignment.services
    }

    func add(to desired: inout DesiredNode) {
        var sandboxes: [ClassicSandbox] = []
        for network in networks {
            let sandbox = ClassicSandbox(network, services, bridge: bridge, bridgeMTU: facts.mtu)
            if let sandbox { sandboxes.append(sandbox) }
            var ends = sandbox.map { [$0.end] } ?? []
            ends += tasks.flatMap { task in task.ends.filter { $0.network == network.id } }
            desired.namespaces[network.overlayNamespace] = network.overlay(ends)
        }
        for sandbox in sandboxes { desired.namespaces[sandbox.namespace] = sandbox.state() }
        for task in tasks {
            desired.namespaces[task.place.namespace, default: KernelState()].insert(task.state())
            desired.namespaces[task.place.namespace]?.firewall = task.firewall()
            let own = networks.filter { network in task.ends.contains { $0.network == network.id } }
            desired.supports[task.place.namespace] = Set(
                own.map(\.overlayNamespace) + own.map(\.sandboxNamespace).filter { desired.namespaces[$0] != nil })
        }
        guard let bridge else { return }
        let host = ClassicHost(
            bridge: bridge, facts: facts, ingress: sandboxes.first { $0.network.isIngress && $0.gateway != nil },
            tasks: tasks.filter { $0.gateway != nil })
        guard host.isNeeded else { return }
        desired.host.insert(host.state())
        desired.host.firewall = host.firewall()
    }
}

/// One end of a pair that leads from a network's bridge into a namespace.
struct ClassicEnd: Hashable {
    var network: Swarm.ID
    /// The bridge's side.
    var link: String
    /// The name inside.
    var peer: String
    var namespace: String
    /// What `ip link` shows of whom it belongs to.
    var title: String
}

extension IPTables.Table {
    /// A table with these rules in built-in chains; `ingress`: those of the chain of published ports, if it has one.
    static func classic(
        _ name: String, _ chains: KeyValuePairs<String, [String]>, ingress: [String]? = nil
    ) -> IPTables.Table {
        func chain(_ name: String, _ rules: [String]) -> IPTables.Chain {
            IPTables.Chain(name: name, rules: rules.map { IPTables.Rule($0) })
        }
        return IPTables.Table(
            family: .ip, name: name,
            chains: chains.map(chain) + (ingress.map { [chain(IPTables.ingressChain, $0)] } ?? []))
    }
}

extension [IPTables.Table] {
    /// In the form that the kernel's is compared in.
    var settled: [IPTables.Table] { IPTables.normalised(self) }
}
