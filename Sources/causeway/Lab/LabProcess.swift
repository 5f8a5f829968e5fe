import CausewayLinux
import Foundation
import Glibc

/// A process that was started for a lab, told apart from a later one with the same number.
struct LabProcess: Codable, Hashable {
    var id: Int32
    /// In ticks since the boot, as /proc says.
    var startTime: UInt64

    /// The process that has the number now.
    init?(_ id: Int32) {
        guard let time = Self.startTime(of: id) else { return nil }
        self.id = id
        startTime = time
    }

    var isAlive: Bool { Self.startTime(of: id) == startTime }

    func signal(_ number: Int32) { if isAlive { kill(id, number) } }

    /// Field 22 of /proc/ID/stat; the name in field 2 may hold anything.
    ///
    /// `nil` for one that has ended.
    private static func startTime(of id: Int32) -> UInt64? {
        guard let text = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z" else { return nil }
        return UInt64(fields[19])
    }

    /// Asks processes to end, and insists after a while.
    static func end(_ processes: [LabProcess], patience: Duration) async {
        for process in processes { process.signal(SIGTERM) }
        let deadline = ContinuousClock.now + patience
        while processes.contains(where: \.isAlive) {
            if ContinuousClock.now > deadline {
                for process in processes { process.signal(SIGKILL) }
            }
            do { try await Task.sleep(for: .milliseconds(20)) } catch { return }
            reap()
        }
    }

    /// Takes notice of children of ours that have ended; those of others are others'.
    private static func reap() {
        while waitpid(-1, nil, WNOHANG) > 0 {}
    }

    /// Starts a program in a namespace, in a session of its own, so that it outlives us; its output is appended to a file.
    static func start(_ words: [String], in namespace: NetworkNamespace, log: String) async throws -> LabProcess {
        let id = try await namespace.perform { try spawn(words, log: log) }
        guard let process = LabProcess(id) else {
            throw Failure(what: "\(words[0]) ended at once", cause: "see \(log)", remedy: "")
        }
        return process
    }

    /// The child is in the namespace of the calling thread.
    private static func spawn(_ words: [String], log: String) throws(Failure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        // POSIX_SPAWN_SETSID is behind _GNU_SOURCE.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | 0x80)
        var arguments = words.map { strdup($0) } + [nil]
        // Nothing of ours: a variable CAUSEWAY_… would win over the node's own file.
        var variables = [strdup("PATH=\(Command.searchPath)"), nil]
        defer { for pointer in arguments + variables { free(pointer) } }
        var id: pid_t = 0
        let failure = posix_spawn(&id, words[0], &actions, &attributes, &arguments, &variables)
        guard failure == 0 else {
            throw Failure(
                what: "cannot start \(words[0])", cause: String(cString: strerror(failure)),
                remedy: "causewayd has to be in the folder of causeway")
        }
        return id
    }
}
