import ArgumentParser
import Foundation

/// The command `causeway lab status`.
struct LabStatusCommand: AsyncParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows the lab's nodes: addresses, daemons, roles, and how far each is.",
        discussion: """
            Example:
              causeway lab status --format json

            Exit status: 0 all daemons run, 3 one has ended, 1 other errors.
            """)

    @OptionGroup var lab: LabOptions

    @Option(help: "text or json.")
    var format: Format = .text

    func run() async throws {
        try requireRoot("look at a lab")
        let report = LabReport(lab.folder, try lab.folder.requireRecord())
        switch format {
        case .text: try Console.write(report.text, to: nil)
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try Console.write(String(decoding: try encoder.encode(report), as: UTF8.self) + "\n", to: nil)
        }
        guard report.nodes.allSatisfy(\.isAlive) else { throw ExitCode(3) }
    }
}
