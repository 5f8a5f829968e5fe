import ArgumentParser
import CausewayKernel
import CausewayPath
import Foundation

/// The command `causeway exposure`.
struct ExposureCommand: AsyncParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "exposure",
        abstract: "Shows every port that can be reached from outside: from where, and what it leads to.",
        discussion: """
            Published ports, Docker's own, and the host's processes, for each address, protocol and family, by the same \
            walk as `causeway path`: a source, a firewall's rule and a bound address count as they do in the kernel. \
            It also says where the firewall's rules for the host and what happens are two things.

            Example:
              causeway exposure
              causeway exposure --from task:web.1
              causeway snapshot -o node-a.json && causeway exposure --input node-a.json --format json

            Nothing is sent and nothing is changed; no daemon is needed. Read as root, or much stays hidden.

            Exit status: 0 all is said, 3 the firewall disagrees, 4 a rule is not understood, 64 usage, 1 other errors.
            """)

    @Option(
        help: ArgumentHelp(
            "Who calls: everybody outside, or 'host', or task:NAME, or a container.", valueName: "origin"))
    var from: String?

    @Option(help: "text or json.")
    var format: Format = .text

    @Option(name: [.customShort("o"), .long], help: "Write to this file.")
    var output: String?

    @Option(help: "Read this snapshot instead of the host's kernel.")
    var input: String?

    func run() async throws {
        let inventory = try await InventorySource.read(input)
        let exposure = try ExposureSurvey(inventory, from: from).run()
        switch format {
        case .text: try Console.write(exposure.text, to: output)
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try Console.write(String(decoding: try encoder.encode(exposure), as: UTF8.self) + "\n", to: output)
        }
        for gap in inventory.gaps { Console.note("not read: \(gap)") }
        if !exposure.isCertain { throw ExitCode(4) }
        if !exposure.disagreements.isEmpty { throw ExitCode(3) }
    }
}
