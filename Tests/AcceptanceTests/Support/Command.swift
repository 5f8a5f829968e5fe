import Foundation

/// A command that is run to its end, with everything that it said.
struct Command: Sendable {
    var words: [String]
    var environment: [String: String] = [:]
    var input: String?
    var limit: Duration = .seconds(90)

    init(_ words: [String]) { self.words = words }

    /// What a command said, and how it ended.
    struct Said: Sendable {
        var command: String
        var status: Int32
        var out: String
        var err: String

        var succeeded: Bool { status == 0 }
        /// Both streams, for messages that a tool may print on either.
        var all: String { out + err }
        var lines: [String] { out.split(separator: "\n").map(String.init) }
        var trimmed: String { out.trimmingCharacters(in: .whitespacesAndNewlines) }
    }

    struct Failure: Error, CustomStringConvertible {
        var said: Said
        var description: String { "`\(said.command)` ended with \(said.status): \(said.err)\(said.out)" }
    }

    /// Runs it, whatever comes of it.
    ///
    /// Its output goes through files, so that no pipe can fill up.
    func attempt() async throws -> Said {
        let folder = FileManager.default.temporaryDirectory.appending(path: "causeway-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (stdin, out) = (folder.appending(path: "in"), folder.appending(path: "out"))
        let err = folder.appending(path: "err")
        try Data((input ?? "").utf8).write(to: stdin)
        let process = try Spawned(words, environment: environment, input: stdin.path, out: out.path, err: err.path)
        let status = await end(of: process)
        return Said(
            command: words.joined(separator: " "), status: status,
            out: String(decoding: try Data(contentsOf: out), as: UTF8.self),
            err: String(decoding: try Data(contentsOf: err), as: UTF8.self))
    }

    /// Runs it, and throws when it does not end with 0.
    @discardableResult func run() async throws -> Said {
        let said = try await attempt()
        guard said.succeeded else { throw Failure(said: said) }
        return said
    }

    /// Waits for the end; a process that runs past the limit is ended.
    private func end(of process: Spawned) async -> Int32 {
        let watchdog = Task { [limit] in
            try await Task.sleep(for: limit * Machine.slowness)
            process.signal(SIGKILL)
        }
        defer { watchdog.cancel() }
        return await process.status
    }
}

/// Runs a command and returns what it printed; throws when it fails.
@discardableResult func shell(_ words: String...) async throws -> Command.Said {
    try await Command(words).run()
}

/// Asks again and again until the answer is there, and throws when time is up.
///
/// For what has no event to wait for: the state of a container, a line in a log.
@discardableResult func eventually<T>(
    _ what: String, within limit: Duration = .seconds(30), isolation: isolated (any Actor)? = #isolation,
    _ look: () async throws -> T?
) async throws -> T {
    let deadline = ContinuousClock.now + limit * Machine.slowness
    var last: (any Error)?
    repeat {
        do {
            if let found = try await look() { return found }
            last = nil
        } catch { last = error }
        try await Task.sleep(for: .milliseconds(150))
    } while ContinuousClock.now < deadline
    throw InVain(what: what, limit: limit, last: last)
}

struct InVain: Error, CustomStringConvertible {
    var what: String
    var limit: Duration
    var last: (any Error)?

    var description: String {
        "waited \(limit) in vain for \(what)" + (last.map { "; the last try failed: \($0)" } ?? "")
    }
}
