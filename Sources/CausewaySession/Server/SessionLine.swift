import CausewayModel
import Foundation
import GRPCCore
import SwiftProtobuf
import Synchronization

/// One session as the server holds it: what is to be sent next, and the questions that are open.
///
/// The newest assignment waits here, one and no more, until the one before has been written: a node that reads slowly
/// misses those between. What is sent is the difference from what was sent, or the whole when there is none yet or the
/// node has asked for it.
final class SessionLine: Sendable {
    typealias Answered = CheckedContinuation<Result<Data, SwarmError>, Never>

    private struct State {
        var newest: NodeAssignment?
        var sent: NodeAssignment?
        var isWholeWanted = false
        var requests: [Causeway_Session_V1_Request] = []
        var isOver = false
        var pending: [UInt64: Pending] = [:]
        var streams: [UInt64: AnswerStream] = [:]
    }

    private struct Pending {
        var body = Data()
        var continuation: Answered
    }

    /// An answer larger than this is refused: a node must not be able to fill the manager's memory.
    static let largestAnswer = 256 << 20

    let peer: SessionPeer
    /// The root certificate, PEM, of the certificate that its connection has shown.
    let root: String
    /// Carries no meaning but "look again".
    let wakeups: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation
    private let numbers: RequestNumbers
    private let state = Mutex(State())

    init(peer: SessionPeer, root: String = "", numbers: RequestNumbers = RequestNumbers()) {
        self.peer = peer
        self.root = root
        self.numbers = numbers
        (wakeups, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func offer(_ assignment: NodeAssignment) {
        state.withLock { $0.newest = assignment }
        wake.yield()
    }

    func wantWhole() {
        state.withLock { $0.isWholeWanted = true }
        wake.yield()
    }

    /// What is to be written now, requests first: they are small, and somebody waits for each.
    func nextMessage() throws -> Causeway_Session_V1_ToNode? {
        enum Next {
            case request(Causeway_Session_V1_Request)
            case assignment(NodeAssignment, from: NodeAssignment?)
        }
        let next: Next? = state.withLock { state in
            if !state.requests.isEmpty { return .request(state.requests.removeFirst()) }
            if let newest = state.newest {
                let base = state.isWholeWanted ? nil : state.sent
                state.newest = nil
                state.sent = newest
                state.isWholeWanted = false
                return .assignment(newest, from: base)
            }
            guard state.isWholeWanted, let sent = state.sent else { return nil }
            state.isWholeWanted = false
            return .assignment(sent, from: nil)
        }
        switch next {
        case .request(let request): return .with { $0.request = request }
        case .assignment(let assignment, let base): return try Self.message(assignment, from: base)
        case nil: return nil
        }
    }

    private static func message(
        _ assignment: NodeAssignment, from base: NodeAssignment?
    ) throws -> Causeway_Session_V1_ToNode {
        var message = Causeway_Session_V1_ToNode()
        if let base, let change = AssignmentChange(from: base, to: assignment) {
            message.changeJson = try JSONEncoder().encode(change)
        } else {
            message.wholeJson = try JSONEncoder().encode(assignment)
        }
        return message
    }

    // MARK: Questions to the node

    func ask(_ kind: String, _ body: Data) async -> Result<Data, SwarmError> {
        let id = numbers.take()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOpen = state.withLock { state in
                    guard !state.isOver, !Task.isCancelled else { return false }
                    state.pending[id] = Pending(continuation: continuation)
                    state.requests.append(
                        .with {
                            $0.id = id
                            $0.kind = kind
                            $0.body = body
                        })
                    return true
                }
                if isOpen { wake.yield() } else { continuation.resume(returning: .failure(gone)) }
            }
        } onCancel: {
            settle(id, .failure(gone))
        }
    }

    /// Takes a part of an answer; one to a question that nobody asks any more is dropped.
    func answer(_ part: Causeway_Session_V1_Answer) {
        let isTooLarge: Bool? = state.withLock { state in
            guard let size = state.pending[part.id]?.body.count else { return nil }
            guard size + part.body.count <= Self.largestAnswer else { return true }
            state.pending[part.id]?.body.append(part.body)
            return false
        }
        guard let isTooLarge else { return }
        if isTooLarge {
            settle(part.id, .failure(SwarmError(.invalid, "node \(peer.nodeID) answers with more than 256 MiB")))
        } else if !part.error.isEmpty {
            settle(part.id, .failure(SwarmError(.internal, "node \(peer.nodeID): \(part.error)")))
        } else if !part.more {
            settle(part.id, nil)
        }
    }

