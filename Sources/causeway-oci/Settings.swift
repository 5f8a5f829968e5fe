import Glibc

/// Where things are; the environment overrides the defaults, for tests.
struct Settings {
    static let runtimeFile = "/etc/causeway/oci-runtime"

    static let stateFile = "/etc/causeway/oci-state"
    static let waitFile = "/etc/causeway/oci-wait"

    /// The daemon's state folder: `CAUSEWAY_STATE`, else the first line of ``stateFile``, else `/var/lib/causeway`.
    func stateDirectory() throws(Refusal) -> String {
        try setting("CAUSEWAY_STATE", Self.stateFile) ?? "/var/lib/causeway"
    }

    /// How long a named namespace that is not there yet is waited for, in milliseconds: `CAUSEWAY_OCI_WAIT`, else the
    /// first line of ``waitFile``, which has seconds, else a minute: as long as a boot may take.
    func patience() throws(Refusal) -> Int {
        if let text = Self.environment("CAUSEWAY_OCI_WAIT"), let milliseconds = Int(text) { return milliseconds }
        guard let text = try firstWord(of: Self.waitFile) else { return 60_000 }
        guard let seconds = Int(text), (0...86_400).contains(seconds) else {
            throw Refusal("\(Self.waitFile) has no number of seconds from 0 to 86400 in its first line")
        }
        return seconds * 1000
    }

    /// The real runtime: `CAUSEWAY_OCI_RUNTIME`, else the first line of ``runtimeFile``, else `runc`.
    ///
    /// Refuses this executable itself, which would call itself for ever.
    func runtime() throws(Refusal) -> String {
        let name = try setting("CAUSEWAY_OCI_RUNTIME", Self.runtimeFile) ?? "runc"
        if File.isSame(name, "/proc/self/exe") {
            throw Refusal("the OCI runtime \"\(name)\" is causeway-oci itself; name another one in \(Self.runtimeFile)")
        }
        return name
    }

    private func setting(_ variable: String, _ file: String) throws(Refusal) -> String? {
        if let value = Self.environment(variable) { return value }
        return try firstWord(of: file)
    }

    private func firstWord(of file: String) throws(Refusal) -> String? {
        guard let text = try File.readIfPresent(file) else { return nil }
        let line = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isNewline).first ?? ""
        let word = String(line.drop { $0.isWhitespace }.prefix { !$0.isWhitespace })
        return word.isEmpty ? nil : word
    }

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
