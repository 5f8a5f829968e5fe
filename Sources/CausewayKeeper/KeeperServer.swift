import CLinux
import CausewayDNS
import CausewayModel
import CausewaySockets
import FoundationEssentials
import Glibc
import Logging

/// A keeper: holds what it is told to, answers and relays, until it is told otherwise.
///
/// One thread, one loop. It knows nothing of swarms: whoever is connected says what is to be kept.
package final class KeeperServer {
    let loop: EventLoop
    let log: Logger
    private let options: Options
    private let resolvers: ResolverSet
    private let ports: HeldPorts
    private var door: ControlDoor?
    private var upgrades: UInt64 = 0
    /// Tables by the numbers that the controlling connection gave them.
    private var tables: [Int: PreparedNames] = [:]
    private var tableOfTask: [Swarm.ID: Int] = [:]

    package struct Options: Sendable {
        package var socketPath: String
        package var limits = DNSLimits()
        /// For tests.
        package var upstreamPort: UInt16 = 53
        package var release: String
        /// What the next program is started with when this one is replaced in place.
        package var arguments: [String]

        package init(socketPath: String, release: String, arguments: [String]) {
            self.socketPath = socketPath
            self.release = release
            self.arguments = arguments
        }
    }

    package init(_ options: Options, log: Logger) throws(SocketError) {
        self.options = options
        self.log = log
        loop = try EventLoop()
        resolvers = ResolverSet(loop: loop, limits: options.limits, upstreamPort: options.upstreamPort, log: log)
        ports = HeldPorts(Relay(loop: loop, log: log))
    }

    /// Serves until it is told to end, or SIGTERM.
    ///
    /// - Throws: when its socket cannot be had, or the state that another program left it cannot be read.
    package func run(resuming handover: CInt? = nil) throws {
        signal(SIGPIPE, SIG_IGN)
        OpenFiles.raise()
        if let handover {
            let state = try Handover.read(handover)
            door = ControlDoor(resuming: state.door, at: options.socketPath, self)
            resume(state)
        } else {
            door = try ControlDoor(at: options.socketPath, self)
        }
        let signals = clinux_termination_signals()
        guard signals >= 0 else { throw SocketError(doing: "wait for signals", errno: errno) }
        let termination = Termination { [unowned self] in self.end("asked by a signal") }
        loop.watch(signals, .readable, termination)
        log.info("keeper serves", metadata: ["socket": "\(options.socketPath)", "process": "\(getpid())"])
        try loop.run()
        withExtendedLifetime(termination) {}
        door?.close()
    }

    func end(_ why: String) {
        log.info("keeper ends: \(why)")
        loop.stop()
    }

    // MARK: requests

    /// Carries out one request; `mayControl` says that the asker has told the whole before.
    func reply(to request: KeeperRequest, mayControl: Bool) -> KeeperReply {
        if request.hello != nil {
            return KeeperReply(
                hello: .init(
                    version: KeeperProtocol.version, release: options.release, processID: getpid(),
                    executable: FileIdentity(path: "/proc/self/exe")))
        }
        if let change = request.keep {
            guard change.isWhole || mayControl else {
                return KeeperReply(error: "a change was told before the whole; tell the whole first")
            }
            return KeeperReply(kept: keep(change))
        }
        if request.counters != nil { return KeeperReply(counters: counters) }
        if let upgrade = request.upgrade { return KeeperReply(error: self.upgrade(to: upgrade.path)) }
        return KeeperReply(error: "this request is not known to a keeper of release \(options.release)")
    }

    private var counters: KeeperCounters {
        var counters = KeeperCounters()
        counters.dns = resolvers.total
        counters.tcp = ports.relay.counters.tcp
        counters.udp = ports.relay.counters.udp
        counters.resolvers = resolvers.tasks.count
        counters.ports = ports.all.count
        counters.upgrades = upgrades
        return counters
    }

    private func keep(_ change: KeeperChange) -> KeeperRefusals {
        var refusals = KeeperRefusals()
        if change.isWhole {
            let named = Set(change.resolvers.map(\.task))
            for task in resolvers.tasks.subtracting(named).sorted() { resolvers.stop(task) }
            ports.closeAll(except: Set(change.ports))
            tables = [:]
            tableOfTask = [:]
        }
        for task in change.goneResolvers {
            resolvers.stop(task)
            tableOfTask[task] = nil
        }
        for port in change.gonePorts { ports.close(port) }
        prepare(change.tables)
        for resolver in change.resolvers { serve(resolver, &refusals) }
        let used = Set(tableOfTask.values)
        tables = tables.filter { used.contains($0.key) }
        for port in change.ports { open(port, &refusals) }
        if resolvers.tasks.isEmpty, ports.all.isEmpty {
            ports.relay.endAll()
            if change.mayEnd { end("nothing is left to keep") }
        }
        return refusals
    }

    private func prepare(_ changes: [KeeperChange.Table]) {
        for change in changes {
            let base = change.base.flatMap { tables[$0]?.table } ?? NameTable()
            tables[change.number] = PreparedNames(change.applied(to: base))
        }
    }

    private func serve(_ wanted: KeeperChange.Resolver, _ refusals: inout KeeperRefusals) {
        guard let names = tables[wanted.table] else {
            refusals.resolvers.append(.init(task: wanted.task, reason: "table \(wanted.table) was never told"))
            return
        }
        if resolvers.update(wanted.task, names) {
            tableOfTask[wanted.task] = wanted.table
            return
        }
        do throws(SocketError) {
            let opened: Result<DNSSockets, SocketError> = try NamespaceVisit.perform(wanted.namespacePath) {
                do throws(SocketError) { return .success(try DNSSockets.open()) } catch { return .failure(error) }
            }
            resolvers.serve(wanted.task, try opened.get(), names)
            tableOfTask[wanted.task] = wanted.table
        } catch {
            refusals.resolvers.append(.init(task: wanted.task, reason: "\(error)"))
        }
    }

    private func open(_ port: Kept.Port, _ refusals: inout KeeperRefusals) {
        do throws(SocketError) {
            try ports.open(port)
        } catch {
            refusals.ports.append(.init(port: port, errno: error.errno, reason: "\(error)"))
        }
    }

    // MARK: another program in place

    /// Returns why it could not be done; when it can, it is done once the answer has gone out.
    private func upgrade(to path: String) -> String? {
        guard access(path, X_OK) == 0 else {
            return "cannot become \(path): \(String(cString: strerror(errno))); is it there and executable?"
        }
        loop.after(0) { [weak self] in self?.replace(by: path) }
        return nil
    }

    private func replace(by path: String) {
        guard let door else { return }
        let handover = Handover(door: door.state, resolvers: resolvers, ports: ports, upgrades: upgrades + 1)
        log.info("keeper becomes another program", metadata: ["path": "\(path)"])
        let failure = handover.execute(path, arguments: options.arguments)
        log.error("keeper stays what it is", metadata: ["error": "\(failure)"])
    }

    private func resume(_ state: Handover) {
        upgrades = state.upgrades
        resolvers.pastCounters = state.past
        let names = state.tables.map { PreparedNames($0) }
        for resolver in state.resolvers where names.indices.contains(resolver.table) {
            resolvers.resume(resolver.task, resolver.state, names[resolver.table])
        }
        ports.resume(state.ports, state.relay)
    }
}

/// The limit of open files, raised as far as this process may: each task takes two, each relayed connection two.
enum OpenFiles {
    static func raise() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
