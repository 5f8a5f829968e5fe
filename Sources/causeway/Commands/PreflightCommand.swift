import ArgumentParser
import CausewayLinux
import CausewayModel
import Foundation

/// The command `causeway preflight`.
struct PreflightCommand: AsyncParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "preflight",
        abstract: "Tries what a node needs of the kernel and of Docker Engine, and says what is missing.",
        discussion: """
            Each thing is tried, in a network namespace that nobody else sees and that is gone afterwards: versions say \
            little. What is missing is named with the kernel's own words, what that disables, and what to do.

            Example:
              sudo causeway preflight

            Exit status: 0 nothing essential is missing, 3 something essential is, 64 usage, 1 other errors.
            """)

    @Option(help: "text or json.")
    var format: Format = .text

    @Option(help: "Docker Engine's socket.")
    var engineSocket = "/var/run/docker.sock"

    @Option(help: "The name under which the engine knows causeway-oci.")
    var runtime = "causeway"

    func run() async throws {
        let kernel = await Preflight.kernel()
        let engine = Preflight.engine(EngineOwners(socketPath: engineSocket).problems(runtime: runtime))
        let preflight = Preflight(kernel.results + engine.results)
        switch format {
        case .text: try Console.write(preflight.text, to: nil)
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try Console.write(String(decoding: try encoder.encode(preflight), as: UTF8.self) + "\n", to: nil)
        }
        if !preflight.obstacles.isEmpty { throw ExitCode(3) }
    }
}
