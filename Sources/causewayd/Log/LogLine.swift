import CausewayModel
import Logging

/// How the log is written: for people, or for programs.
enum LogFormat: String, Sendable, CaseIterable { case text, json }

/// One event of the log, on one line.
///
/// No secret is in it: join tokens, and values whose name says that they are secret, are left out here whatever the
/// caller wrote.
struct LogLine: Sendable {
    var time: Timestamp
    var level: Logger.Level
    var label: String
    var message: String
    /// Sorted by key.
    var fields: [(key: String, value: String)]

    init(
        time: Timestamp, level: Logger.Level, label: String, message: String, metadata: Logger.Metadata,
        error: (any Error)? = nil
    ) {
        self.time = time
        self.level = level
        self.label = label
        self.message = Self.withoutTokens(message)
        var fields = metadata.map {
            ($0.key, Self.isSecret($0.key) ? Self.redacted : Self.withoutTokens("\($0.value)"))
        }
        if let error { fields.append(("error", Self.withoutTokens("\(error)"))) }
        self.fields = fields.sorted { $0.0 < $1.0 }.map { (key: $0.0, value: $0.1) }
    }

    /// As `TIME LEVEL PART: WORDS key=value`; a line break inside is written as `\n`.
    ///
    /// `hasTime`: Not where whoever reads the stream adds one.
    func text(hasTime: Bool = true) -> String {
        let name = level.rawValue.uppercased()
        let padded = name + String(repeating: " ", count: max(0, 7 - name.utf8.count))
        let pairs = fields.map { " \($0.key)=\(Self.quotedIfNeeded($0.value))" }.joined()
        return (hasTime ? "\(millisecondTime) " : "") + "\(padded) \(label): \(Self.onOneLine(message))\(pairs)"
    }

    /// As an object with `time`, `level`, `part`, `message`, and the fields below `fields`.
    func json() -> String {
        var members = [
            ("time", millisecondTime), ("level", level.rawValue), ("part", label), ("message", message),
        ].map { "\(Self.jsonString($0.0)):\(Self.jsonString($0.1))" }
        if !fields.isEmpty {
            let inner = fields.map { "\(Self.jsonString($0.key)):\(Self.jsonString($0.value))" }
            members.append("\"fields\":{\(inner.joined(separator: ","))}")
        }
        return "{\(members.joined(separator: ","))}"
    }

    private var millisecondTime: String {
        let whole = Timestamp(seconds: time.seconds).description.dropLast()
        let digits = String(time.nanoseconds / 1_000_000)
        return "\(whole).\(String(repeating: "0", count: 3 - digits.count))\(digits)Z"
    }

    // MARK: what is left out

    static let redacted = "[redacted]"

    private static let secretNames = ["password", "secret", "token", "authorization", "credential", "private", "cakey"]

    private static func isSecret(_ key: String) -> Bool {
        let key = key.lowercased()
        return secretNames.contains { key.contains($0) }
    }

    /// Join tokens are `SWMTKN-1-DIGEST-SECRET`, whatever text they stand in.
    static func withoutTokens(_ text: String) -> String {
        guard text.contains("SWMTKN-") else { return text }
        return text.replacing(/SWMTKN-[0-9a-zA-Z-]+/, with: "SWMTKN-\(redacted)")
    }

    // MARK: quoting

    private static func onOneLine(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.flatMap(escaped)))
    }

    private static func quotedIfNeeded(_ text: String) -> String {
        let isPlain =
            !text.isEmpty
            && text.unicodeScalars.allSatisfy {
                $0.value > 0x20 && !"\"=\\".unicodeScalars.contains($0) && $0.value != 0x7f
            }
        return isPlain ? text : jsonString(text)
    }

    private static func jsonString(_ text: String) -> String {
        let inside = text.unicodeScalars.flatMap { scalar -> [Unicode.Scalar] in
            scalar == "\"" || scalar == "\\" ? ["\\", scalar] : escaped(scalar)
        }
        return "\"\(String(String.UnicodeScalarView(inside)))\""
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
        switch scalar {
        case "\n": return ["\\", "n"]
        case "\t": return ["\\", "t"]
        case "\r": return ["\\", "r"]
        default:
            guard scalar.value < 0x20 || scalar.value == 0x7f else { return [scalar] }
            let digits = String(scalar.value, radix: 16)
            return Array("\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".unicodeScalars)
        }
    }
}
