import CausewayModel
import Foundation
import GRPCCore
import Logging
import SwiftProtobuf
import Synchronization

/// One session with one manager, as the node holds it.
struct ClientSession: Sendable {
    typealias FromNode = Causeway_Session_V1_FromNode
    typealias ToNode = Causeway_Session_V1_ToNode
    typealias Client = ManagerConnection.Client
    typealias Dispatcher = Causeway_Session_V1_Dispatcher.Client
    typealias Authority = Causeway_Session_V1_CertificateAuthority.Client

    /// How a session ended.
    enum Outcome: Sendable {
        case final(SessionEnd)
        case away(String, wasOpen: Bool)
    }

    /// So many heartbeats without an answer, and the manager counts as gone.
    static let missedHeartbeats = 3
    /// An answer is sent in parts of this size.
    static let part = 1 << 20
    /// A stream goes in parts of this size: small, because there may be many.
    static let streamPart = 64 << 10

    let remote: RemoteManager
    let address: ManagerAddress
    let trust: ClusterTrust
    let credentials: NodeCredentials
    private let progress = Progress()

    init(remote: RemoteManager, address: ManagerAddress, trust: ClusterTrust, credentials: NodeCredentials) {
        self.remote = remote
        self.address = address
        self.trust = trust
        self.credentials = credentials
    }

    private var environment: SessionEnvironment { remote.environment }

    /// Runs until the session is lost; says why.
    func run() async -> Outcome {
        let connection = ManagerConnection(
            address: address, certificate: credentials.certificate, key: credentials.key, trust: .cluster(trust),
            now: environment.now)
        let reason: any Error
        do {
            try await connection.withClient { client in try await hold(client) }
            reason = Lost("the manager has closed it")
        } catch {
            reason = error
        }
        await remote.stopped()
        return outcome(of: reason)
    }

    private func outcome(of error: any Error) -> Outcome {
        let wasOpen = progress.isOpen
        guard let error = error as? RPCError else { return .away("\(address): \(error)", wasOpen: wasOpen) }
        return switch error.code {
        case .unauthenticated: .final(.certificateRefused(error.message))
        case .permissionDenied: .final(.removed(error.message))
        default: .away("\(address): \(error.message)\(error.cause.map { " (\($0))" } ?? "")", wasOpen: wasOpen)
        }
    }

