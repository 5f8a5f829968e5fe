import CausewayKernel
import CausewayModel

extension PiecewiseCompiler {
    /// What is new of the peers, of the ways to them, and of what they have.
    func advanceTunnel(
        _ known: inout Memory, to assignment: NodeAssignment, _ makers: Makers, _ change: inout TableChange
    ) {
        guard let tunnel = makers.tunnel else { return }
        let link = tunnel.ground(offload: makers.offloadsTunnel).links[Tunnel.linkName]
        if known.desired.host.links[Tunnel.linkName] != link { known.desired.host.links[Tunnel.linkName] = link }

        let isSame = known.peers.count == makers.ways.count && known.peers.allSatisfy { makers.ways[$0] == $1.way }
        if !isSame { advancePeers(&known, makers, &change) }
        for (old, new) in Self.changes(known.assignment.places, assignment.places) {
            set(new.map(makers.routes) ?? [], of: (new ?? old)?.id ?? "", &known)
        }
        guard !isSame else { return }
        // The same tasks by another way; those of which nothing is new are found equal.
        for place in assignment.places { set(makers.routes(to: place), of: place.id, &known) }
    }

    private func advancePeers(_ known: inout Memory, _ makers: Makers, _ change: inout TableChange) {
        for id in Set(known.peers.keys).union(makers.ways.keys) where known.peers[id]?.way != makers.ways[id] {
            let before = known.peers.removeValue(forKey: id)
            let after = makers.ways[id].flatMap(makers.part)
            known.peers[id] = after
            change.replace(before?.table, by: after?.table)
            before.map { known.desired.host.remove($0.host) }
            after.map { known.desired.host.insert($0.host) }
        }
        known.desired.host.rules = PolicyRules.all(peers: makers.ways.values.map(\.peer.number))
    }

    private func set(_ routes: Set<Rtnl.Route>, of place: Swarm.ID, _ known: inout Memory) {
        let before = known.routes[place] ?? []
        guard before != routes else { return }
        known.desired.host.routes.subtract(before)
        known.desired.host.routes.formUnion(routes)
        known.routes[place] = routes.isEmpty ? nil : routes
    }
}

extension PiecewiseCompiler.Memory {
    /// Whether all is the same but for services, tasks, peers and what is known of the ways to them.
    func hasSameGround(as new: NodeAssignment, _ newFacts: NodeFacts) -> Bool {
        var facts = facts
        (facts.paths, facts.tunnelOffload) = (newFacts.paths, newFacts.tunnelOffload)
        return !hasConflict && facts == newFacts && assignment.networks == new.networks
            && assignment.nodeID == new.nodeID && assignment.nodeNumber == new.nodeNumber
            && assignment.uniqueLocalPrefix == new.uniqueLocalPrefix && assignment.tunnel == new.tunnel
            && assignment.dataAddress == new.dataAddress && assignment.peers.isEmpty == new.peers.isEmpty
    }
}
