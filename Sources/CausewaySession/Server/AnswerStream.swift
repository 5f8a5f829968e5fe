import CausewayModel
import Foundation
import Synchronization

/// What a manager has asked of a node as a stream: from the question to the last part that was taken.
///
/// The node delivers it in a call of its own. A part is read from that call when the one before has been taken, and the
/// node hears of that: a slow reader slows the node down, and what waits between is ``ahead`` parts.
final class AnswerStream: Sendable {
    /// How many parts a node may send before the first is taken.
    ///
    /// Two: one travels while the other is read. At 64 KiB a part, ninety readers that stop cost 12 MB.
    static let ahead: UInt32 = 2

    typealias Take = @Sendable (Data) async throws -> Void
    typealias Ended = CheckedContinuation<Result<Void, any Error>, Never>

    private struct State {
        var hasBegun = false
        var result: Result<Void, any Error>?
        var waiting: Ended?
    }

    /// Ends once nobody wants more of it.
    let closing: AsyncStream<Void>
    private let close: AsyncStream<Void>.Continuation
    private let taker: Take
    private let state = Mutex(State())

    init(_ take: @escaping Take) {
        taker = take
        (closing, close) = AsyncStream.makeStream()
    }

    /// Whether a call delivers it, or has.
    var hasBegun: Bool { state.withLock { $0.hasBegun } }

    /// Says that a call delivers it; `false` when another does, or when it is over.
    func begin() -> Bool {
        state.withLock { state in
            guard !state.hasBegun, state.result == nil else { return false }
            state.hasBegun = true
            return true
        }
    }

    /// Hands a part on, and returns when it was taken.
    func take(_ part: Data) async throws {
        guard state.withLock({ $0.result == nil }) else { throw CancellationError() }
        try await taker(part)
    }

    /// Says how it ended; the first who says it is right.
    func end(_ result: Result<Void, any Error>) {
        let waiting = state.withLock { state -> Ended? in
            guard state.result == nil else { return nil }
            state.result = result
            defer { state.waiting = nil }
            return state.waiting
        }
        close.finish()
        waiting?.resume(returning: result)
    }

    /// Waits for the end; to be called once.
    ///
    /// Who is cancelled here wants no more.
    func outcome() async throws {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: Ended) in
                let known = state.withLock { state -> Result<Void, any Error>? in
                    if state.result == nil { state.waiting = continuation }
                    return state.result
                }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            end(.failure(CancellationError()))
        }
        try result.get()
    }
}

/// The numbers of a server's questions: none is used twice, so an old session's answer is never a new one's.
final class RequestNumbers: Sendable {
    private let next = Atomic<UInt64>(1)

    func take() -> UInt64 { next.add(1, ordering: .relaxed).oldValue }
}