    /// The stream, the heartbeats and the renewals; whichever ends first ends the others.
    private func hold(_ client: Client) async throws {
        let (wakeups, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let (answers, answer) = AsyncStream.makeStream(of: Causeway_Session_V1_Request.self)
        let applied = await remote.started(client, wake)
        var hello = await remote.node.hello()
        hello.applied = applied
        let helloJSON = try JSONEncoder().encode(hello)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await Dispatcher(wrapping: client).session(options: ManagerConnection.options) { writer in
                    try await writer.write(.with { $0.helloJson = helloJSON })
                    try await write(writer, client, wakeups, answers)
                } onResponse: { response in
                    for try await message in response.messages { try await take(message, wake, answer) }
                }
            }
            group.addTask { try await watch(wake) }
            group.addTask { try await keepRenewed(client) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    // MARK: To the manager

    private func write(
        _ writer: RPCWriter<FromNode>, _ client: Client, _ wakeups: AsyncStream<Void>,
        _ questions: AsyncStream<Causeway_Session_V1_Request>
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in wakeups {
                    for message in progress.due() { try await writer.write(message) }
                    while progress.isOpen, let message = await remote.nextMessage() {
                        try await writer.write(try Self.encode(message))
                    }
                }
            }
            group.addTask { try await answer(questions, writer, client) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Answers one question after the other; streams are delivered beside them.
    private func answer(
        _ questions: AsyncStream<Causeway_Session_V1_Request>, _ writer: RPCWriter<FromNode>, _ client: Client
    ) async throws {
        try await withThrowingDiscardingTaskGroup { deliveries in
            for await question in questions {
                guard !question.streams else {
                    deliveries.addTask { await deliver(question, client) }
                    continue
                }
                let root = await remote.credentials.root
                for part in await answer(question, client) { try await writer.write(.with { $0.answer = part }) }
                guard await remote.credentials.root == root else {
                    throw Lost("the cluster has a new root certificate: coming back with a certificate of it")
                }
            }
            deliveries.cancelAll()
        }
    }

    private static func encode(_ message: Outbox.Message) throws -> FromNode {
        var result = FromNode()
        switch message {
        case .reports(let number, let reports):
            result.reports.number = number
            result.reports.reportsJson = try JSONEncoder().encode(reports)
        case .applied(let revision): result.applied = revision
        case .observed(let peers): result.observedJson = try JSONEncoder().encode(peers)
        }
        return result
    }

    private func answer(
        _ question: Causeway_Session_V1_Request, _ client: Client
    ) async -> [Causeway_Session_V1_Answer] {
        do {
            let body = try await body(answering: question, client)
            let starts = body.isEmpty ? [0] : Array(stride(from: 0, to: body.count, by: Self.part))
            return starts.map { start in
                .with {
                    let end = min(start + Self.part, body.count)
                    $0.id = question.id
                    $0.body = Data(body.dropFirst(start).prefix(Self.part))
                    $0.more = end < body.count
                }
            }
        } catch {
            return [
                .with {
                    $0.id = question.id
                    $0.error = "\(error)"
                }
            ]
        }
    }

    /// Gives what is asked for, part by part, in a call of its own; ends with it, or when nobody wants more.
    private func deliver(_ question: Causeway_Session_V1_Request, _ client: Client) async {
        let credit = StreamCredit(ahead: question.ahead)
        do {
            try await Dispatcher(wrapping: client).deliver(options: ManagerConnection.options) { writer in
                // Says whose it is before there is anything to say.
                try await writer.write(.with { ($0.id, $0.more, $0.counts) = (question.id, true, question.ahead > 0) })
                do {
                    try await remote.node.stream(question.kind, question.body) { bytes in
                        var rest = bytes[...]
                        while !rest.isEmpty {
                            try await credit.spend()
                            let part = Data(rest.prefix(Self.streamPart))
                            try await writer.write(.with { ($0.id, $0.body, $0.more) = (question.id, part, true) })
                            rest = rest.dropFirst(Self.streamPart)
                        }
                    }
                    try Task.checkCancellation()
                    try await writer.write(.with { $0.id = question.id })
                } catch  where !Task.isCancelled {
                    try await writer.write(.with { ($0.id, $0.error) = (question.id, "\(error)") })
                }
            } onResponse: { response in
                for try await _ in response.messages { credit.earn() }
            }
        } catch {
            environment.logger.debug(
                "a stream has ended early", metadata: ["kind": "\(question.kind)", "reason": "\(error)"])
        }
    }

    private func body(answering question: Causeway_Session_V1_Request, _ client: Client) async throws -> Data {
        guard question.kind == SessionQuestion.renewCertificate else {
            return try await remote.node.answer(question.kind, question.body)
        }
        try await renew(client, await remote.credentials)
        environment.logger.info("renewed this node's certificate because the manager asked for it")
        return Data()
    }

    // MARK: From the manager

    private func take(
        _ message: ToNode, _ wake: AsyncStream<Void>.Continuation,
        _ questions: AsyncStream<Causeway_Session_V1_Request>.Continuation
    ) async throws {
        progress.heard()
        switch message.message {
        case .grant(let grant):
            progress.opened(Nanoseconds(Int64(clamping: grant.heartbeatNanoseconds)))
            await remote.learned(managers: [], through: address)
            await remote.become(.connected(manager: "\(address)"))
            wake.yield()
        case .wholeJson(let data):
            try await received(try decode(NodeAssignment.self, data))
        case .changeJson(let data):
            let change = try decode(AssignmentChange.self, data)
            guard let assignment = progress.assignment.flatMap({ change.apply(to: $0) }) else {
                environment.logger.warning(
                    "a change does not fit: asking for the whole assignment", metadata: ["base": "\(change.base)"])
                progress.wantWhole()
                wake.yield()
                return
            }
            try await received(assignment)
        case .request(let request): questions.yield(request)
        case .managers(let managers): await remote.learned(managers: managers.addresses, through: address)
        case .reportsTaken(let taken): await remote.taken(taken.number, refusal: taken.refusal)
        case .heartbeat, nil: break
        }
    }

    private func received(_ assignment: NodeAssignment) async throws {
        progress.received(assignment)
        await remote.received(assignment)
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ data: Data) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch {
            throw Lost("what the manager sends cannot be read: \(error); are both of one release?")
        }
    }

    // MARK: Heartbeats

    /// Says that the node lives, and notices when nobody hears it.
    private func watch(_ wake: AsyncStream<Void>.Continuation) async throws {
        guard await environment.sleep(Nanoseconds(10_000_000)) else { return }
        var waited = Nanoseconds(10_000_000)
        while !progress.isOpen {
            guard waited < remote.patience else { throw Lost("no answer to the hello within \(waited.duration)") }
            guard await environment.sleep(Nanoseconds(50_000_000)) else { return }
            waited = Nanoseconds(waited.rawValue + 50_000_000)
        }
        while await environment.sleep(progress.period) {
            guard progress.beat() <= Self.missedHeartbeats else {
                throw Lost("no answer to \(Self.missedHeartbeats) heartbeats, one each \(progress.period.duration)")
            }
            wake.yield()
        }
    }

    // MARK: Calls beside the stream

    static func ask(
        _ client: Client, _ kind: String, _ body: Data, _ patience: Nanoseconds
    ) async throws(SwarmError) -> Data {
        try await call {
            var options = ManagerConnection.options
            options.timeout = patience.duration
            return try await Dispatcher(wrapping: client).ask(
                .with {
                    $0.kind = kind
                    $0.body = body
                }, options: options
            ).body
        }
    }

    static func leave(_ client: Client, _ patience: Nanoseconds) async throws(SwarmError) {
        _ = try await call {
            var options = ManagerConnection.options
            options.timeout = patience.duration
            return try await Dispatcher(wrapping: client).leave(.init(), options: options)
        }
    }

    private static func call<Value: Sendable>(
        _ body: @Sendable () async throws -> Value
    ) async throws(SwarmError) -> Value {
        do {
            return try await body()
        } catch let error as RPCError {
            throw SwarmError(error.code.reason, error.message)
        } catch {
            throw SwarmError(.unavailable, "\(error)")
        }
    }
}

// MARK: Renewal

extension ClientSession {
    /// Gets the next certificate over this very connection; the session goes on, and the next one shows it.
    private func keepRenewed(_ client: Client) async throws {
        while true {
            let current = await remote.credentials
            let schedule = RenewalSchedule(
                issuedAt: current.issuedAt, notAfter: try current.identity().notAfter, chance: environment.chance())
            while let wait = schedule.wait(at: environment.now()) {
                guard await environment.sleep(wait) else { return }
            }
            do {
                try await renew(client, current)
                environment.logger.info("renewed this node's certificate")
            } catch {
                environment.logger.error("cannot renew this node's certificate", metadata: ["error": "\(error)"])
                guard await environment.sleep(schedule.retry(at: environment.now())) else { return }
            }
        }
    }

    private func renew(_ client: Client, _ current: NodeCredentials) async throws {
        let key = try NodeKey(at: environment.now())
        var options = ManagerConnection.options
        options.timeout = remote.patience.duration
        let issued = try await Authority(wrapping: client).issue(
            .with { $0.signingRequest = key.signingRequest }, options: options)
        var next = current
        next.key = key.pem
        next.certificate = issued.certificate
        next.root = issued.rootCertificate
        next.issuedAt = environment.now()
        try await remote.renewed(next)
    }

    /// Why a session is lost, when gRPC does not say it.
    struct Lost: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }

    /// How far this session has come.
    private final class Progress: Sendable {
        private struct State {
            var period: Nanoseconds?
            var unanswered = 0
            var isBeatDue = false
            var isWholeWanted = false
            var assignment: NodeAssignment?
        }

        private let state = Mutex(State())

        var isOpen: Bool { state.withLock { $0.period != nil } }
        var period: Nanoseconds { state.withLock { $0.period ?? .seconds(5) } }
        var assignment: NodeAssignment? { state.withLock { $0.assignment } }

        func opened(_ period: Nanoseconds) {
            // A period of nothing would be a flood.
            state.withLock { $0.period = max(period, Nanoseconds(10_000_000)) }
        }

        func heard() { state.withLock { $0.unanswered = 0 } }

        func received(_ assignment: NodeAssignment) { state.withLock { $0.assignment = assignment } }

        func wantWhole() { state.withLock { $0.isWholeWanted = true } }

        /// How many heartbeats have had no answer, with the one that is due now.
        func beat() -> Int {
            state.withLock { state in
                state.isBeatDue = true
                state.unanswered += 1
                return state.unanswered
            }
        }

        /// What is to be written now, but for the node's own news.
        func due() -> [FromNode] {
            state.withLock { state in
                var messages: [FromNode] = []
                if state.isBeatDue { messages.append(.with { $0.heartbeat = .init() }) }
                if state.isWholeWanted { messages.append(.with { $0.wholeWanted = .init() }) }
                state.isBeatDue = false
                state.isWholeWanted = false
                return messages
            }
        }
    }
}
