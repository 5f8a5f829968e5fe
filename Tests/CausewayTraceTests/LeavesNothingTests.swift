import CausewayKernel
import CausewayLinux
import CausewayTestKit
import Foundation
import Glibc
import Testing

/// A tracer that is killed takes everything with it: tables, programs, sockets.
@Suite(.serialized, .enabled(if: TestNamespace.isAllowed, Comment(rawValue: TestNamespace.whyNot)))
struct LeavesNothingTests {
    private static let executable = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: ".build/debug/causeway").path

    @Test(arguments: [SIGKILL, SIGTERM, SIGINT])
    func `nothing is left behind, whatever ends it`(_ signal: Int32) async throws {
        // Under names that the command finds.
        let client = try await TestNamespace("cwtrace")
        let server = try await TestNamespace("cwtrace")
        try await client.shell(
            """
            ip link add c0 type veth peer name s0 netns \(server.name)
            ip addr add 10.1.1.2/24 dev c0; ip link set c0 up
            """)
        try await server.shell("ip addr add 10.1.1.1/24 dev s0; ip link set s0 up")
        let before = try await state(client, server)

        let words = ["trace", "10.1.1.1:80", "--from", client.name, "--wait", "--timeout", "60"]
        let process = Process()
        process.executableURL = URL(filePath: Self.executable)
        process.arguments = words
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        var isThere = false
        for _ in 0..<100 where !isThere {
            try await Task.sleep(for: .milliseconds(100))
            let now = try await state(client, server)
            isThere = now.tables.count == 2 && now.programs > before.programs
        }
        #expect(isThere, "it made no table, or no program")

        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        var after = try await state(client, server)
        for _ in 0..<50 where after != before {
            try await Task.sleep(for: .milliseconds(100))
            after = try await state(client, server)
        }
        #expect(after == before)
    }

    private struct State: Equatable {
        /// Of both namespaces, by name.
        var tables: [String]
        var programs: Int
        var packetSockets: [String]
    }

    private func state(_ spaces: TestNamespace...) async throws -> State {
        var state = State(tables: [], programs: Self.programs, packetSockets: [])
        for space in spaces {
            state.tables += try await space.run("nft", "list", "tables").split(separator: "\n").map(String.init)
            let sockets = try await space.shell("tail -n +2 /proc/net/packet | wc -l")
            state.packetSockets.append(sockets.trimmingCharacters(in: .whitespacesAndNewlines))
        }
        return state
    }

    /// How many descriptors of eBPF there are in all processes.
    private static var programs: Int {
        var count = 0
        for process in Directory.entries("/proc") ?? [] where Int32(process) != nil {
            for descriptor in Directory.entries("/proc/\(process)/fd") ?? [] {
                let target = try? FileManager.default.destinationOfSymbolicLink(
                    atPath: "/proc/\(process)/fd/\(descriptor)")
                if let target, target.contains("bpf") { count += 1 }
            }
        }
        return count
    }
}
