import CausewayEngine
import CausewayModel
import FoundationEssentials
import NIOCore
import NIOHTTP1
import Testing

@testable import CausewayRuntime

private let socket = EngineOfTests.socket

/// Against the Docker Engine of this machine, with its own default runtime: real containers, without a network.
@Suite(
    .serialized, .timeLimit(.minutes(1)),
    .enabled(if: EngineOfTests.isThere, "uses Docker Engine: set CAUSEWAY_NETNS=1"))
struct DockerRuntimeTests {
    /// Lends a runtime with a directory of its own; removes the containers of `body`'s task whatever happens.
    func withRuntime(
        _ body: (DockerRuntime, EngineClient, String) async throws -> Void
    ) async throws {
        let engine = EngineClient(socketPath: socket)
        let directory = "\(FileManager.default.temporaryDirectory.path)/runtime-\(UInt64.random(in: 0...UInt64.max))"
        let runtime = DockerRuntime(
            engine: engine, nodeHostname: "alpha", runtimeName: "runc", directory: directory)
        var result: Result<Void, any Error> = .success(())
        do { try await body(runtime, engine, directory) } catch { result = .failure(error) }
        do {
            for container in try await runtime.observe() where container.taskID.hasPrefix("runtime-test-") {
                try await runtime.remove(container, force: true)
            }
        } catch { Issue.record("cannot clean up: \(error)") }
        await engine.shutdown()
        if FileManager.default.fileExists(atPath: directory) { try FileManager.default.removeItem(atPath: directory) }
        try result.get()
    }

    func task(_ id: String, script: String, _ more: String = "", image: String = "busybox:latest") throws -> Swarm.Task
    {
        try Swarm.Task.sample(
            "runtime-test-\(id)",
            """
            {"ContainerSpec":{"Image":"\(image)","Command":["sh","-c",\(quoted(script))],
             "StopGracePeriod":1000000000\(more)}}
            """,
            addresses: ["10.0.1.5/24", "fd00::5/64"])
    }

    private func quoted(_ text: String) throws -> String {
        String(decoding: try JSONEncoder().encode(text), as: UTF8.self)
    }

    /// What a container has written: each piece comes behind eight bytes, the last four of which are its length.
    private func output(_ id: String, _ engine: EngineClient) async throws -> String {
        var reply = try await engine.raw(.GET, "/containers/\(id)/logs", query: [("stdout", "1"), ("stderr", "1")]).body
        var text = ""
        while reply.readInteger(as: UInt32.self) != nil, let length = reply.readInteger(as: UInt32.self) {
            text += reply.readString(length: Int(length)) ?? ""
        }
        return text
    }

