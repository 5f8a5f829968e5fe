import CausewayEngine
import NIOCore
import Synchronization

/// Hands one request through to Docker Engine, and its answer back, byte for byte.
///
/// Only the version in the path may have been rewritten before. Either side's end is the other side's end: a client
/// that leaves takes its request with it. Throws an ``EngineError`` as long as nothing has been answered, also for a body
/// that is not HTTP.
final class PassThrough: Sendable {
    /// What may happen on the client's connection afterwards.
    enum Outcome: Sendable {
        case nextRequest
        case close
    }

    private enum Part: Sendable {
        case uploadEnded
        /// The engine has an answer, and the client hears another one.
        case silenced
        case answered(Outcome)
        case hijackEnded
        case backClosed
    }

    private let front: ByteChannel
    private let back: ByteChannel
    private let head: RequestHead
    private let body: BodyScanner
    /// Where Docker Engine is, for messages.
    private let enginePath: String
    /// Whether all of the request's body is off the client's connection, which is then good for another request.
    private let isBodyRead: Atomic<Bool>
    /// Whether it is settled who answers: the engine, or nobody, because the body is not HTTP.
    private let isSettled = Atomic(false)

    /// `body`: What of the request's body is still to come from the client.
    init(front: ByteChannel, back: ByteChannel, head: RequestHead, body: BodyScanner, enginePath: String) {
        self.front = front
        self.back = back
        self.head = head
        self.body = body
        self.enginePath = enginePath
        isBodyRead = Atomic(body.isComplete)
    }

    /// Runs until the answer is complete, or both directions of a hijacked connection have ended.
    func run() async throws -> Outcome {
        let (switched, switcher) = AsyncStream.makeStream(of: Void.self)
        return try await withThrowingTaskGroup(of: Part.self) { group in
            group.addTask { try await self.upload(switched) }
            group.addTask { try await self.download(switcher) }
            // However it ends, nobody shall wait on: a write ends only with its connection.
            defer {
                back.close()
                group.cancelAll()
            }
            return try await self.outcome(of: &group)
        }
    }

    private func outcome(of group: inout ThrowingTaskGroup<Part, any Error>) async throws -> Outcome {
        var hasUploadEnded = false
        var hasHijackEnded = false
        while let part = try await group.next() {
            switch part {
            case .uploadEnded: hasUploadEnded = true
            case .silenced: break
            case .answered(let outcome): return isBodyRead.load(ordering: .acquiring) ? outcome : .close
            case .hijackEnded:
                hasHijackEnded = true
                group.addTask { [back] in
                    await back.untilClosed()
                    return .backClosed
                }
            case .backClosed: return .close
            }
            if hasUploadEnded, hasHijackEnded { return .close }
        }
        return .close
    }

    // MARK: client to engine

    private func upload(_ switched: AsyncStream<Void>) async throws -> Part {
        do {
            guard try await uploadBody() else { return .uploadEnded }
        } catch let fault as HTTPFault {
            // An answer that has begun shall be whole.
            guard settle() else { return .uploadEnded }
            throw EngineError(status: fault.status, message: fault.message)
        }
        do {
            if try await mayGoOn(switched) { return try await uploadRaw() }
        } catch is CancellationError {
            return .uploadEnded
        }
        // Nothing more of this request is to come. The client has gone: the engine shall know.
        if !head.asksForUpgrade { await passOnEndOfFront() }
        return .uploadEnded
    }

    /// Waits until the engine has taken the connection over, whether or not the client has asked for that; `false`
    /// when it does not, or the client leaves before.
    private func mayGoOn(_ switched: AsyncStream<Void>) async throws -> Bool {
        try await withThrowingTaskGroup(of: Bool?.self) { group in
            group.addTask {
                for await _ in switched { return true }
                return nil
            }
            // What a client that asked for more sends, and its end, belong to what comes after.
            if !head.asksForUpgrade {
                group.addTask { [front] in
                    try await front.untilInputClosed()
                    return false
                }
            }
            while let answer = try await group.next() {
                guard let answer else { continue }
                group.cancelAll()
                return answer
            }
            return false
        }
    }

    /// Returns `false` when the client did not send all of it, or the engine would not have it: it may have answered.
    private func uploadBody() async throws -> Bool {
        var scanner = body
        while !scanner.isComplete {
            guard var bytes = try await front.read() else {
                // The engine sees the same early end, and says what it makes of it.
                await passOnEndOfFront()
                return false
            }
            let part = try scanner.take(from: &bytes)
            await front.unread(bytes)
            // Before the engine has it: its answer may be here before the write returns.
            if scanner.isComplete { isBodyRead.store(true, ordering: .releasing) }
            do { try await back.write(part) } catch { return false }
        }
        return true
    }

    private func uploadRaw() async throws -> Part {
        while let bytes = try await front.read() {
            do { try await back.write(bytes) } catch { return .uploadEnded }
        }
        await passOnEndOfFront()
        return .uploadEnded
    }

    /// Half an end is passed on as half an end, a whole one as a whole one.
    private func passOnEndOfFront() async {
        if front.isOpen {
            await back.closeOutput()
        } else {
            back.close()
        }
    }

    /// Whether it is this caller who settles it.
    private func settle() -> Bool { !isSettled.exchange(true, ordering: .acquiringAndReleasing) }

    // MARK: engine to client

    private func download(_ switcher: AsyncStream<Void>.Continuation) async throws -> Part {
        defer { switcher.finish() }
        let (answer, framing) = try await responseHead()
        // The upload's error is what the client hears.
        guard settle() else { return .silenced }
        try await front.write(answer.head.bytes)
        if answer.status == 101 {
            switcher.yield()
            while let bytes = try await back.read() { try await front.write(bytes) }
            await front.closeOutput()
            return .hijackEnded
        }
        // Old clients attach without asking for an upgrade: the connection is theirs from now on.
        if framing == .untilClose { switcher.yield() }
        var scanner = BodyScanner(framing)
        while !scanner.isComplete {
            guard var bytes = try await back.read() else { break }
            try await front.write(try scanner.take(from: &bytes))
        }
        guard scanner.mayEndHere else { throw HTTPFault(502, "Docker Engine ended its answer early") }
        return .answered(framing != .untilClose && !answer.closes && head.keepsAlive ? .nextRequest : .close)
    }

    /// The head of the final answer; heads that only say "go on" are passed on.
    private func responseHead() async throws -> (ResponseHead, BodyFraming) {
        var buffer = ByteBuffer()
        do {
            while true {
                while let message = try MessageHead.take(from: &buffer) {
                    let answer = try ResponseHead(message)
                    guard answer.isInterim else {
                        await back.unread(buffer)
                        return (answer, try BodyFraming(response: answer, to: head.method))
                    }
                    try await front.write(message.bytes)
                }
                buffer.writeImmutableBuffer(try await readBack())
            }
        } catch let fault as HTTPFault {
            throw EngineError(status: 502, message: fault.message)
        }
    }

    /// The next bytes of an answer that has not begun.
    private func readBack() async throws -> ByteBuffer {
        let cause: String
        do {
            if let bytes = try await back.read() { return bytes }
            cause = ""
        } catch {
            guard !(error is CancellationError) else { throw error }
            cause = " (\(error))"
        }
        throw EngineError(
            status: 502,
            message: "Docker Engine at \(enginePath) closed the connection without an answer\(cause); is it restarting?"
        )
    }
}
