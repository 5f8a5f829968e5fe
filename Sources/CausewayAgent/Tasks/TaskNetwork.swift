import CausewayModel

/// Whoever makes the network namespaces of a node's tasks.
package protocol TaskNetwork: Sendable {
    /// Returns the path of the task's network namespace once it is complete: links, addresses, routes, rules, resolver.
    ///
    /// Throws with the reason when it cannot be made. Asking again for one that is there is success.
    func ready(_ task: Swarm.Task) async throws -> String

    /// Waits until the started task listens on every TCP port that it publishes, and at most as long as that is worth.
    ///
    /// Docker calls a task running when its first instruction is; a connection that comes before it listens is refused.
    func listening(_ task: Swarm.Task) async
}
