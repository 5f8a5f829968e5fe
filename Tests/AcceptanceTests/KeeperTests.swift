import CausewayDNS
import CausewayKeeper
import CausewayLinux
import Foundation
import Glibc
import Logging
import Synchronization
import Testing

extension Acceptance.OnCluster {
    /// What outlives the daemon: names, loopback addresses, and ports that are nobody else's.
    @Suite(.serialized) struct Keeper {
        static let loopback = ["127.0.0.1", "::1"]

        @Test(arguments: Load.Transport.allCases, loopback)
        func `a published port answers on loopback addresses`(
            _ transport: Load.Transport, _ address: String
        ) async throws {
            try await Traffic.withWeb("kp-web") { replicas in
                let result = try await Load(transport: transport, address: address, port: 8080, count: 600).run(
                    at: .host)
                expectEvenly(result, among: replicas, seeing: nil)
            }
        }

        @Test(arguments: loopback)
        func `a megabyte and its end go through, and the answer to it comes back`(_ address: String) async throws {
            try await withService(
                "kp-count", "--publish", "7000:7000", Images.test, "sh", "-c", "nc -ll -p 7000 -e wc -c"
            ) { _ in
                let answer = try await eventually("a task that counts") {
                    let caller = try LocalSocket(stream: true, to: address, port: 7000)
                    try caller.send([UInt8](repeating: 0x61, count: 1 << 20))
                    caller.finish()
                    return String(decoding: try caller.receiveAll(), as: UTF8.self)
                }
                #expect(answer.trimmingCharacters(in: .whitespacesAndNewlines) == "1048576")
            }
        }

        @Test func `a published port is nobody else's, on any address and in any way, until the service goes`()
            async throws
        {
            let addresses = ["0.0.0.0", "127.0.0.1", "127.0.0.2", Machine.address, "::", "::1", Machine.address6]
            func allowed(_ port: UInt16) -> [String] {
                addresses.flatMap { address in
                    [(true, false), (true, true), (false, false), (false, true)].compactMap { stream, reuse in
                        let socket = try? LocalSocket(
                            stream: stream, bound: address, port: port, reuse: reuse, listens: stream)
                        return socket == nil ? nil : "\(stream ? "tcp" : "udp") \(address) reuse \(reuse)"
                    }
                }
            }
            try await withService(
                "kp-mine", "--publish", "8090:80", "--publish", "8090:80/udp", Images.test
            ) { _ in
                try await eventually("the port to be held") { allowed(8090).isEmpty ? true : nil }
                let taken = try await attempt(at: .host, "ss", "-Hltnp", "sport = :8090")
                #expect(taken.out.contains("causeway-keeper") || taken.out.contains("causeway-keepe"), "\(taken.out)")
            }
            try await eventually("the port to be free") { allowed(8090).count == 4 * addresses.count ? true : nil }
        }

        @Test func `names resolve and loopback answers while the daemon is killed and comes back, again and again`()
            async throws
        {
            try await withNetwork("kp-net") {
                try await withService("kp-kill", "--network", "kp-net", "--publish", "8091:80", Images.test) { _ in
                    let load = try await NameLoad("kp-kill", in: try await taskNamespace("kp-kill.1"))
                    let keeper = try await keeperProcess()
                    for _ in 0..<(Machine.isFull ? 20 : 3) {
                        try await Task.sleep(for: .milliseconds(Int.random(in: 0...700)))
                        try await Cluster.shared.stopDaemon(SIGKILL)
                        let web = try await Load(transport: .http, address: "127.0.0.1", port: 8091, count: 50).run(
                            at: .host)
                        #expect(web.answered == 50, "\(web)")
                        try await Cluster.shared.startDaemon()
                    }
                    try await eventually("the daemon to have found the keeper") {
                        try await plan().isEmpty ? true : nil
                    }
                    let result = try await load.stop()
                    #expect(result.failed == 0 && result.answered > 500, "\(result)")
                    #expect(try await keeperProcess() == keeper)
                }
            }
        }

        @Test func `a keeper that is killed is back within a second`() async throws {
            try await withNetwork("kp-net") {
                try await withService("kp-dead", "--network", "kp-net", "--publish", "8092:80", Images.test) { _ in
                    let load = try await NameLoad("kp-dead", in: try await taskNamespace("kp-dead.1"), patience: 0.05)
                    try await Task.sleep(for: .milliseconds(300))
                    let before = try await keeperProcess()

                    kill(before, SIGKILL)

                    try await eventually("another keeper") { () -> Bool? in
                        guard let now = try await runningKeeper() else { return nil }
                        return now != before ? true : nil
                    }
                    try await eventually("loopback") { () -> Bool? in
                        let web = try await Load(transport: .http, address: "::1", port: 8092, count: 10).run(at: .host)
                        return web.answered == 10 ? true : nil
                    }
                    try await Task.sleep(for: .milliseconds(300))
                    let result = try await load.stop()
                    #expect(result.failed > 0, "the keeper was not missed: \(result)")
                    #expect(result.longestGap < 1, "\(result)")
                }
            }
        }

