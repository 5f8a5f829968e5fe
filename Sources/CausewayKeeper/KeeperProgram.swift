import CLinux
import CausewaySockets
import Glibc
import Logging

/// The program `causeway-keeper`, to be started by whoever needs one.
package struct KeeperProgram: Sendable {
    package var path: String
    package var arguments: [String]

    package init(path: String, arguments: [String] = []) {
        self.path = path
        self.arguments = arguments
    }

    /// The one beside the calling program.
    package static var besideThis: String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = readlink("/proc/self/exe", &buffer, Int(PATH_MAX))
        guard count > 0 else { return nil }
        var path = String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
        // What the kernel calls a program whose file was replaced.
        let gone = " (deleted)"
        if path.hasSuffix(gone) { path.removeLast(gone.count) }
        guard let slash = path.lastIndex(of: "/") else { return nil }
        return path[...slash] + "causeway-keeper"
    }

    /// Starts it in a session of its own, so that no signal to the caller's group reaches it; it writes to the caller's
    /// stderr.
    ///
    /// `ended` gets its exit status, or 128 and the signal, when it ends before the caller.
    func start(ended: @escaping @Sendable (Int32) -> Void) throws(KeeperError) -> pid_t {
        let id = try spawn(arguments, isQuiet: false)
        try Detached.start { ended(Self.wait(for: id)) }
        return id
    }

    /// Runs it just long enough to see that it can run on this machine.
    func tryOut() throws(KeeperError) {
        let status = Self.wait(for: try spawn(["--version"], isQuiet: true))
        guard status == 0 else {
            throw KeeperError(description: "\(path) --version ended with \(status); it is not taken as a keeper")
        }
    }

    private func spawn(_ arguments: [String], isQuiet: Bool) throws(KeeperError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        if isQuiet {
            posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        } else {
            posix_spawn_file_actions_adddup2(&actions, 2, 1)
        }
        // It outlives us: a socket of ours in its hands would keep a port taken, and a connection open, after our death.
        clinux_spawn_close_others(&actions)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        // POSIX_SPAWN_SETSID has no name in Swift's Glibc; <spawn.h>: 0x80.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | 0x80))
        var pointers = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var id: pid_t = 0
        let failure = posix_spawn(&id, path, &actions, &attributes, &pointers, environ)
        guard failure == 0 else {
            throw KeeperError(description: "cannot start \(path): \(String(cString: strerror(failure)))")
        }
        return id
    }

    private static func wait(for id: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0 { guard errno == EINTR else { return 0 } }
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }
}
