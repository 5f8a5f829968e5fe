import CausewayModel

/// Docker Engine's containers, whoever made them.
package protocol ContainerLister: Sendable {
    /// Every container, by the engine's identifier.
    func seen() async throws(ContainerError) -> [String: SeenContainer]

    /// Calls `changed` whenever a container was started, ended, renamed or removed, until the caller is cancelled.
    ///
    /// Calls may be lost, doubled or late; after a broken connection there is at least one.
    func watchAll(_ changed: @escaping @Sendable () -> Void) async
}

/// Where `causeway-oci` finds the network namespace of each container.
package protocol ContainerPlaces: Sendable {
    /// Says where a user's container is to be started. It is kept over a reboot.
    func write(namespace: String, of container: String) throws
    func remove(container: String) throws
    /// The containers, of tasks and of users, of which a place is known.
    func containers() throws -> [String]
    /// Says that a namespace is complete and may be entered; forgotten at a reboot, and when it is made anew.
    func markReady(_ namespace: String) throws
    func unmarkReady(_ namespace: String) throws
}
