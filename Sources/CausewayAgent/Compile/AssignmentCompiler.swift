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
        let containers = assignment.containers.map { TaskPlace(container: $0, assignment: assignment) }
        let places = (tasks + containers).sorted { $0.id < $1.id }
        let naming = NameCompiler(assignment: assignment, facts: facts)

        var desired = DesiredNode()
        desired.host = HostCompiler(assignment: assignment, tasks: places, facts: facts).state()
        for place in places {
            desired.namespaces[place.namespace] = TaskCompiler(place: place, facts: facts).state()
            desired.namespaceOfTask[place.id] = place.namespace
            desired.names[place.id] = naming.table(for: place)
        }
        desired.publishedPorts = Set(
            PublishedService.all(of: assignment).map {
                PublishedPort(protocol: $0.protocol, port: $0.port, service: $0.name, scope: $0.scope)
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
