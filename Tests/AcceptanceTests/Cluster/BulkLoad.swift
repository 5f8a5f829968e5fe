import Foundation
import Testing

/// Many bytes over one connection, there and back (Tests/Support/bulk.c).
struct Bulk: Sendable {
    var address: String
    var port: Int
    var bytes = 10 << 20
    var seconds = 20

    struct Result: Decodable, Sendable, CustomStringConvertible {
        var sent: Int
        var received: Int
        var ms: Int
        /// The client's largest segment at the end.
        var mss: Int
        /// How many segments were sent more than once, by the client and by the server.
        var again: Int
        var again_there: Int
        var failed: String

        var description: String {
            "\(sent) bytes there, \(received) back, in \(ms) ms, segments of \(mss), again \(again) and \(again_there)"
                + (failed.isEmpty ? "" : ", \(failed)")
        }
    }

    static let program = "/run/causeway-test-bulk"

    static func build() async throws {
        let source = Machine.root.appending(path: "Tests/Support/bulk.c").path
        try await shell("cc", "-O2", "-Wall", "-Werror", "-static", "-o", program, source)
    }

    func run(at place: Machine.Place) async throws -> Result {
        let words = [Self.program, "ask", address, "\(port)", "\(bytes)", "\(seconds)"]
        let said = try await Command(place.wrap(words)).attempt()
        do { return try JSONDecoder().decode(Result.self, from: Data(said.out.utf8)) } catch {
            throw Command.Failure(said: said)
        }
    }

    /// Serves in a task's network, on a port of its own, while a body runs.
    static func serving(_ port: Int, in place: Machine.Place, body: () async throws -> Void) async throws {
        let log = "/run/causeway-test-bulk.log"
        let server = try Spawned(place.wrap([program, "serve", "\(port)"]), out: log, err: log)
        do {
            try await eventually("the server on port \(port)") {
                try await Command(place.wrap(["ss", "-Hltn", "sport = :\(port)"])).run().trimmed.isEmpty ? nil : true
            }
            try await body()
        } catch {
            await server.stop(SIGKILL)
            throw error
        }
        await server.stop(SIGKILL)
    }
}
