import CausewayTestKit
import Foundation
import Testing

/// `causeway lab up --compare` as a user runs it, on a kernel that can build both data paths.
@Suite(
    .serialized, .enabled(if: VirtualMachine.isHere, Comment(rawValue: VirtualMachine.whyNot)),
    .timeLimit(.minutes(15)))
struct VirtualMachineComparisonTests {
    /// What of the report is looked at.
    private struct Report: Decodable {
        struct Counts: Decodable {
            var bridges, balancers, natTables, stacks: Int
        }
        struct Load: Decodable { var ratio: Double }
        struct Way: Decodable {
            var dataPath: String
            var place: String?
            var counts: Counts?
            var requests: Load?
            var connections: Load?
        }
        struct Update: Decodable { var counts: [String: Int] }
        struct Seen: Decodable {
            var dataPath, client, idle: String
            var update: Update
        }

        var client: String
        var ways: [Way]
        var seen: [Seen]
    }

    /// Speed is for `scripts/compare-paths` to say: here each case has only to be there.
    @Test func `one service on both data paths: what is met, who is seen, what fails`() async throws {
        // Not below /run or /tmp: the machine has its own.
        let out = Machine.root.appending(path: ".build/compared").path
        try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
        let programs = URL(filePath: Machine.executable("causeway")).deletingLastPathComponent().path
        var command = Command([
            "scripts/machine", "--engine", "scripts/compare-paths", "--inside", out, programs, "--rounds", "1",
            "--seconds", "1", "--format", "json",
        ])
        command.limit = .seconds(800)
        let said = try await command.run()
        let report = try JSONDecoder().decode(Report.self, from: Data(said.out.utf8))

        #expect(
            report.ways.map { "\($0.dataPath) \($0.place ?? "")" }
                == ["host ", "direct here", "direct there", "classic here", "classic there"])
        for way in report.ways { #expect(way.requests?.ratio ?? 0 > 0 && way.connections?.ratio ?? 0 > 0) }
        let (direct, classic) = (try #require(report.ways[2].counts), try #require(report.ways[4].counts))
        #expect(classic.bridges == 3 && classic.balancers == 1)
        #expect(direct.bridges == 0 && direct.stacks < classic.stacks && direct.natTables < classic.natTables)

        let seen = Dictionary(uniqueKeysWithValues: report.seen.map { ($0.dataPath, $0) })
        let (ours, theirs) = (try #require(seen["direct"]), try #require(seen["classic"]))
        #expect(ours.client == report.client && theirs.client != report.client)
        #expect(ours.idle == "answered" && theirs.idle != "answered")
        #expect(ours.update.counts.keys.sorted() == ["answered"], "\(ours.update.counts)")
        #expect(theirs.update.counts["answered"] ?? 0 > 0)
        let picture = try String(contentsOfFile: "\(out)/compare.svg", encoding: .utf8)
        #expect(picture.contains("direct: the task is") && picture.contains("classic: the task is"))
    }
}
