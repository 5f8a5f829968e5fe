import ArgumentParser
import CausewayKernel
import Foundation

/// The command `causeway lab compare`.
struct LabCompareCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Measures one service on both data paths, beside each other.",
        discussion: """
            For a lab that was made with `causeway lab up --compare`, which has done it once already. One table: what a
            packet and its answer meet on each path, requests and new connections per second as a ratio to the same
            server as a process of the node, the client's address as the task sees it, new connections that fail while
            all tasks are replaced, and a connection that is idle for longer than IPVS remembers it. One picture: both
            ways. Measures with wrk(1).

            Example:
              causeway lab compare --rounds 5 --seconds 3
            """)

    @OptionGroup var lab: LabOptions
    @OptionGroup var options: CompareOptions

    func run() async throws {
        try requireRoot("measure in a lab")
        let record = try lab.folder.requireRecord()
        guard let swarms = record.swarms, swarms.count == LabSwarm.DataPath.allCases.count else {
            throw Failure(
                what: "the lab in \(lab.directory) has one data path", cause: "it was made without --compare",
                remedy: "causeway lab down, then: causeway lab up --nodes 2 --compare")
        }
        try await LabComparison.check(options, engineSocket: record.engineSocket)
        try await Self.compare(lab.folder, record, options)
    }

    /// Measures, and shows what came of it.
    static func compare(_ folder: LabFolder, _ record: LabRecord, _ options: CompareOptions) async throws {
        let comparison = LabComparison(folder: folder, record: record, options: options) { Console.note($0) }
        let report = try await comparison.run()
        switch options.format {
        case .text: try Console.write(report.text, to: nil)
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try Console.write(String(decoding: try encoder.encode(report), as: UTF8.self) + "\n", to: nil)
        }
        let picture = options.picture ?? folder.picturePath
        try Console.write(report.picture, to: picture)
        Console.note("the picture of both ways is \(picture)")
    }
}
