import CausewayModel
import Foundation
import GRPCCore
import Logging

/// The manager of this node's cluster, on another host: where a worker's assignments come from and its reports go.
///
/// ``run()`` keeps one session with one of the managers, and opens another when it is lost. The stream of assignments
/// goes on over all of them, and begins with the last one kept on disk: a worker that restarts while no manager is there
/// goes on with it. Reports wait here until a manager has taken them.
package actor RemoteManager: AssignmentSource {
    /// What the node gives to its sessions.
    package struct Node: Sendable {
        /// Where credentials and the last assignment are kept.
        package var folder: String
        /// A folder in memory, where the assignment's secrets and configs are kept; `nil`: nowhere.
        package var memory: String?
        /// What the node says of itself; asked at the start of each session.
        ///
        /// `applied` is filled in.
        package var hello: @Sendable () async -> NodeHello
        /// Answers what a manager asks of the node.
        package var answer: @Sendable (_ kind: String, _ body: Data) async throws -> Data
        /// Gives a manager what it asks for in parts; a write returns when there is room for more.
        package var stream: Stream

        package typealias Stream =
            @Sendable (
                _ kind: String, _ body: Data, _ write: @escaping @Sendable (Data) async throws -> Void
            ) async throws -> Void

        package init(
            folder: String, memory: String? = nil, hello: @escaping @Sendable () async -> NodeHello,
            answer: @escaping @Sendable (_ kind: String, _ body: Data) async throws -> Data = { kind, _ in
                throw SwarmError(.unsupported, "this node answers no question of kind \"\(kind)\"")
            },
            stream: @escaping Stream = { kind, _, _ in
                throw SwarmError(.unsupported, "this node streams nothing of kind \"\(kind)\"")
            }
        ) {
            self.folder = folder
            self.memory = memory
            self.hello = hello
            self.answer = answer
            self.stream = stream
        }
    }

    nonisolated let node: Node
    nonisolated let environment: SessionEnvironment
    nonisolated let backoff: Backoff
    /// How long a manager may take to answer a hello or a question.
    nonisolated let patience: Nanoseconds

    private(set) var credentials: NodeCredentials
    private(set) var outbox = Outbox()
    private var latest: NodeAssignment?
    private var appliedRevision: UInt64 = 0
    private var readers: [Int: AsyncStream<NodeAssignment>.Continuation] = [:]
    private var watchers: [Int: AsyncStream<SessionState>.Continuation] = [:]
    private var nextReader = 0
    package private(set) var state = SessionState.lost(reason: "not started")
    /// The connection of the session that is open.
    private var client: ManagerConnection.Client?
    /// Wakes the session's writer; carries no meaning but "look again".
    private var wake: AsyncStream<Void>.Continuation?
    /// Wakes the one who keeps assignments on disk.
    private let keeping: (stream: AsyncStream<NodeAssignment>, continuation: AsyncStream<NodeAssignment>.Continuation)

    /// Reads what the state folder holds; refuses when that is no member's.
    package init(
        node: Node, environment: SessionEnvironment, backoff: Backoff = Backoff(),
        patience: Nanoseconds = .seconds(10)
    ) throws(SwarmError) {
        guard let credentials = try NodeCredentials.read(in: node.folder) else {
            throw SwarmError(.unavailable, "this node is not of a swarm: \(node.folder) holds no credentials")
        }
        let nodeID = try credentials.identity().nodeID
        self.node = node
        self.environment = environment
        self.backoff = backoff
        self.patience = patience
        self.credentials = credentials
        keeping = AsyncStream.makeStream(of: NodeAssignment.self, bufferingPolicy: .bufferingNewest(1))
        do throws(SwarmError) {
            let kept = try KeptAssignment.read(in: node.folder, memory: node.memory)
            latest = kept?.nodeID == nodeID ? kept : nil
        } catch {
            // The manager sends it anew; a node that waits is better than one that does not start.
            environment.logger.error("the kept assignment cannot be used", metadata: ["error": "\(error)"])
        }
    }

    /// Keeps a session until the task is cancelled, or until a manager says that there is none to be had.
    package func run() async throws(SessionEnd) {
        let end: SessionEnd? = await withTaskGroup(of: SessionEnd?.self) { group in
            group.addTask { [keeping, node, environment] in
                await Self.keep(keeping.stream, node, environment.logger)
                return nil
            }
            group.addTask { await self.keepSession() }
            // Keeping never ends by itself.
            let end = await group.next() ?? nil
            group.cancelAll()
            return end
        }
        if let end { throw end }
    }

    private func keepSession() async -> SessionEnd? {
        var attempt = 0
        while !Task.isCancelled {
            let manager = credentials.managers[attempt % max(1, credentials.managers.count)]
            let outcome = await session(with: manager)
            if Task.isCancelled { return nil }
            switch outcome {
            case .final(let end):
                become(.ended(end))
                environment.logger.error("the session with the cluster is over", metadata: ["reason": "\(end)"])
                return end
            case .away(let reason, let wasOpen):
                attempt = wasOpen ? 0 : attempt + 1
                become(.lost(reason: reason))
                guard await environment.sleep(backoff.wait(attempt: attempt, chance: environment.chance())) else {
                    return nil
                }
            }
        }
        return nil
    }

    private func session(with manager: String) async -> ClientSession.Outcome {
        guard let address = ManagerAddress(manager) else {
            return .away("\"\(manager)\" is not the address of a manager", wasOpen: false)
        }
        do throws(CertificateAuthority.Failure) {
            let trust = try ClusterTrust(root: credentials.root)
            if case .lost(reason: "not started") = state { become(.connecting(manager: manager)) }
            return await ClientSession(
                remote: self, address: address, trust: trust, credentials: credentials
            ).run()
        } catch {
            return .final(.certificateRefused("\(error)"))
        }
    }

    // MARK: What others read

    /// Begins with the newest that this node has heard, also in an earlier life.
    package func assignments() async -> AsyncStream<NodeAssignment> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: NodeAssignment.self, bufferingPolicy: .bufferingNewest(1))
        let number = nextReader
        nextReader += 1
        readers[number] = continuation
        continuation.onTermination = { _ in
            Task { await self.drop(number) }
        }
        if let latest { continuation.yield(latest) }
        return stream
    }

    /// How the session stands, from now on; newest only.
    package func states() -> AsyncStream<SessionState> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: SessionState.self, bufferingPolicy: .bufferingNewest(1))
        let number = nextReader
        nextReader += 1
        watchers[number] = continuation
        continuation.onTermination = { _ in
            Task { await self.drop(number) }
        }
        continuation.yield(state)
        return stream
    }

    private func drop(_ number: Int) {
        readers[number] = nil
        watchers[number] = nil
    }

    /// The managers that this node knows, the one it came in through first.
    package var managers: [String] { credentials.managers }

    // MARK: What the node says

    /// Keeps reports until a manager has taken them; never waits.
    package func report(_ reports: [TaskReport]) async {
        outbox.add(reports)
        wake?.yield()
    }

    package func applied(revision: UInt64) async {
        appliedRevision = revision
        outbox.apply(revision)
        wake?.yield()
    }

    /// How this node reaches its peers, the whole; said again in each session.
    package func observed(_ peers: [PeerObservation]) {
        outbox.observe(peers)
        wake?.yield()
    }

    /// Asks the manager; refused with `unavailable` while there is no session.
    package func ask(_ kind: String, _ body: Data = Data()) async throws(SwarmError) -> Data {
        let client = try connected("ask for \"\(kind)\"")
        return try await ClientSession.ask(client, kind, body, patience)
    }

    /// Tells the manager that the node leaves; refused with `unavailable` while there is no session.
    ///
    /// What is kept on disk stays: see ``NodeCredentials/remove(in:)``.
    package func leave() async throws(SwarmError) {
        try await ClientSession.leave(try connected("leave"), patience)
    }

    private func connected(_ verb: String) throws(SwarmError) -> ManagerConnection.Client {
        if let client, case .connected = state { return client }
        throw SwarmError(.unavailable, "cannot \(verb): no session with a manager (\(state))")
    }
}

