import Glibc

/// What the daemon wrote down about where a container is to be started.
struct Place: Equatable {
    /// The path of the network namespace.
    var namespace: String
    /// A file that is there while the namespace is complete; `nil`: it is so when it is there.
    var marker: String?
    /// The daemon's socket to ask at before the start.
    var agent: String?

    /// Reads what the daemon wrote: the namespace, then lines `ready PATH` and `agent PATH`.
    ///
    /// Other lines are a later release's.
    init?(_ bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let first = lines.first, first.hasPrefix("/"), first.utf8.allSatisfy({ $0 >= 0x20 }) else { return nil }
        namespace = String(first)
        for line in lines.dropFirst() {
            if line.hasPrefix("ready /") { marker = String(line.dropFirst("ready ".count)) }
            if line.hasPrefix("agent /") { agent = String(line.dropFirst("agent ".count)) }
        }
    }
}

/// Time that only goes forward.
enum Clock {
    static var milliseconds: Int {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    }
}