    private func ended(_ id: String, _ runtime: DockerRuntime) async throws -> ObservedContainer {
        while let container = try await runtime.inspect(id) {
            if container.state == .exited { return container }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw ContainerError(.notFound, id)
    }

    @Test func `a container is made, started, seen, stopped and removed with its files`() async throws {
        try await withRuntime { runtime, _, directory in
            let task = try task("life", script: "sleep 600")

            let id = try await runtime.prepare(task)
            #expect(try await runtime.prepare(task) == id, "again is the same")
            #expect(try await runtime.observe().first { $0.id == id }?.state == .created)

            try await runtime.start(id, namespacePath: "/run/netns/cw-x")
            try await runtime.start(id, namespacePath: "/run/netns/cw-x")
            let path = "\(directory)/containers/\(id)"
            #expect(String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self) == "/run/netns/cw-x")
            let seen = try #require(try await runtime.observe().first { $0.id == id })
            #expect(seen.state == .running && seen.pid > 1 && seen.startedAt != nil)
            #expect(seen.taskID == task.id && seen.nodeID == "node1")

            try await runtime.stop(id, grace: .seconds(1))
            try await runtime.stop(id, grace: .seconds(1))
            let after = try #require(try await runtime.observe().first { $0.id == id })
            #expect(after.state == .exited && after.exitCode == 137 && after.finishedAt != nil)

            try await runtime.remove(after, force: true)
            try await runtime.remove(after, force: true)
            #expect(try await runtime.inspect(id) == nil)
            #expect(!FileManager.default.fileExists(atPath: path))
            #expect(!FileManager.default.fileExists(atPath: "\(directory)/tasks/\(task.id)"))
        }
    }

    @Test func `names inside are Causeway's: resolver, own name, extra hosts`() async throws {
        try await withRuntime { runtime, engine, _ in
            let script = "cat /etc/resolv.conf /etc/hosts; echo name $(hostname); echo ip $(hostname -i)"
            let names = #""DNSConfig":{"Nameservers":["9.9.9.9"],"Search":["in.test"]}"#
            let more = #","Hosts":["10.7.7.7 db db.local"],\#(names)"#
            let id = try await runtime.prepare(try task("names", script: script, more))
            try await runtime.start(id, namespacePath: "/run/netns/none")
            #expect(try await ended(id, runtime).exitCode == 0)

            let text = try await output(id, engine)
            let short = id.prefix(12)
            for line in [
                "nameserver 127.0.0.11", "options ndots:0", "search in.test", "127.0.0.1\tlocalhost",
                "10.7.7.7\tdb db.local", "10.0.1.5\t\(short)", "fd00::5\t\(short)", "name \(short)",
            ] {
                #expect(text.contains(line), "\(line) is not in\n\(text)")
            }
            #expect(!text.contains("9.9.9.9"))
        }
    }

    @Test func `an exit code and a refused start come back as Docker says them`() async throws {
        try await withRuntime { runtime, _, _ in
            let id = try await runtime.prepare(try task("exit", script: "exit 3"))
            try await runtime.start(id, namespacePath: "/run/netns/none")
            #expect(try await ended(id, runtime).exitCode == 3)

            var broken = try task("broken", script: "")
            broken.spec.containerSpec?.command = ["/no/such"]
            let other = try await runtime.prepare(broken)
            let error = await #expect(throws: ContainerError.self) {
                try await runtime.start(other, namespacePath: "/run/netns/none")
            }
            #expect(error?.reason == .refused)
            #expect(error?.message.contains("/no/such") == true)
            #expect(try await runtime.inspect(other)?.state == .created)
        }
    }

    @Test func `what cannot be prepared is refused in Docker's words`() async throws {
        try await withRuntime { runtime, engine, directory in
            let image = await #expect(throws: ContainerError.self) {
                try await runtime.prepare(try task("image", script: "", image: "localhost:1/no/such:1"))
            }
            #expect(image == ContainerError(.refused, "No such image: localhost:1/no/such:1"))

            let mount = await #expect(throws: ContainerError.self) {
                let more = #","Mounts":[{"Type":"bind","Source":"/no/such","Target":"/x"}]"#
                _ = try await runtime.prepare(try task("mount", script: "", more))
            }
            #expect(mount?.reason == .refused)
            let words = #"invalid mount config for type "bind": bind source path does not exist: /no/such"#
            #expect(mount?.message == words)

