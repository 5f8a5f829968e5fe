import CausewayModel
import NIOCore
import Synchronization

/// Copies one task's log to a client, and knows how far it came.
final class TaskLogReader: Sendable {
    /// How a reading ended.
    enum Ending: Hashable, Sendable {
        case whole
        /// The node is away; it can be taken up again unless there are no times to find the place by.
        case interrupted(String, canGoOn: Bool)
        case refused(String)
    }

    private struct State {
        var position = LogPosition()
        var frames = LogFrameReader()
        var lines = WholeLines()
    }

    let task: Swarm.Task
    let container: String
    private let options: LogOptions
    private let isRaw: Bool
    private let isLate: Bool
    private let state = Mutex(State())

    /// `nil` while the task has no container.
    init?(_ task: Swarm.Task, _ options: LogOptions, isRaw: Bool, isLate: Bool) {
        guard let container = task.status.container?.id, !container.isEmpty else { return nil }
        self.task = task
        self.container = container
        self.options = options
        self.isRaw = isRaw
        self.isLate = isLate
    }

    /// Reads what there is, and what comes if the log is followed; throws only when the client is gone.
    func read(from logs: any TaskLogs, to writer: BodyWriter) async throws -> Ending {
        let parameters = state.withLock { state in
            (state.frames, state.lines) = (LogFrameReader(), WholeLines())
            state.position.takeUp()
            return options.parameters(isRaw: isRaw, isLate: isLate, after: state.position)
        }
        let request = LogRequest(container: container, parameters: parameters)
        do {
            try await logs.read(request, on: task.nodeID ?? "") { bytes in
                let shown = try self.shown(bytes)
                guard shown.readableBytes > 0 else { return }
                do { try await writer.write(shown) } catch { throw ClientGone(cause: error) }
            }
            if let rest = state.withLock({ $0.lines.finish() }) { try await writer.write(rawLine(rest)) }
            return .whole
        } catch let gone as ClientGone {
            throw gone.cause
        } catch let interruption as LogInterruption {
            return .interrupted(interruption.description, canGoOn: !isRaw)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            return .refused("\(error)")
        }
    }

    private struct ClientGone: Error { var cause: any Error }

    /// What of a piece the client gets.
    private func shown(_ bytes: ByteBuffer) throws -> ByteBuffer {
        guard !isRaw else {
            // A terminal's output is not cut into lines where nothing is put between them.
            guard options.hasDetails else { return bytes }
            return state.withLock { $0.lines.take(bytes) }.map(rawLines) ?? ByteBuffer()
        }
        return try state.withLock { state in
            state.frames.add(bytes)
            var shown = ByteBuffer()
            while let frame = try state.frames.next() {
                var line = LogLine(frame.line, hasTime: true, hasDetails: options.hasDetails)
                if let time = line.time.flatMap({ Timestamp($0) }), !state.position.isNew(time) { continue }
                if options.hasDetails { line.add(task.logContext) }
                let text = line.bytes(withTime: options.hasTimestamps)
                shown.writeImmutableBuffer(LogFrame(stream: frame.stream, line: text).bytes)
            }
            return shown
        }
    }

    private func rawLines(_ lines: ByteBuffer) -> ByteBuffer {
        var shown = ByteBuffer()
        for line in lines.readableBytesView.split(separator: UInt8(ascii: "\n")) {
            shown.writeImmutableBuffer(rawLine(ByteBuffer(line)))
            shown.writeString("\n")
        }
        return shown
    }

    private func rawLine(_ line: ByteBuffer) -> ByteBuffer {
        var line = LogLine(line, hasTime: options.hasTimestamps, hasDetails: options.hasDetails)
        if options.hasDetails { line.add(task.logContext) }
        return line.bytes(withTime: options.hasTimestamps)
    }
}
