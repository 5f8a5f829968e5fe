import CausewayModel
import CausewayPath
import Foundation

/// Which ports of an address answer, by asking all of them (Tests/Support/scan.c).
struct Scan: Sendable {
    var transport: Packet.Transport
    var address: String
    var ports: ClosedRange<UInt16>
    var source: String?

    private struct Result: Decodable {
        var open: [UInt16]
        var failed: Int
    }

    static let program = "/run/causeway-test-scan"

    static func build() async throws {
        let source = Machine.root.appending(path: "Tests/Support/scan.c").path
        try await shell("cc", "-O2", "-Wall", "-Werror", "-o", program, source)
    }

    func run(at place: Machine.Place) async throws -> Set<UInt16> {
        var words = [
            Self.program, transport.rawValue, address, "\(ports.lowerBound)", "\(ports.upperBound)", "--at-once",
            "4000",
            "--timeout", transport == .tcp ? "400" : "600",
        ]
        if let source { words += ["--bind", source] }
        let said = try await Command(place.wrap(words)).run()
        let result = try JSONDecoder().decode(Result.self, from: Data(said.out.utf8))
        guard result.failed == 0 else { throw Command.Failure(said: said) }
        return Set(result.open)
    }
}

extension Exposure {
    /// As `causeway exposure` says it now.
    static func read(_ options: String...) async throws -> Exposure {
        var command = Command([Machine.executable("causeway"), "exposure", "--format", "json"] + options)
        // The lens asks the engine whose namespaces are whose.
        command.environment["DOCKER_HOST"] = "unix://\(Cluster.engineSocket)"
        let said = try await command.attempt()
        guard [0, 3].contains(said.status) else { throw Command.Failure(said: said) }
        return try JSONDecoder().decode(Exposure.self, from: Data(said.out.utf8))
    }

    /// The ports of an address that a source can reach, within a range.
    func open(_ transport: Packet.Transport, at address: String, from source: String?, in ports: ClosedRange<UInt16>)
        -> Set<UInt16>
    {
        let found = openings.filter { opening in
            opening.transport == transport && opening.address == IPAddress(address)
                && (source.flatMap { IPAddress($0) }.map { opening.allows($0) } ?? true)
                && opening.lastPort >= ports.lowerBound
        }
        return Set(found.flatMap { max($0.firstPort, ports.lowerBound)...max($0.lastPort, ports.lowerBound) })
            .filter { ports.contains($0) }
    }
}

extension Exposure.Opening {
    fileprivate func allows(_ source: IPAddress) -> Bool {
        from.contains { $0.prefix.contains(source) && !$0.except.contains { $0.contains(source) } }
    }
}
