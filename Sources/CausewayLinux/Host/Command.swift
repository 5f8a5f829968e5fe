import CLinux
import CausewayKernel
import Glibc

/// A program that is run to its end, its output caught.
///
/// It runs in the network namespace of the calling thread, which waits for it, and reads what it is given or nothing.
package struct Command: Sendable {
    package struct Output: Hashable, Sendable {
        package var status: Int32
        package var output: String
        package var errors: String
    }

    package let arguments: [String]
    package var environment: [String: String]
    /// What it reads.
    package var input: String?

    /// The first argument is the program, by path or by a name to be found in `searchPath`.
    package init(_ arguments: [String], environment: [String: String] = [:], input: String? = nil) {
        self.arguments = arguments
        self.environment = environment
        self.input = input
    }

    /// Where programs of system administration are, whatever the environment of the one who started us.
    package static let searchPath = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"

    /// Where a program is; `nil` when it is not installed.
    package static func find(_ name: String) -> String? {
        if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
        return searchPath.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// Runs it and waits.
    ///
    /// A status other than 0 is no error here: 128 and more is the signal that ended it.
    package func run() throws(KernelError) -> Output {
        let step = "run '\(arguments.joined(separator: " "))'"
        guard let name = arguments.first, let program = Self.find(name) else {
            throw KernelError(step, errno: ENOENT, advice: "install \(arguments.first ?? "it")")
        }
        var pipes = try Pipes(step)
        let process = try spawn(program, output: pipes.outputEnd, errors: pipes.errorEnd, step)
        let caught = pipes.drain()
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { throw KernelError(step, errno: errno) }
        }
        let signal = status & 0x7f
        return Output(
            status: signal == 0 ? status >> 8 & 0xff : 128 + signal,
            output: String(decoding: caught.output, as: UTF8.self),
            errors: String(decoding: caught.errors, as: UTF8.self))
    }

    /// A file in memory that holds what the program is to read; a pipe would have to be filled while it runs.
    private func inputFile(_ step: String) throws(KernelError) -> Int32? {
        guard let input else { return nil }
        let file = clinux_memory_file("input")
        guard file >= 0 else { throw KernelError(step, errno: errno, detail: "no file in memory for its input") }
        let bytes = Array(input.utf8)
        guard write(file, bytes, bytes.count) == bytes.count, lseek(file, 0, SEEK_SET) == 0 else {
            let failure = errno
            close(file)
            throw KernelError(step, errno: failure, detail: "no memory for its input")
        }
        return file
    }

    private func spawn(
        _ program: String, output: Int32, errors: Int32, _ step: String
    ) throws(KernelError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let file = try inputFile(step)
        defer { if let file { close(file) } }
        if let file {
            posix_spawn_file_actions_adddup2(&actions, file, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, errors, 2)
        clinux_spawn_close_others(&actions)
        var settings = ["PATH": Self.searchPath, "LC_ALL": "C"]
        settings.merge(environment) { $1 }
        var words = arguments.map { strdup($0) } + [nil]
        var variables = settings.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in words + variables { free(pointer) } }
        var process: pid_t = 0
        let failure = posix_spawn(&process, program, &actions, nil, &words, &variables)
        guard failure == 0 else { throw KernelError(step, errno: failure) }
        return process
    }
}

/// Two pipes from a child: what it writes, and what it complains.
private struct Pipes: ~Copyable {
    private var ends: [Int32] = [-1, -1, -1, -1]

    var outputEnd: Int32 { ends[1] }
    var errorEnd: Int32 { ends[3] }

    init(_ step: String) throws(KernelError) {
        for at in [0, 2] {
            var pair: [Int32] = [-1, -1]
            let failure = clinux_pipe(&pair)
            guard failure == 0 else { throw KernelError(step, errno: failure) }
            ends[at] = pair[0]
            ends[at + 1] = pair[1]
        }
    }

    deinit { for end in ends where end >= 0 { close(end) } }

    private mutating func shut(_ end: Int) {
        if ends[end] >= 0 { close(ends[end]) }
        ends[end] = -1
    }

    /// Reads both until the child has closed its ends.
    mutating func drain() -> (output: [UInt8], errors: [UInt8]) {
        shut(1)
        shut(3)
        var (output, errors): ([UInt8], [UInt8]) = ([], [])
        while ends[0] >= 0 || ends[2] >= 0 {
            var polled = [0, 2].map { pollfd(fd: ends[$0], events: Int16(POLLIN), revents: 0) }
            if poll(&polled, 2, -1) < 0, errno != EINTR { break }
            if polled[0].revents != 0, !Self.take(ends[0], &output) { shut(0) }
            if polled[1].revents != 0, !Self.take(ends[2], &errors) { shut(2) }
        }
        return (output, errors)
    }

    private static func take(_ descriptor: Int32, _ bytes: inout [UInt8]) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 16 * 1024)
        let count = read(descriptor, &buffer, buffer.count)
        if count > 0 { bytes.append(contentsOf: buffer[..<count]) }
        return count > 0 || (count < 0 && errno == EINTR)
    }
}
