import Glibc

/// Where things are; the environment overrides the defaults, for tests.
struct Settings {
    static let runtimeFile = "/etc/causeway/oci-runtime"

    /// `CAUSEWAY_RUN`, else `/run/causeway`.
    var runDirectory: String { Self.environment("CAUSEWAY_RUN") ?? "/run/causeway" }

    /// How long a named namespace that is not there yet is waited for, in milliseconds (`CAUSEWAY_OCI_WAIT`).
    var patience: Int { Self.environment("CAUSEWAY_OCI_WAIT").flatMap { Int($0) } ?? 10_000 }

    /// The real runtime: `CAUSEWAY_OCI_RUNTIME`, else the first line of ``runtimeFile``, else `runc`.
    ///
    /// Refuses this executable itself, which would call itself for ever.
    func runtime() throws(Refusal) -> String {
        var name = Self.environment("CAUSEWAY_OCI_RUNTIME") ?? ""
        if name.isEmpty, let text = try File.readIfPresent(Self.runtimeFile) {
            let line = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isNewline).first ?? ""
            name = String(line.drop { $0.isWhitespace }.prefix { !$0.isWhitespace })
        }
        if name.isEmpty { name = "runc" }
        if File.isSame(name, "/proc/self/exe") {
            throw Refusal("the OCI runtime \"\(name)\" is causeway-oci itself; name another one in \(Self.runtimeFile)")
        }
        return name
    }

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