// MARK: What a session tells

extension RemoteManager {
    /// Says what becomes of the session; the same loss again and again is said once.
    func become(_ new: SessionState) {
        guard new != state else { return }
        state = new
        for watcher in watchers.keys.sorted() { watchers[watcher]?.yield(new) }
        switch new {
        case .connected(let manager):
            environment.logger.info("session with a manager", metadata: ["manager": "\(manager)"])
        case .lost(let reason):
            environment.logger.warning("no session with a manager", metadata: ["reason": "\(reason)"])
        case .connecting, .ended: break
        }
    }

    /// A session begins: what was underway is to be sent anew.
    func started(_ client: ManagerConnection.Client, _ wake: AsyncStream<Void>.Continuation) -> UInt64 {
        self.client = client
        self.wake = wake
        outbox.startOver()
        return appliedRevision
    }

    func stopped() {
        client = nil
        wake = nil
    }

    func nextMessage() -> Outbox.Message? { outbox.next() }

    func taken(_ number: UInt64, refusal: String) {
        if !refusal.isEmpty {
            environment.logger.error("the manager refused reports", metadata: ["reason": "\(refusal)"])
        }
        outbox.taken(number)
        wake?.yield()
    }

    func received(_ assignment: NodeAssignment) {
        latest = assignment
        keeping.continuation.yield(assignment)
        for reader in readers.keys.sorted() { readers[reader]?.yield(assignment) }
    }

    /// Remembers where managers are, the one in use first.
    func learned(managers: [String], through address: ManagerAddress) {
        let known = managers.isEmpty ? credentials.managers : managers
        let ordered = ["\(address)"] + known.filter { $0 != "\(address)" }
        guard ordered != credentials.managers else { return }
        credentials.managers = ordered
        save("where the managers are")
    }

    /// A new certificate, for the connections from now on.
    func renewed(_ issued: NodeCredentials) throws(SwarmError) {
        _ = try issued.identity()
        credentials.key = issued.key
        credentials.certificate = issued.certificate
        credentials.root = issued.root
        credentials.issuedAt = issued.issuedAt
        try credentials.write(in: node.folder)
    }

    private func save(_ what: String) {
        do throws(SwarmError) {
            try credentials.write(in: node.folder)
        } catch {
            environment.logger.error("cannot keep \(what)", metadata: ["error": "\(error)"])
        }
    }

    /// Writes the newest assignment to disk; those that come while it writes are passed over, but for the last.
    private static func keep(_ assignments: AsyncStream<NodeAssignment>, _ node: Node, _ logger: Logger) async {
        for await assignment in assignments {
            do {
                try KeptAssignment.write(assignment, in: node.folder, memory: node.memory)
            } catch {
                logger.error("cannot keep the assignment for a restart", metadata: ["error": "\(error)"])
            }
        }
    }
}
