import CausewayDNS
import CausewayModel
import Foundation
import Testing

/// A resolver in this namespace and its asker in another.
///
/// Needs root, `ip` and `nft`; `CAUSEWAY_NETNS=1` asks for it.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["CAUSEWAY_NETNS"] == "1"), .timeLimit(.minutes(1)))
final class NamespaceTests {
    private let holder = Process()

    init() throws {
        holder.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
        holder.arguments = ["--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 60"]
        let output = Pipe()
        holder.standardOutput = output
        try holder.run()
        #expect(!output.fileHandleForReading.availableData.isEmpty)
    }

    deinit { holder.terminate() }

    /// Runs `body` on a thread of its own in the other namespace.
    private func inside<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        let path = "/proc/\(holder.processIdentifier)/ns/net"
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                typealias Enter = @convention(c) (CInt, CInt) -> CInt
                let enter = unsafeBitCast(dlsym(nil, "setns"), to: Enter.self)
                let namespace = open(path, O_RDONLY | O_CLOEXEC)
                defer { close(namespace) }
                guard enter(namespace, 0) == 0 else {
                    continuation.resume(throwing: Client.Failure(errno: errno))
                    return
                }
                continuation.resume(with: Swift.Result { try body() })
            }
        }
    }

    private func redirect() throws {
        let rules = """
            table ip causeway {
            chain output { type nat hook output priority -100; policy accept;
            ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:\(NameTable.listenPort)
            ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:\(NameTable.listenPort)
            }
            }
            """
        let nft = try Process.run(
            URL(fileURLWithPath: "/usr/bin/nsenter"),
            arguments: ["--net=/proc/\(holder.processIdentifier)/ns/net", "nft", rules])
        nft.waitUntilExit()
        #expect(nft.terminationStatus == 0)
    }

    @Test func `a task's questions to port 53 are answered from the host's namespace`() async throws {
        let upstream = try await FakeUpstream("127.0.0.2") { query, _ in query.response(.nameError).encoded() }
        let service = await TestResolvers(upstreamPort: upstream.port)
        let table = NameTable(
            names: ["web": .init(addresses: [IPAddress("10.0.1.2")!], timeToLive: 60)],
            upstreams: [IPAddress("127.0.0.2")!])
        let sockets = try await inside { try DNSSockets.open() }
        await service.serve("task", udp: sockets.udp, tcp: sockets.tcp, table: table)
        try redirect()

        let codes = try await inside {
            try [false, true].map { stream in
                let client = try Client(stream: stream, to: 0x7f00_000b, port: 53)
                return [
                    try client.ask("web", .a)?.answers.count == 1,
                    try client.ask("example.org", .a)?.responseCode == .nameError,
                ]
            }
        }

        #expect(codes == [[true, true], [true, true]])
        #expect(upstream.seen.count == 2)
        let taken = try await inside { (try? DNSSockets.open()) == nil }
        #expect(taken)
        await service.stopAll()
        try await inside { try DNSSockets.open().close() }
        try await upstream.stop()
    }
}
