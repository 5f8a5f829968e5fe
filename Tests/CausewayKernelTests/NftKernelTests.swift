import CausewayKernel
import CausewayModel
import Foundation
import Testing

/// A network namespace that lives as long as the shell in it.
final class NftNamespace {
    /// Runs each script as one transaction in a new namespace, and returns the ruleset after each.
    static func listings(after scripts: [String]) throws -> [String] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("causeway-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var shell = "set -e\n"
        for (index, script) in scripts.enumerated() {
            try Data(script.utf8).write(to: folder.appendingPathComponent("\(index).nft"))
            shell += "nft -f \(index).nft\nnft -j list ruleset > \(index).json\n"
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["unshare", "-n", "sh", "-c", shell]
        process.currentDirectoryURL = folder
        let pipe = Pipe()
        process.standardError = pipe
        try process.run()
        let complaint = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(complaint.prefix(2000))")
        return try scripts.indices.map {
            try String(contentsOf: folder.appendingPathComponent("\($0).json"), encoding: .utf8)
        }
    }
}

/// Against the real nftables; needs root.
///
/// `CAUSEWAY_NETNS=1` asks for it.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["CAUSEWAY_NETNS"] == "1"), .serialized)
struct NftKernelTests {
    @Test func `the sample table comes back as it went in`() throws {
        let commands = try #require(Plan.Step.tableReplace(Sample.table).nftCommands)
        let listings = try NftNamespace.listings(after: [commands, commands])
        for listing in listings {
            #expect(try Nft.Table.read(json: listing).map(\.normalised) == [Sample.table.normalised])
        }
    }

    @Test(arguments: UInt64(1)...60)
    func `a table comes back as it went in, and so does a change of its elements`(seed: UInt64) throws {
        var random = RandomTables(generator: SeededGenerator(seed: seed))
        let first = random.table(named: "causeway")
        let second = random.changed(first)
        let plan = Plan(from: KernelState(tables: [first]), to: KernelState(tables: [second]))
        #expect(plan.steps.count <= 1, "seed \(seed)")
        var scripts = [try #require(Plan.Step.tableReplace(first).nftCommands)]
        for step in plan.steps {
            guard case .elementsChange = step else {
                Issue.record("seed \(seed): \(step)")
                continue
            }
            scripts.append(try #require(step.nftCommands))
        }
        let listings = try NftNamespace.listings(after: scripts)
        try expect(listings[0], first, seed)
        if let last = listings.dropFirst().first { try expect(last, second, seed) }
    }

    @Test func `a table of one family comes back as it went in`() throws {
        let resolver = Nft.Operand.value(address("127.0.0.11"))
        let table = Nft.Table(
            family: .ip, name: "causeway",
            chains: [
                Nft.Chain(
                    name: "output", base: .init(.nat, .output, priority: -100),
                    rules: ["udp", "tcp"].map {
                        Nft.Rule([
                            .match(.payload("ip", "daddr"), .equal, resolver),
                            .match(.payload($0, "dport"), .equal, .number(53)),
                            .dnat(Nft.NAT(family: .ip, address: resolver, port: .number(5353))),
                        ])
                    }),
                Nft.Chain(
                    name: "input", base: .init(.filter, .input, priority: 0),
                    rules: [
                        Nft.Rule([.match(.meta("l4proto"), .equal, .name("tcp")), .reject(.tcpReset)]),
                        Nft.Rule([.reject(.icmp("icmp", code: "port-unreachable"))]),
                    ]),
            ])
        let listing = try NftNamespace.listings(after: [try #require(Plan.Step.tableReplace(table).nftCommands)])
        try expect(listing[0], table, 0)
    }

    private func expect(_ listing: String, _ table: Nft.Table, _ seed: UInt64) throws {
        let read = try #require(try Nft.Table.read(json: listing).first).normalised
        let wanted = table.normalised
        #expect(read.sets.map(\.name) == wanted.sets.map(\.name), "seed \(seed)")
        for (read, wanted) in zip(read.sets, wanted.sets) where read != wanted {
            Issue.record("seed \(seed)\n--- read\n\(read.text)\n--- wanted\n\(wanted.text)")
        }
        #expect(read.chains.map(\.name) == wanted.chains.map(\.name), "seed \(seed)")
        for (read, wanted) in zip(read.chains, wanted.chains) {
            #expect(read.base == wanted.base, "seed \(seed)")
            #expect(read.rules.count == wanted.rules.count, "seed \(seed)")
            for (index, (a, b)) in zip(read.rules, wanted.rules).enumerated() where a != b {
                let original = table.chains.first { $0.name == read.name }?.rules[index].text ?? ""
                Issue.record(
                    "seed \(seed) rule\n    read     \(a.text)\n    wanted   \(b.text)\n    original \(original)")
            }
        }
    }
}
