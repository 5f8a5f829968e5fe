import CausewayModel
import CausewayStore

/// Makes the nodes' assignments from the store.
///
/// What all nodes have in common is made once for a revision and shared by their assignments; what is a node's own is
/// kept until one of its tasks changes. So a change costs its own size, and a glance at each service and each node.
package struct AssignmentMaker: Sendable {
    private var common = CommonPart()
    private var own: [Swarm.ID: OwnPart] = [:]

    package init() {}

    /// The revision that last changed what the node is assigned; `nil` when it is not in the swarm.
    package mutating func changed(for id: Swarm.ID, _ view: StoreSnapshot) -> UInt64? {
        common.update(view)
        guard common.members[id] != nil else {
            own[id] = nil
            return nil
        }
        own[id, default: OwnPart()].update(id, view)
        return max(common.changed, own[id]?.changed ?? 0)
    }

    /// All that the node has to make true; `nil` when it is not in the swarm.
    ///
    /// Every task of the node that the store knows is in it, ended ones included: the node keeps their containers
    /// for their logs. Services that are being removed are not: nothing new may reach them.
    package mutating func assignment(for id: Swarm.ID, _ view: StoreSnapshot) -> NodeAssignment? {
        guard changed(for: id, view) != nil, let cluster = view.cluster, let node = common.members[id],
            let own = own[id]
        else { return nil }
        return NodeAssignment(
            revision: view.revision, nodeID: id, nodeNumber: node.number, hostname: node.hostname,
            uniqueLocalPrefix: cluster.uniqueLocalPrefix, networks: common.networks, tasks: own.tasks,
            services: common.services, containers: own.containers, tunnel: common.tunnel,
            dataAddress: common.tunnel != nil || !common.balancers.isEmpty ? node.dataAddress : nil,
            peers: common.peers[id] ?? [],
            places: common.places, dependencies: own.dependencies.isEmpty ? nil : own.dependencies,
            balancers: common.balancers.isEmpty ? nil : common.balancers)
    }

    /// An assignment that asks for nothing: what a node hears when it leaves.
    package mutating func empty(for id: Swarm.ID, _ view: StoreSnapshot) -> NodeAssignment? {
        guard let full = assignment(for: id, view) else { return nil }
        return NodeAssignment(
            revision: full.revision, nodeID: id, nodeNumber: full.nodeNumber, hostname: full.hostname,
            uniqueLocalPrefix: full.uniqueLocalPrefix)
    }
}
