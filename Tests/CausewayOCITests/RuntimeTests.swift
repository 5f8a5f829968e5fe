import Foundation
import Glibc
import Synchronization
import Testing

/// The executable itself, with a shell script in the place of the real runtime.
@Suite final class RuntimeTests {
    private let folder: URL
    private let config = #"{"hooks":{"prestart":[]},"linux":{"namespaces":[{"type":"network"}]}}"#

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("causeway-oci-\(UUID().uuidString)")
        for name in ["bundle", "run/containers"] {
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        try write("bundle/config.json", config)
        try write("runtime", "#!/bin/sh\nprintf '%s|' \"$@\"\nexit 7\n")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: folder.appendingPathComponent("runtime").path)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: folder.appendingPathComponent(name))
    }

    private func read(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: folder.appendingPathComponent(name)), as: UTF8.self)
    }

    private struct Result {
        var status: Int32
        var output: String
        var errors: String
    }

    private func run(_ arguments: [String], wait: Int = 50, runtime: String? = nil) throws -> Result {
        let process = Process()
        process.executableURL = try Self.executable()
        process.arguments = arguments
        process.environment = [
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CAUSEWAY_STATE": folder.appendingPathComponent("run").path,
            "CAUSEWAY_OCI_RUNTIME": runtime ?? folder.appendingPathComponent("runtime").path,
            "CAUSEWAY_OCI_WAIT": "\(wait)",
        ]
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        let errorText = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Result(
            status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
            errors: String(decoding: errorText, as: UTF8.self))
    }

    /// The executable lies beside the tests' own.
    private static func executable() throws -> URL {
        var place = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        while place.path != "/" {
            let candidate = place.appendingPathComponent("causeway-oci")
            if FileManager.default.isExecutableFile(atPath: candidate.path),
                (try candidate.resourceValues(forKeys: [.isDirectoryKey])).isDirectory != true
            {
                return candidate
            }
            place.deleteLastPathComponent()
        }
        return URL(fileURLWithPath: ".build/debug/causeway-oci")
    }

    private func create(_ id: String) -> [String] {
        [
            "--root", "/r", "--log", folder.appendingPathComponent("log.json").path, "--log-format", "json", "create",
            "--bundle", folder.appendingPathComponent("bundle").path, id,
        ]
    }

    @Test func `a mapped container's configuration is changed before the real runtime runs`() throws {
        try write("run/containers/abc", "/proc/self/ns/net\n")

        let result = try run(create("abc"))

        #expect(result.status == 7)
        #expect(result.output == create("abc").map { $0 + "|" }.joined())
        #expect(
            try read("bundle/config.json")
                == #"{"hooks":{"prestart":[]},"linux":{"namespaces":[{"type":"network","path":"/proc/self/ns/net"}]}}"#)
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent("bundle").path)
        #expect(left == ["config.json"])
    }

    @Test(arguments: ["abc", "../abc", "..", "a b"])
    func `a container without a mapping is left alone`(id: String) throws {
        try write("run/abc", "/proc/self/ns/net")

        let result = try run(create(id))

        #expect(result.status == 7)
        #expect(try read("bundle/config.json") == config)
    }

    @Test func `every other call is handed on as it is`() throws {
        try write("run/containers/abc", "/nowhere")
        let arguments = ["--root", "/r", "exec", "--tty", "--process", "/p q", "abc", "", "*"]

        let result = try run(arguments)

        #expect(result.status == 7)
        #expect(result.output == arguments.map { $0 + "|" }.joined())
        #expect(try read("bundle/config.json") == config)
    }

    @Test func `a namespace that does not come is an error in the log and the container is not made`() throws {
        try write("run/containers/abc", folder.appendingPathComponent("none").path)
        // The mount point is there before the namespace is mounted on it.
        try write("none", "")

        let result = try run(create("abc"))

        #expect(result.status == 1)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains("of container abc is not there, or not complete, after 50 ms"))
        #expect(try read("bundle/config.json") == config)
        let entry = try JSONSerialization.jsonObject(with: Data(try read("log.json").utf8)) as? [String: String]
        #expect(entry?["level"] == "error")
        #expect(entry?["msg"]?.contains("is not there") == true)
    }

    @Test func `a namespace that comes late is waited for`() throws {
        let place = folder.appendingPathComponent("late")
        try write("run/containers/abc", place.path)
        let thread = Thread {
            Thread.sleep(forTimeInterval: 0.2)
            symlink("/proc/self/ns/net", place.path)
        }
        thread.start()

        #expect(try run(create("abc"), wait: 10_000).status == 7)
        #expect(try read("bundle/config.json").contains("late"))
    }

    @Test func `a namespace that is not complete is not entered`() throws {
        let marker = folder.appendingPathComponent("marker")
        try write("run/containers/abc", "/proc/self/ns/net\nready \(marker.path)\n")

        #expect(try run(create("abc")).status == 1)
        #expect(try read("bundle/config.json") == config)

        try Data().write(to: marker)
        #expect(try run(create("abc")).status == 7)
    }

    @Test func `the agent is told before a user's container runs, and may refuse`() throws {
        let socket = folder.appendingPathComponent("agent").path
        try write("run/containers/abc", "/proc/self/ns/net\nagent \(socket)\n")

        let held = "Bind for 0.0.0.0:80 failed: port is already allocated"
        let agent = try AgentStub(
            path: socket,
            answers: [
                "HTTP/1.1 409 Conflict\r\nContent-Length: 53\r\n\r\n\(held)", "HTTP/1.1 404 Not Found\r\n\r\n",
                "HTTP/1.1 204 No Content\r\n\r\n",
            ])
        #expect(try run(create("abc")).errors.contains(held))
        #expect(try run(create("abc")).errors.contains("causewayd does not know container abc"))
        #expect(try read("bundle/config.json") == config)
        #expect(try run(create("abc")).status == 7)
        #expect(agent.asked == Array(repeating: "POST /containers/abc/start HTTP/1.1", count: 3))
    }

    @Test func `without an agent a complete namespace is entered all the same`() throws {
        try write("run/containers/abc", "/proc/self/ns/net\nagent \(folder.path)/nobody\n")

        #expect(try run(create("abc")).status == 7)
    }

    @Test(arguments: ["", "relative/path", "\n/x"])
    func `a mapping that names no path is an error`(content: String) throws {
        try write("run/containers/abc", content)

        let result = try run(create("abc"))

        #expect(result.status == 1)
        #expect(result.errors.contains("does not name a network namespace"))
    }

    @Test func `a malformed configuration is an error that names the file`() throws {
        try write("run/containers/abc", "/proc/self/ns/net")
        try write("bundle/config.json", "{\"linux\":")

        let result = try run(create("abc"))

        #expect(result.status == 1)
        #expect(result.errors.contains("bundle/config.json: malformed at byte 9"))
    }

    @Test func `a runtime that is not there, or is this one, is an error`() throws {
        #expect(try run(["start", "abc"], runtime: "/nowhere/runc").errors.contains("cannot execute"))
        let own = try Self.executable().path
        let result = try run(["start", "abc"], runtime: own)
        #expect(result.status == 1)
        #expect(result.errors.contains("is causeway-oci itself"))
    }
}

/// A unix socket that gives each caller the next of its answers.
private final class AgentStub: Sendable {
    private let lines = Mutex<[String]>([])
    private let socket: Int32

    var asked: [String] { lines.withLock { $0 } }

    init(path: String, answers: [String]) throws {
        socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0 && listen(socket, 8) == 0)
        let server = socket
        Thread {
            for answer in answers {
                let caller = accept(server, nil, nil)
                guard caller >= 0 else { return }
                var chunk = [UInt8](repeating: 0, count: 4096)
                let count = read(caller, &chunk, chunk.count)
                let text = String(decoding: chunk[..<max(count, 0)], as: UTF8.self)
                self.lines.withLock { $0.append(String(text.prefix { $0 != "\r\n" })) }
                _ = answer.withCString { write(caller, $0, strlen($0)) }
                close(caller)
            }
        }.start()
    }

    deinit { close(socket) }
}
