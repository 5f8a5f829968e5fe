import ArgumentParser
import CausewayKernel
import CausewayLinux
import Foundation

/// The command `causeway snapshot`.
struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Saves the network state of this host's namespaces as one JSON file, for --input elsewhere.",
        discussion: """
            Example:
              causeway snapshot -o node-a.json
              causeway path web:8080 --input node-a.json
              causeway snapshot --recipe | ssh root@node-b sh -s - /tmp/node-b

            Where nothing may be installed, --recipe prints a shell script that writes a folder with what the host's own \
            programs say; copied here, the folder is an --input too.

            The file has addresses, routes, rules, sockets and names of containers, and no packet contents.
            """)

    @Option(name: [.customShort("o"), .long], help: "Write to this file instead of standard output.")
    var output: String?

    @Flag(help: "Print a shell script that records a host without causeway.")
    var recipe = false

    func run() async throws {
        guard !recipe else { return try Console.write(RecordingRecipe.script, to: output) }
        let inventory = try await InventorySource.reader.read()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try Console.write(String(decoding: try encoder.encode(inventory), as: UTF8.self) + "\n", to: output)
        for gap in inventory.gaps { Console.note("not read: \(gap)") }
    }
}
