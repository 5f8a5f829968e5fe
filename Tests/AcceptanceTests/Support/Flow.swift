import Foundation

/// Datagrams on sockets that stay, and when which replica answered each (Tests/Support/flow.c).
struct Flow: Sendable {
    static let program = "/run/causeway-test-flow"

    /// Something that a sender saw.
    struct Event: Sendable, CustomStringConvertible {
        /// In milliseconds since 1970.
        var time: Int
        var socket: Int
        /// The replica that answered; `nil` where the network sent an error back.
        var replica: String?
        /// `refused`, `unreachable`, `too-long`.
        var error: String?
        /// The path's MTU, of `too-long`.
        var mtu: Int?

        init?(_ line: Substring) {
            let words = line.split(separator: " ").map(String.init)
            guard words.count >= 4, let time = Int(words[0]), let socket = Int(words[1]) else { return nil }
            (self.time, self.socket) = (time, socket)
            if words[2] == "answer" {
                replica = words[3]
            } else {
                error = words[3]
                mtu = words.count > 4 ? Int(words[4]) : nil
            }
        }

        var description: String { "\(time) \(socket) \(replica ?? error ?? "")" }
    }

    private let process: Spawned
    private let out: String

    static func build() async throws {
        let source = Machine.root.appending(path: "Tests/Support/flow.c").path
        try await shell("cc", "-O2", "-Wall", "-Werror", "-o", program, source)
    }

    /// Starts one; it sends until it is stopped.
    init(
        to address: String, port: Int, rate: Int = 100, sockets: Int = 1, size: Int? = nil, at place: Machine.Place
    ) throws {
        var words = [Self.program, "\(port)", "\(rate)", address, "--sockets", "\(sockets)"]
        if let size { words += ["--size", "\(size)"] }
        out = "/run/causeway-test-flow-\(UUID().uuidString)"
        process = try Spawned(place.wrap(words), out: out, err: out)
    }

    /// What it has seen until now.
    var events: [Event] {
        let text = (try? String(contentsOfFile: out, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { Event($0) }
    }

    func events(since time: Int) -> [Event] { events.filter { $0.time >= time } }

    /// Waits for an event that has come, or comes, since a moment.
    @discardableResult
    func event(
        _ what: String, since time: Int, within limit: Duration = .seconds(10), _ matches: (Event) -> Bool
    ) async throws -> Event {
        do {
            return try await eventually(what, within: limit) { events(since: time).first(where: matches) }
        } catch { throw Context(error: error, notes: [events.suffix(20).map(\.description).joined(separator: "\n")]) }
    }

    func stop() async { await process.stop() }

    /// Runs a body while one sends.
    func during<T>(_ body: () async throws -> T) async throws -> T {
        do {
            let result = try await body()
            await stop()
            return result
        } catch {
            await stop()
            throw error
        }
    }

    /// Now, as its events say it.
    static var now: Int { Int(Date().timeIntervalSince1970 * 1000) }
}

/// One source port through several addresses at once (Tests/Support/oneport.c).
struct OnePort: Sendable {
    static let program = "/run/causeway-test-oneport"

    /// What came back through one address.
    struct Answer: Sendable, CustomStringConvertible {
        var round: Int
        var sourcePort: Int
        var address: String
        /// The replica, the caller and the caller's port as it saw them; `nil` where nothing came.
        var seen: (replica: String, client: String, port: Int)?

        var description: String {
            "round \(round), \(sourcePort) > \(address): "
                + (seen.map { "\($0.replica) saw \($0.client) \($0.port)" } ?? "failed")
        }
    }

    static func build() async throws {
        let source = Machine.root.appending(path: "Tests/Support/oneport.c").path
        try await shell("cc", "-O2", "-Wall", "-Werror", "-o", program, source)
    }

    static func run(
        _ transport: String, from sourcePort: Int, port: Int, addresses: [String], rounds: Int, at place: Machine.Place
    ) async throws -> [Answer] {
        let words = [program, transport, "\(sourcePort)", "\(port)"] + addresses + ["--rounds", "\(rounds)"]
        return try await Command(place.wrap(words)).attempt().lines.compactMap { line in
            let words = line.split(separator: " ").map(String.init)
            guard words.count >= 5, let round = Int(words[0]), let source = Int(words[1]) else { return nil }
            let seen = words.count == 6 ? Int(words[5]).map { (words[3], words[4], $0) } : nil
            return Answer(round: round, sourcePort: source, address: words[2], seen: seen)
        }
    }
}
