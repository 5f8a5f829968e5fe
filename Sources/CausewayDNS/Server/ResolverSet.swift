import CausewayModel
import CausewaySockets
import Logging

/// The resolvers of a node's tasks, on one loop.
///
/// Each task has its own sockets, table and limits. Queries that a table does not answer go to its upstreams from the
/// process's own network namespace.
package final class ResolverSet {
    let loop: EventLoop
    let limits: DNSLimits
    let batch = DatagramBatch(size: Int(DNS.Message.payloadSize))
    var order = OrderGenerator(seed: UInt64.random(in: .min ... .max))
    private let forwarder: Forwarder
    private let log: Logger
    private var servers: [Swarm.ID: TaskServer] = [:]
    /// What resolvers that were stopped have done.
    private var past = DNSCounters()

    /// `upstreamPort` is for tests; `newID` gives each upstream query its identifier, which must not be guessable.
    package init(
        loop: EventLoop, limits: DNSLimits = DNSLimits(), upstreamPort: UInt16 = 53,
        newID: @escaping () -> UInt16 = { UInt16.random(in: .min ... .max) },
        log: Logger = Logger(label: "causeway.dns")
    ) {
        self.loop = loop
        self.limits = limits
        self.log = log
        forwarder = Forwarder(loop: loop, port: upstreamPort, patience: limits.upstreamPatience, newID: newID)
    }

    /// The tasks that are served.
    package var tasks: Set<Swarm.ID> { Set(servers.keys) }

    /// Serves `task` on bound sockets, which are this set's from now on.
    ///
    /// A task that is served already moves to the new sockets; the old ones are closed.
    package func serve(_ task: Swarm.ID, _ sockets: DNSSockets, _ names: PreparedNames) {
        start(task, sockets, names)
        log.debug("resolver serves", metadata: ["task": "\(task)", "names": "\(names.table.names.count)"])
    }

    @discardableResult
    private func start(_ task: Swarm.ID, _ sockets: DNSSockets, _ names: PreparedNames) -> TaskServer {
        stop(task)
        let server = TaskServer(TaskResolver(names, limits: limits, forwarder: forwarder), sockets, self)
        servers[task] = server
        server.start()
        return server
    }

    /// Gives `task` a new table; says whether the task is served.
    @discardableResult
    package func update(_ task: Swarm.ID, _ names: PreparedNames) -> Bool {
        guard let server = servers[task] else { return false }
        server.resolver.names = names
        return true
    }

    /// Ends a task's resolver and closes its sockets; a task that is not served is no error.
    package func stop(_ task: Swarm.ID) {
        guard let server = servers.removeValue(forKey: task) else { return }
        past = past + server.resolver.counters
        server.stop()
    }

    /// What each served task's resolver has done.
    package var counters: [Swarm.ID: DNSCounters] { servers.mapValues(\.resolver.counters) }

    /// What all have done, those that were stopped included.
    package var total: DNSCounters {
        servers.values.reduce(past) { $0 + $1.resolver.counters }
    }

    // MARK: from program to program

    /// What each resolver needs to go on in another program.
    package var states: [Swarm.ID: (state: ResolverState, names: PreparedNames)] {
        servers.mapValues { ($0.state, $0.resolver.names) }
    }

    package var pastCounters: DNSCounters {
        get { past }
        set { past = newValue }
    }

    /// Goes on where another program stopped, on the same descriptors.
    package func resume(_ task: Swarm.ID, _ state: ResolverState, _ names: PreparedNames) {
        start(task, state.sockets, names).resume(state)
    }

    // MARK: for the servers

    func isServed(_ server: TaskServer) -> Bool { servers.values.contains { $0 === server } }

    func noteAcceptFailure(_ error: SocketError) { log.error("\(error)") }
}
