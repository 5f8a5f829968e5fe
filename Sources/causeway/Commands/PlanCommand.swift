import ArgumentParser
import Foundation

/// The command `causeway plan`.
struct PlanCommand: ParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Shows what the daemon would change in the kernel now.",
        discussion: """
            Example:
              causeway plan

            The daemon compares what should be with what is; nothing is changed by asking.
            """)

    @Option(help: "text or json.")
    var format: Format = .text

    @Option(help: "The daemon's control socket.")
    var socket: String = ControlClient.defaultPath

    func run() throws {
        let plans = try ControlClient(socketPath: socket).plan()
        switch format {
        case .text: try Console.write(Self.text(plans), to: nil)
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try Console.write(String(decoding: try encoder.encode(plans), as: UTF8.self) + "\n", to: nil)
        }
    }

    private static func text(_ plans: [ControlClient.NamespacePlan]) -> String {
        let busy = plans.filter { !$0.steps.isEmpty }
        guard !busy.isEmpty else { return "nothing to change: the kernel is as it should be\n" }
        return busy.map { plan in
            "\(plan.namespace):\n" + plan.steps.map { "  \($0)\n" }.joined()
        }.joined(separator: "\n")
    }
}
