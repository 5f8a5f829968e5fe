import CausewayModel
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// The resolvers of a node's tasks.
///
/// Each task has its own sockets, table and limits; all share the process's event loops. Queries that a table does not
/// answer go to its upstreams from the process's own network namespace.
package final class DNSService: Sendable {
    private let group: any EventLoopGroup
    private let limits: DNSLimits
    private let forwarder: Forwarder
    private let log: Logger
    private let servers = Mutex<[Swarm.ID: DNSServer]>([:])

    /// `upstreamPort` is for tests; `newID` gives each upstream query its identifier, which must not be guessable.
    package init(
        limits: DNSLimits = DNSLimits(), upstreamPort: UInt16 = 53,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        newID: @escaping @Sendable () -> UInt16 = { UInt16.random(in: .min ... .max) },
        log: Logger = Logger(label: "causeway.dns")
    ) {
        self.group = group
        self.limits = limits
        self.log = log
        forwarder = Forwarder(
            port: Int(upstreamPort), patience: TimeAmount(limits.upstreamPatience), newID: newID)
    }

    /// The tasks that are served.
    package var tasks: Set<Swarm.ID> { servers.withLock { Set($0.keys) } }

    /// Serves `task` on bound sockets, which are the service's from now on, also when this throws.
    ///
    /// A task that is served already moves to the new sockets; the old ones are closed.
    package func serve(_ task: Swarm.ID, udp: CInt, tcp: CInt, table: NameTable) async throws {
        let resolver = TaskResolver(table, limits: limits, forwarder: forwarder)
        let server = DNSServer(resolver, limits: limits, on: group.next())
        try await server.start(DNSSockets(udp: udp, tcp: tcp))
        let old = servers.withLock { servers in
            defer { servers[task] = server }
            return servers[task]
        }
        await old?.stop()
        log.debug("resolver serves", metadata: ["task": "\(task)", "names": "\(table.names.count)"])
    }

    /// Gives `task` a new table; says whether the task is served.
    @discardableResult
    package func update(_ task: Swarm.ID, _ table: NameTable) -> Bool {
        guard let server = servers.withLock({ $0[task] }) else { return false }
        server.resolver.box.swap(table)
        return true
    }

    /// Ends a task's resolver and returns when its sockets are closed; a task that is not served is no error.
    package func stop(_ task: Swarm.ID) async {
        let server = servers.withLock { $0.removeValue(forKey: task) }
        await server?.stop()
    }

    /// Ends all resolvers.
    package func stopAll() async {
        for task in tasks.sorted() { await stop(task) }
    }

    /// What each served task's resolver has done.
    package var counters: [Swarm.ID: DNSCounters] {
        servers.withLock { $0.mapValues(\.resolver.counters) }
    }
}
