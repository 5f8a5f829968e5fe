import Foundation

/// New connections, long ones and datagrams at a rate, over several addresses in turn (Tests/Support/steady.c).
struct Steady: Sendable {
    var addresses: [String]
    var port = 8080
    /// New connections in a second.
    var new: Int?
    /// Connections that stay open.
    var long: Int?
    /// Datagrams in a second.
    var udp: Int?
    var timeout: Duration = .seconds(5)

    struct Result: Decodable, Sendable, CustomStringConvertible {
        struct Account: Decodable, Sendable {
            var asked: Int
            var answered: Int
            /// By kind: `timeout`, `refused`, `reset`, `closed`, `unreachable`.
            var failed: [String: Int]
            var slowest_ms: Int
            var ended: Int
            /// Between two answers.
            var longest_silence_ms: Int?

            var failures: Int { failed.values.reduce(0, +) }
        }

        var new: Account
        var long: Account
        var udp: Account
        var replicas: [String: Int]
        var clients: [String: Int]

        var description: String {
            let parts = [("new", new), ("long", long), ("udp", udp)].filter { $0.1.asked > 0 }.map { name, account in
                let silence = account.longest_silence_ms.map { ", longest silence \($0) ms" } ?? ""
                return "\(name): \(account.answered) of \(account.asked) answered, failed: \(account.failed), "
                    + "slowest \(account.slowest_ms) ms, ended \(account.ended)\(silence)"
            }
            return (parts + ["replicas: \(replicas)", "clients: \(clients)"]).joined(separator: "; ")
        }
    }

    static let program = "/run/causeway-test-steady"

    static func build() async throws {
        let source = Machine.root.appending(path: "Tests/Support/steady.c").path
        try await AcceptanceTests.shell("cc", "-O2", "-Wall", "-Werror", "-o", program, source)
    }

    /// Starts it; it runs until it is stopped.
    func start(at place: Machine.Place) throws -> Running {
        var words = [Self.program, "\(port)", "86400"] + addresses
        for (name, value) in [("--new", new), ("--long", long), ("--udp", udp)] {
            if let value { words += [name, "\(value)"] }
        }
        words += [
            "--timeout",
            "\(timeout.components.seconds * 1000 + timeout.components.attoseconds / 1_000_000_000_000_000)",
        ]
        let out = "/run/causeway-test-steady-\(UUID().uuidString)"
        return Running(process: try Spawned(place.wrap(words), out: out, err: out + ".err"), out: out)
    }

    /// Runs a body while it runs, and says what came of it.
    func during(at place: Machine.Place, _ body: () async throws -> Void) async throws -> Result {
        let running = try start(at: place)
        do { try await body() } catch {
            let result = try? await running.stop()
            throw Context(error: error, notes: [result?.description ?? "the steady client said nothing"])
        }
        return try await running.stop()
    }

    /// Runs a body while several run, and says what came of each, in their order.
    static func during(
        _ clients: [(client: Steady, place: Machine.Place)], _ body: () async throws -> Void
    ) async throws -> [Result] {
        guard let first = clients.first else {
            try await body()
            return []
        }
        var others: [Result] = []
        let own = try await first.client.during(at: first.place) {
            others = try await during(Array(clients.dropFirst()), body)
        }
        return [own] + others
    }

    /// A client that runs.
    struct Running: Sendable {
        var process: Spawned
        var out: String

        /// Waits for what is under way, and says what came of all.
        func stop() async throws -> Result {
            await process.stop(SIGTERM)
            let data = try Data(contentsOf: URL(filePath: out))
            do { return try JSONDecoder().decode(Result.self, from: data) } catch {
                let said = (try? String(contentsOfFile: out + ".err", encoding: .utf8)) ?? ""
                throw Context(error: error, notes: [String(decoding: data, as: UTF8.self), said])
            }
        }
    }
}
