import Foundation
import Synchronization
import Testing

/// Many requests, each on a connection of its own, and who answered them (Tests/Support/load.c).
struct Load: Sendable {
    enum Transport: String, Sendable, CaseIterable { case http, udp }

    var transport: Transport
    var address: String
    var port: Int
    var count = 1
    var atOnce = 32
    var timeout: Duration = .seconds(5)
    /// The source port of the first request, each other having the next; `nil`: as the system chooses.
    var from: Int?

    struct Result: Decodable, Sendable, CustomStringConvertible {
        var requested: Int
        var answered: Int
        /// How many failed, by kind, such as `timeout`, `refused`, `reset`, `unreachable`.
        var failed: [String: Int]
        /// How many each replica answered, by its host name.
        var replicas: [String: Int]
        /// How many times each caller's address was seen by a server.
        var clients: [String: Int]
        /// How many answers show the port that the request was sent from.
        var portsKept: Int

        enum CodingKeys: String, CodingKey {
            case requested, answered, failed, replicas, clients
            case portsKept = "ports_kept"
        }

        var description: String {
            "\(answered) of \(requested) answered, failed: \(failed), replicas: \(replicas), clients: \(clients), \(portsKept) ports kept"
        }
    }

    static let program = "/run/causeway-test-load"

    /// Compiles the client for use from the host's namespaces.
    static func build() async throws {
        let source = Machine.root.appending(path: "Tests/Support/load.c").path
        try await shell("cc", "-O2", "-Wall", "-Werror", "-o", program, source)
    }

    func run(at place: Machine.Place) async throws -> Result {
        let milliseconds = timeout.components.seconds * 1000 + timeout.components.attoseconds / 1_000_000_000_000_000
        let words =
            [
                Self.program, transport.rawValue, address, "\(port)", "\(count)", "\(atOnce)", "--timeout",
                "\(milliseconds)",
            ] + (from.map { ["--from", "\($0)"] } ?? [])
        let said = try await Command(place.wrap(words)).attempt()
        do {
            return try JSONDecoder().decode(Result.self, from: Data(said.out.utf8))
        } catch { throw Command.Failure(said: said) }
    }
}

/// Source ports that nobody has had for long: from a range that the system does not choose from, one after the other.
enum SourcePorts {
    private static let range = 2_000..<32_000
    private static let free = Mutex(range.lowerBound)

    /// The first of so many that follow each other.
    static func next(_ count: Int) -> Int {
        free.withLock { free in
            if free + count > range.upperBound { free = range.lowerBound }
            defer { free += count }
            return free
        }
    }
}

/// Expects that all was answered, by every replica with its fair share to 3 points, and that all saw one caller.
func expectEvenly(
    _ result: Load.Result, among replicas: [String], seeing client: String?,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(result.answered == result.requested, "\(result)", sourceLocation: sourceLocation)
    #expect(result.replicas.keys.sorted() == replicas.sorted(), "\(result)", sourceLocation: sourceLocation)
    if let client { #expect(Array(result.clients.keys) == [client], "\(result)", sourceLocation: sourceLocation) }
    let fair = 1 / Double(replicas.count)
    // A slot is one of 64, and chance adds its own: four standard deviations of so many throws.
    let chance = 4 * (fair * (1 - fair) / Double(max(result.requested, 1))).squareRoot()
    let allowed = max(0.03, chance + 1.0 / 64)
    for (name, count) in result.replicas {
        let share = Double(count) / Double(result.requested)
        #expect(
            abs(share - fair) <= allowed, "\(name) has \(share) of \(fair): \(result)", sourceLocation: sourceLocation)
    }
}
