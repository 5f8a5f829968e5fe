import CausewayModel
import Glibc
import Logging

/// Where lines go: standard error, each with one write, so that two never mix.
struct LogSink: Sendable {
    var format: LogFormat
    /// Whether systemd's journal reads the stream: it keeps the time itself, and reads the level from `<N>`.
    var isJournal: Bool

    /// Whether standard error is the stream that systemd says is its journal's (systemd.exec(5), JOURNAL_STREAM).
    static func isJournal() -> Bool {
        guard let named = getenv("JOURNAL_STREAM").map({ String(cString: $0) }) else { return false }
        var found = stat()
        return fstat(STDERR_FILENO, &found) == 0 && named == "\(found.st_dev):\(found.st_ino)"
    }

    func write(_ line: LogLine) {
        let text = format == .json ? line.json() : line.text(hasTime: !isJournal)
        let bytes = Array((isJournal ? "<\(line.level.priority)>" : "").utf8) + Array(text.utf8) + [0x0a]
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            // Nobody reads the log any more; there is no place left to say so.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

/// swift-log's events, as lines.
struct LineLogHandler: LogHandler {
    let label: String
    let sink: LogSink
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(label: String, level: Logger.Level, sink: LogSink) {
        self.label = label
        self.sink = sink
        // What the libraries say at their every step is theirs.
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadataProvider?.get() ?? [:]
        all.merge(metadata) { _, newer in newer }
        all.merge(event.metadata ?? [:]) { _, newer in newer }
        sink.write(
            LogLine(
                time: .now, level: event.level, label: label, message: event.message.description, metadata: all,
                error: event.error))
    }
}

extension Logger.Level {
    /// syslog(3)'s number.
    fileprivate var priority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
