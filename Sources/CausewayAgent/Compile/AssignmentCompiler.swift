import CausewayKernel
import CausewayModel

/// From an assignment to the desired state of the node: data path `direct`, nftables gear (docs/dataplane/direct.md).
///
/// A pure function. The same assignment and facts give the same state, whatever was before.
package struct AssignmentCompiler: Sendable {
    package init() {}

    package func compile(_ assignment: NodeAssignment, facts: NodeFacts) -> DesiredNode {
        var compiler = PiecewiseCompiler()
        var desired = compiler.compile(assignment, facts: facts)
        compiler.addNames(to: &desired)
        return desired
    }

    /// A task has its namespace from the moment it is this node's until its container has ended.
    static func needsNamespace(_ task: Swarm.Task) -> Bool {
        (.assigned...(.running)).contains(task.status.state)
            && (task.desiredState <= .running || task.status.state > .assigned)
            && !task.networks.isEmpty
    }
}