    // MARK: Streams from the node

    /// Asks for something that comes in parts, and hands each to `take` when the one before was taken.
    ///
    /// Returns at its end; throws what `take` threw, or why the node gives no more. `patience` ends the wait for a node
    /// that does not begin.
    func follow(
        _ kind: String, _ body: Data, patience: @escaping @Sendable () async -> Void,
        _ take: @escaping AnswerStream.Take
    ) async throws {
        let id = numbers.take()
        let stream = AnswerStream(take)
        let isOpen = state.withLock { state in
            guard !state.isOver else { return false }
            state.streams[id] = stream
            state.requests.append(
                .with {
                    $0.id = id
                    $0.kind = kind
                    $0.body = body
                    $0.streams = true
                    $0.ahead = AnswerStream.ahead
                })
            return true
        }
        guard isOpen else { throw gone }
        defer { state.withLock { _ = $0.streams.removeValue(forKey: id) } }
        wake.yield()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [peer] in
                await patience()
                guard !Task.isCancelled, !stream.hasBegun else { return }
                let why = "node \(peer.nodeID) has not begun to answer \"\(kind)\" in time"
                stream.end(.failure(SwarmError(.unavailable, why)))
            }
            defer { group.cancelAll() }
            try await stream.outcome()
        }
    }

    /// The stream that a call of the node is to deliver; `nil` when nobody has asked for it, or does any more.
    func beginStream(_ id: UInt64) -> AnswerStream? {
        guard let stream = state.withLock({ $0.streams[id] }), stream.begin() else { return nil }
        return stream
    }

    /// Nothing goes out any more, and nobody waits for an answer.
    func end() {
        wake.finish()
        let (pending, streams) = state.withLock { state in
            defer {
                state.pending = [:]
                state.streams = [:]
            }
            state.isOver = true
            return (state.pending.values, state.streams.values)
        }
        for one in pending { one.continuation.resume(returning: .failure(gone)) }
        for one in streams { one.end(.failure(gone)) }
    }

    private func settle(_ id: UInt64, _ failure: Result<Data, SwarmError>?) {
        guard let pending = state.withLock({ $0.pending.removeValue(forKey: id) }) else { return }
        pending.continuation.resume(returning: failure ?? .success(pending.body))
    }

    private var gone: SwarmError { SwarmError(.unavailable, "the session of node \(peer.nodeID) is over") }
}

/// The sessions that are open, and until when each node's newest certificate holds.
final class SessionLines: Sendable {
    /// Of all sessions' questions.
    let numbers = RequestNumbers()

    private struct State {
        var lines: [Swarm.ID: SessionLine] = [:]
        var validity: [Swarm.ID: Timestamp] = [:]
    }

    private let state = Mutex(State())

    func opened(_ line: SessionLine) {
        state.withLock { $0.lines[line.peer.nodeID] = line }
    }

    func closed(_ line: SessionLine) {
        state.withLock { state in
            if state.lines[line.peer.nodeID] === line { state.lines[line.peer.nodeID] = nil }
        }
    }

    func line(to nodeID: Swarm.ID) -> SessionLine? { state.withLock { $0.lines[nodeID] } }

    /// Those whose connection has shown a certificate of another root.
    func lines(notOf root: String) -> [SessionLine] {
        state.withLock { $0.lines.values.filter { $0.root != root } }.sorted { $0.peer.nodeID < $1.peer.nodeID }
    }

    func renewed(_ nodeID: Swarm.ID, until end: Timestamp) {
        state.withLock { $0.validity[nodeID] = end }
    }

    /// A session lives as long as the node's newest certificate, although the connection has shown an older one.
    func end(of certificate: NodeCertificate) -> Timestamp {
        state.withLock { max($0.validity[certificate.nodeID] ?? certificate.notAfter, certificate.notAfter) }
    }
}