            let other = DockerRuntime(
                engine: engine, nodeHostname: "alpha", runtimeName: "no-such-runtime", directory: directory)
            let missing = await #expect(throws: ContainerError.self) {
                try await other.prepare(try task("runtime", script: ""))
            }
            #expect(missing?.message.contains("--add-runtime no-such-runtime=") == true)
            #expect(await other.preflight() == [.runtimeMissing("no-such-runtime")])
        }
    }

    @Test func `an image that was loaded runs under the digest of its identifier`() async throws {
        struct Image: Decodable {
            var id: String
            enum CodingKeys: String, CodingKey { case id = "Id" }
        }
        try await withRuntime { runtime, engine, _ in
            let image: Image = try await engine.get("/images/busybox:latest/json")
            let id = try await runtime.prepare(
                try task("pinned", script: "true", image: "busybox:latest@\(image.id)"))
            #expect(try await runtime.inspect(id)?.state == .created)
        }
    }

    @Test func `limits, user, environment and stop signal reach the container`() async throws {
        try await withRuntime { runtime, engine, _ in
            let script = "trap 'exit 9' INT; id -u; echo slot $SLOT; pwd; ulimit -n; while :; do sleep 0.1; done"
            let more = """
                ,"User":"1000","Env":["SLOT={{.Task.Slot}}"],"Dir":"/tmp","StopSignal":"SIGINT",
                "Ulimits":[{"Name":"nofile","Soft":77,"Hard":77}],"Hostname":"{{.Node.Hostname}}"
                """
            let id = try await runtime.prepare(try task("limits", script: script, more))
            try await runtime.start(id, namespacePath: "/run/netns/none")
            while !(try await output(id, engine).contains("77")) { try await Task.sleep(for: .milliseconds(20)) }
            try await runtime.stop(id, grace: nil)

            #expect(try await runtime.inspect(id)?.exitCode == 9)
            let text = try await output(id, engine)
            for line in ["1000", "slot 2", "/tmp"] { #expect(text.contains(line), "\(text)") }
        }
    }

    @Test func `a look that the word of an end leads to shows the end`() async throws {
        try await withRuntime { runtime, engine, _ in
            for round in 1...5 {
                let id = try await runtime.prepare(try task("end-\(round)", script: "sleep 600"))
                let (wakes, wake) = AsyncStream.makeStream(of: Void.self)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { await runtime.watch { wake.yield() } }
                    var iterator = wakes.makeAsyncIterator()
                    await iterator.next()
                    try await runtime.start(id, namespacePath: "/run/netns/none")
                    await iterator.next()
                    #expect(try await runtime.observe().first { $0.id == id }?.state == .running)

                    try await engine.post("/containers/\(id)/kill", timeout: .seconds(10))
                    await iterator.next()
                    let seen = try await runtime.observe().first { $0.id == id }
                    #expect(seen?.state == .exited && seen?.exitCode == 137, "round \(round)")
                    group.cancelAll()
                }
            }
        }
    }

    @Test func `health is seen as it changes, and after the end`() async throws {
        try await withRuntime { runtime, engine, _ in
            let check = #"{"Test":["CMD-SHELL","test -e /tmp/ok"],"Interval":100000000,"Retries":2}"#
            let id = try await runtime.prepare(
                try task("health", script: "sleep 600", #","Healthcheck":\#(check)"#))
            let (wakes, wake) = AsyncStream.makeStream(of: Void.self)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await runtime.watch { wake.yield() } }
                func next(_ health: ObservedContainer.Health) async throws {
                    for await _ in wakes
                    where try await runtime.observe().first(where: { $0.id == id })?.health == health { return }
                }
                try await runtime.start(id, namespacePath: "/run/netns/none")
                try await next(.starting)
                try await run(["touch", "/tmp/ok"], in: id, engine)
                try await next(.healthy)
                try await run(["rm", "/tmp/ok"], in: id, engine)
                try await next(.unhealthy)
                group.cancelAll()
            }
            try await runtime.stop(id, grace: .zero)
            #expect(try await runtime.inspect(id)?.health == .unhealthy)
        }
    }

    /// Runs a command in a container, and waits for its end.
    private func run(_ words: [String], in id: String, _ engine: EngineClient) async throws {
        struct Exec: Codable {
            var words: [String]?
            var id: String?
            enum CodingKeys: String, CodingKey {
                case words = "Cmd"
                case id = "Id"
            }
        }
        let exec = try await engine.post("/containers/\(id)/exec", body: Exec(words: words), as: Exec.self)
        try await engine.post("/exec/\(exec.id ?? "")/start", body: ["Detach": true])
    }

    @Test func `an event wakes the watcher, and an engine that is away is no error of the task`() async throws {
        try await withRuntime { runtime, _, _ in
            let (wakes, wake) = AsyncStream.makeStream(of: Void.self)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await runtime.watch { wake.yield() } }
                var iterator = wakes.makeAsyncIterator()
                await iterator.next()
                let id = try await runtime.prepare(try task("event", script: "true"))
                try await runtime.start(id, namespacePath: "/run/netns/none")
                await iterator.next()
                group.cancelAll()
            }
        }
        let nowhere = EngineClient(socketPath: "/no/such.sock")
        let away = DockerRuntime(engine: nowhere, nodeHostname: "alpha", directory: "/no/such")
        let error = await #expect(throws: ContainerError.self) { try await away.observe() }
        #expect(error?.reason == .unavailable)
        guard case .unreachable = await away.preflight().first else {
            Issue.record("an engine that is away is a problem")
            return
        }
        await nowhere.shutdown()
    }
}