        @Test func `a keeper is replaced in place, and no query and no connection notices`() async throws {
            try await withNetwork("kp-net") {
                try await withService(
                    "kp-new", "--network", "kp-net", "--publish", "7001:7001", Images.test, "sh", "-c",
                    "nc -ll -p 7001 -e cat"
                ) { _ in
                    let load = try await NameLoad("kp-new", in: try await taskNamespace("kp-new.1"))
                    let caller = try await connected("127.0.0.1", 7001)
                    try expectEcho(caller, "before")
                    let before = try await keeperProcess()
                    let other = "/run/causeway-test-keeper/causeway-keeper"
                    try await shell("mkdir", "-p", "/run/causeway-test-keeper")
                    try await shell("cp", Machine.executable("causeway-keeper"), other)

                    // One that finds a keeper of another program has it become its own; the daemon's has it come back.
                    let client = keeperClient(program: other)
                    await client.find()
                    await client.close()
                    try await eventually("two changes of program") {
                        try await keeperCounters()?.upgrades ?? 0 >= 2 ? true : nil
                    }

                    try expectEcho(caller, "after")
                    let again = try await connected("::1", 7001)
                    try expectEcho(again, "anew")
                    let result = try await load.stop()
                    #expect(result.failed == 0 && result.longestGap < 1, "\(result)")
                    #expect(try await keeperProcess() == before)
                    try await shell("rm", "-r", "/run/causeway-test-keeper")
                }
            }
        }

        @Test func `the keeper counts what it does`() async throws {
            try await Traffic.withWeb("kp-sum") { _ in
                let before = try #require(try await keeperCounters())
                let load = Load(transport: .http, address: "127.0.0.1", port: 8080, count: 20)
                #expect(try await load.run(at: .host).answered == 20)
                let names = try await NameLoad("kp-sum", in: try await taskNamespace("kp-sum.1"))
                try await Task.sleep(for: .milliseconds(300))
                let asked = try await names.stop()

                let after = try #require(try await keeperCounters())
                #expect(after.tcp.accepted >= before.tcp.accepted + 20)
                #expect(after.tcp.bytesIn > before.tcp.bytesIn && after.tcp.bytesOut > before.tcp.bytesOut)
                #expect(after.dns.queries >= before.dns.queries + UInt64(asked.asked))
                #expect(after.resolvers > 0 && after.ports > 0)
            }
        }
    }
}

// MARK: -

private func keeperClient(program: String? = nil) -> KeeperClient {
    KeeperClient(
        .init(
            socketPath: "/run/causeway/keeper.sock", program: program.map { KeeperProgram(path: $0) }, release: "test"),
        log: Logger(label: "test"))
}

private func keeperCounters() async throws -> KeeperCounters? {
    let client = keeperClient()
    await client.find()
    let counters = try await client.counters()
    await client.close()
    return counters
}

private func keeperProcess() async throws -> pid_t { try #require(try await runningKeeper()) }

/// `nil` while none is there.
private func runningKeeper() async throws -> pid_t? {
    let client = keeperClient()
    await client.find()
    let id = client.processID.withLock { $0 }
    await client.close()
    return id
}

/// What `causeway plan` would change.
private func plan() async throws -> String {
    let said = try await attempt(at: .host, Machine.executable("causeway"), "plan")
    return said.succeeded && said.out.contains("nothing") ? "" : said.all
}

/// A connection to a service that says everything back, once a task listens there.
private func connected(_ address: String, _ port: UInt16) async throws -> LocalSocket {
    try await eventually("a task behind \(address) port \(port)") {
        let socket = try LocalSocket(stream: true, to: address, port: port)
        // One that nobody took is reset.
        try expectEcho(socket, "hello")
        return socket
    }
}

private func expectEcho(_ socket: LocalSocket, _ text: String) throws {
    let bytes = [UInt8]("\(text)\n".utf8)
    try socket.send(bytes)
    var got: [UInt8] = []
    while got.count < bytes.count {
        let more = try socket.receive()
        guard !more.isEmpty else { throw LocalSocket.Failure(doing: "hear '\(text)' again", errno: EPIPE) }
        got += more
    }
    #expect(got == bytes)
}
