import Foundation
import Glibc

/// A process that was started: its streams are files, its end is waited for on a thread of its own.
///
/// Not Foundation's `Process`, which crashes after some thousand runs on Linux.
final class Spawned: Sendable {
    let id: pid_t
    private let ending: Task<Int32, Never>

    struct CannotStart: Error, CustomStringConvertible {
        var words: [String]
        var code: Int32
        var description: String { "cannot start `\(words.joined(separator: " "))`: \(String(cString: strerror(code)))" }
    }

    /// Starts a program, which is looked for in PATH, with files for its streams.
    ///
    /// Output is appended.
    init(_ words: [String], environment: [String: String] = [:], input: String = "/dev/null", out: String, err: String)
        throws
    {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, err, O_WRONLY | O_CREAT | O_APPEND, 0o600)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let merged = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        let arguments = CStrings(words)
        let variables = CStrings(merged.map { "\($0)=\($1)" })
        var id: pid_t = 0
        let code = posix_spawnp(&id, words[0], &actions, &attributes, arguments.pointers, variables.pointers)
        guard code == 0 else { throw CannotStart(words: words, code: code) }
        self.id = id
        ending = Self.waiting(for: id)
    }

    /// The exit status, or 128 and the signal, once it has ended.
    var status: Int32 { get async { await ending.value } }

    func signal(_ number: Int32) { kill(id, number) }

    /// Asks it to end, and waits until it has.
    @discardableResult func stop(_ number: Int32 = SIGTERM) async -> Int32 {
        signal(number)
        return await status
    }

    private static func waiting(for id: pid_t) -> Task<Int32, Never> {
        Task {
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    var status: Int32 = 0
                    while waitpid(id, &status, 0) == -1, errno == EINTR {}
                    let signal = status & 0x7f
                    continuation.resume(returning: signal == 0 ? (status >> 8) & 0xff : 128 + signal)
                }
            }
        }
    }
}

/// Strings as C wants them, for as long as this lives.
private final class CStrings {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        pointers = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() { pointers[index] = strdup(string) }
        pointers[count] = nil
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}
