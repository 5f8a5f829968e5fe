import CausewayModel
import CausewayStore

extension Allocator {
    /// Gives each node the addresses of its balancers, and takes back those that it needs no more.
    ///
    /// A node has one on each classic network of which it has a task, and one on a classic ingress network always.
    /// Where something runs out, the words say so, and the next round tries again.
    package mutating func balancers(_ view: StoreSnapshot) -> (nodes: [Swarm.Node], notes: [String]) {
        let classic = view.networks.sorted.filter(\.spec.isClassic)
        let wanting = view.nodes.sorted.map { ($0, Self.wanted($0, classic, view)) }
            .filter { node, wanted in Set((node.balancers ?? []).map(\.networkID)) != Set(wanted.map(\.id)) }
        guard !wanting.isEmpty else { return ([], []) }
        var ledger = AddressLedger(view, cursors: addressCursors)
        var (changed, notes): ([Swarm.Node], [String]) = ([], [])
        for (before, wanted) in wanting {
            var node = before
            var given = (node.balancers ?? []).filter { old in wanted.contains { $0.id == old.networkID } }
            for network in wanted where !given.contains(where: { $0.networkID == network.id }) {
                switch ledger.take(on: network.id) {
                case .success(let addresses):
                    given.append(Swarm.NetworkAttachment(networkID: network.id, addresses: addresses))
                case .failure(let shortage):
                    notes.append("node \(node.description.hostname) has no balancer: \(shortage)")
                }
            }
            node.balancers = given.isEmpty ? nil : given
            if node != before { changed.append(node) }
        }
        addressCursors = ledger.cursors
        return (changed, notes)
    }

    private static func wanted(
        _ node: Swarm.Node, _ classic: [Swarm.Network], _ view: StoreSnapshot
    ) -> [Swarm.Network] {
        guard !classic.isEmpty, node.hasLeft != true else { return [] }
        let joined = Set(
            view.tasks(onNode: node.id).lazy.filter(\.holdsAddresses).flatMap(\.networks).map(\.networkID))
        return classic.filter { $0.spec.isIngress || joined.contains($0.id) }
    }
}
