import CausewayModel

/// Whoever makes the network namespaces of a node's tasks.
package protocol TaskNetwork: Sendable {
    /// Returns the path of the task's network namespace once it is complete: links, addresses, routes, rules, resolver.
    ///
    /// Throws with the reason when it cannot be made. Asking again for one that is there is success.
    func ready(_ task: Swarm.Task) async throws -> String
}
