import Glibc

/// Where a failure is told: the file given with `--log`, in runc's own form, which Docker reads back and shows;
/// and standard error.
struct RuntimeLog {
    let path: String?
    let isJSON: Bool

    init(_ invocation: Invocation) {
        path = invocation.log
        isJSON = invocation.logsJSON
    }

    func write(_ message: String) {
        // A failure to write to standard error has nobody left to be told to.
        _ = File.writeAll(STDERR_FILENO, Array("causeway-oci: \(message)\n".utf8))
        guard let path else { return }
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        let line = Self.line(message, time: Self.timestamp(time(nil)), isJSON: isJSON)
        guard file >= 0, File.writeAll(file, Array(line.utf8)) else {
            let cause = "causeway-oci: cannot write the log \(path): \(errorText(errno))\n"
            _ = File.writeAll(STDERR_FILENO, Array(cause.utf8))
            return
        }
        close(file)
    }

    /// One entry as logrus writes it.
    static func line(_ message: String, time: String, isJSON: Bool) -> String {
        let text = JSONText.quoted("causeway-oci: \(message)")
        return isJSON
            ? "{\"level\":\"error\",\"msg\":\(text),\"time\":\"\(time)\"}\n"
            : "time=\"\(time)\" level=error msg=\(text)\n"
    }

    /// RFC 3339 in UTC, to the second.
    static func timestamp(_ time: time_t) -> String {
        var seconds = time
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
