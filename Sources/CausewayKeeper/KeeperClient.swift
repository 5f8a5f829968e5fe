import CausewayModel
import CausewaySockets
import FoundationEssentials
import Glibc
import Logging
import Synchronization

/// A node's keeper, as the daemon uses it: found running or started, told what to keep, started anew when it dies.
package actor KeeperClient {
    package struct Options: Sendable {
        package var socketPath: String
        /// What to start when no keeper is there, and to become when it is another program; `nil`: others see to that.
        package var program: KeeperProgram?
        package var release: String
        /// How long a keeper that is started may take until it answers.
        package var startPatience: Duration = .seconds(10)

        package init(socketPath: String, program: KeeperProgram?, release: String) {
            self.socketPath = socketPath
            self.program = program
            self.release = release
        }
    }

    private let options: Options
    private let log: Logger
    private var wanted: Kept?
    private var connection: KeeperConnection?
    private var ledger = KeeperLedger()
    private var last: Task<Void, Never>?
    /// Of the programs that could not take the keeper's place: each is tried once.
    private var refusedPrograms: Set<FileIdentity> = []
    /// The number of the keeper's process, which is part of this node as our own is.
    nonisolated package let processID = Mutex<pid_t?>(nil)
    /// How often a keeper that had something to keep was lost.
    private(set) package var losses = 0

    package init(_ options: Options, log: Logger) {
        self.options = options
        self.log = log
    }

    // MARK: what others ask

    /// Finds a keeper that runs; starts none.
    package func find() async {
        await exclusively {
            guard await self.connection == nil else { return }
            do {
                try await self.connect()
            } catch {
                self.log.debug("no keeper runs yet", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// Makes exactly this what is kept.
    ///
    /// What is kept already stays open. What could not be had is returned, and tried again next time.
    package func keep(_ wanted: Kept) async throws -> KeeperRefusals {
        try await exclusively {
            await self.want(wanted)
            return try await self.tell()
        }.get()
    }

    /// What the keeper has done; `nil` when none is there.
    package func counters() async throws -> KeeperCounters? {
        try await exclusively {
            guard let connection = await self.connection else { return nil }
            return try await connection.ask(KeeperRequest(counters: .init())).counters
        }.get()
    }

    /// Lets the keeper go on alone.
    package func close() {
        wanted = nil
        connection?.close()
    }

    // MARK: one at a time

    /// Runs `body` after everything that was asked for earlier: an actor's method may be passed at each `await`.
    @discardableResult
    private func exclusively<R: Sendable>(
        _ body: @escaping @Sendable () async throws -> R
    ) async -> Result<R, any Error> {
        let before = last
        let task = Task { () async -> Result<R, any Error> in
            await before?.value
            do { return .success(try await body()) } catch { return .failure(error) }
        }
        last = Task { _ = await task.value }
        return await task.value
    }

    private func want(_ wanted: Kept) { self.wanted = wanted }

    private func tell() async throws -> KeeperRefusals {
        guard let wanted else { return KeeperRefusals() }
        if connection == nil {
            // Nothing to keep, and nobody who keeps anything.
            if wanted.isEmpty, !isSomebodyThere { return KeeperRefusals() }
            try await connectOrStart()
        }
        guard let connection, let change = ledger.change(to: wanted, mayEnd: options.program != nil) else {
            return KeeperRefusals()
        }
        do {
            let refusals = try await connection.ask(KeeperRequest(keep: change)).kept ?? KeeperRefusals()
            ledger.forget(refusals)
            return refusals
        } catch {
            // What it has done of this is not known: the next connection tells the whole.
            connection.close()
            throw error
        }
    }

    // MARK: connecting

    private var isSomebodyThere: Bool {
        guard let socket = try? UnixSocket.connect(options.socketPath) else { return false }
        Glibc.close(socket)
        return true
    }

    private func connectOrStart() async throws {
        if isSomebodyThere { return try await connect() }
        guard let program = options.program else {
            throw KeeperError(
                description:
                    "no causeway-keeper serves \(options.socketPath); start it (systemd: causeway-keeper.service)"
            )
        }
        let log = log
        let id = try program.start { status in
            log.notice("keeper ended", metadata: ["status": "\(status)"])
        }
        log.info("keeper started", metadata: ["process": "\(id)", "path": "\(program.path)"])
        let deadline = ContinuousClock.now + options.startPatience
        while !isSomebodyThere {
            guard ContinuousClock.now < deadline else {
                throw KeeperError(
                    description: "\(program.path) (process \(id)) does not serve \(options.socketPath); see its log")
            }
            try await Task.sleep(for: .milliseconds(2))
        }
        try await connect()
    }

    private func connect() async throws {
        let connection = try KeeperConnection(path: options.socketPath) { [weak self] in
            Task { await self?.connectionEnded() }
        }
        let hello = KeeperRequest.Hello(version: KeeperProtocol.version, release: options.release)
        guard let answer = try await connection.ask(KeeperRequest(hello: hello)).hello else {
            connection.close()
            throw KeeperError(description: "what serves \(options.socketPath) is no keeper")
        }
        processID.withLock { $0 = answer.processID }
        if try await replaced(answer, connection) { return try await connect() }
        ledger = KeeperLedger()
        self.connection = connection
        log.info(
            "keeper found", metadata: ["process": "\(answer.processID)", "release": "\(answer.release)"])
    }

    /// Has a keeper that is another program than ours become ours, in place; says whether it did.
    private func replaced(_ keeper: KeeperReply.Hello, _ connection: KeeperConnection) async throws -> Bool {
        guard let program = options.program, let own = FileIdentity(path: program.path), keeper.executable != own,
            refusedPrograms.insert(own).inserted
        else { return false }
        do {
            try program.tryOut()
            log.notice(
                "keeper is replaced in place", metadata: ["release": "\(keeper.release)", "by": "\(program.path)"])
            _ = try await connection.ask(KeeperRequest(upgrade: .init(path: program.path)))
        } catch {
            log.error("keeper cannot be replaced, and goes on as it is", metadata: ["error": "\(error)"])
            return false
        }
        await connection.waitForEnd(atMost: .seconds(5))
        return true
    }

    /// The keeper closed the connection or died: what is wanted is told anew, to one that is there or is started.
    ///
    /// Others have their turn between two tries.
    private func connectionEnded() async {
        guard await exclusively({ await self.noteEnd() }).isTrue else { return }
        while mustReturn {
            switch await exclusively({ try await self.tell() }) {
            case .success(let refusals): return returned(refusals)
            case .failure(let error): log.error("the keeper is away", metadata: ["error": "\(error)"])
            }
            guard await Task.pause(for: .milliseconds(200)) else { return }
        }
    }

    /// Whether the connection that ended was in use, and something is to be kept.
    private func noteEnd() -> Bool {
        guard let connection, connection.isEnded else { return false }
        self.connection = nil
        processID.withLock { $0 = nil }
        guard mustReturn else { return false }
        losses += 1
        log.error("the keeper was lost: names and loopback addresses are answered again once it is back")
        return true
    }

    private var mustReturn: Bool { wanted?.isEmpty == false && connection == nil }

    private func returned(_ refusals: KeeperRefusals) {
        log.notice("the keeper is back", metadata: ["refused": "\(refusals.ports.count + refusals.resolvers.count)"])
    }
}

extension Result<Bool, any Error> {
    fileprivate var isTrue: Bool { (try? get()) == true }
}
