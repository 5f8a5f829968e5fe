import CausewayEngine
import CausewayModel
import FoundationEssentials
import NIOCore
import Testing

@testable import CausewayRuntime

@Suite struct `Small values of the runtime` {
    @Test(arguments: [
        ("busybox", "busybox:latest"), ("busybox:1", "busybox:1"), ("host:5000/a/b", "host:5000/a/b:latest"),
        ("host:5000/a/b:2", "host:5000/a/b:2"), ("a:1@sha256:ff", "a:1@sha256:ff"), ("a@sha256:ff", "a@sha256:ff"),
    ])
    func `an image's name is pulled with one tag or digest`(name: String, pulled: String) {
        #expect(ImageReference(name).pulled == pulled)
    }

    @Test func `the hosts file names the container by each of its addresses`() {
        let text = HostsFile.text(
            hostname: "web.example.org", addresses: [IPAddress("10.0.1.5"), IPAddress("fd00::5")].compactMap { $0 },
            entries: ["10.9.9.9 db  db.local", "broken"])
        let lines = text.split(separator: "\n")

        #expect(lines.first == "127.0.0.1\tlocalhost")
        #expect(
            lines.suffix(3) == [
                "10.9.9.9\tdb db.local", "10.0.1.5\tweb.example.org web", "fd00::5\tweb.example.org web",
            ])
        #expect(text.hasSuffix("\n"))
    }

    @Test func `lines of JSON are put together from chunks, and nonsense is left out`() {
        var lines = JSONLines<PullProgress>()
        var seen: [PullProgress] = []
        let chunks = [
            #"{"status":"a"}"#, "\n" + #"{"sta"#, #"tus":"b","id":"1"}"# + "\nnonsense\n", #"{"error":"e"}"# + "\n",
        ]
        for chunk in chunks {
            seen += lines.read(ByteBuffer(string: chunk))
        }
        #expect(seen.map(\.status) == ["a", "b", nil])
        #expect(seen.last?.error == "e")
    }

    @Test func `an engine's error is retried, fatal, or says that the container is gone`() {
        #expect(ContainerError(EngineError(status: 0, message: "x")).reason == .unavailable)
        #expect(ContainerError(EngineError(status: 503, message: "x")).reason == .unavailable)
        #expect(ContainerError(EngineError(status: 404, message: "No such image: x:1")).reason == .refused)
        #expect(ContainerError(EngineError(status: 404, message: "No such container: x")).reason == .notFound)
        #expect(ContainerError(EngineError(status: 400, message: "bad")).message == "bad")
    }

    @Test func `a preflight names each problem and its remedy`() throws {
        let json = """
            {"Runtimes":{"runc":{"path":"runc"}},"Swarm":{"LocalNodeState":"active"},
             "SecurityOptions":["name=seccomp,profile=default","name=userns","name=rootless"]}
            """
        let info = try JSONDecoder().decode(EngineInfo.self, from: Data(json.utf8))

        let problems = info.problems(apiVersion: "1.40", runtime: "causeway")

        #expect(
            problems == [.tooOld("1.40"), .inSwarm("active"), .runtimeMissing("causeway"), .usernsRemap, .rootless])
        #expect(problems.allSatisfy { $0.description.contains(";") || $0.description.contains(":") })
        #expect(problems[2].description.contains("--add-runtime causeway="))
        #expect(info.problems(apiVersion: "1.41", runtime: "runc").count == 3)
    }

    @Test func `a container's state is read from Docker's word`() {
        let words = ["created", "running", "paused", "restarting", "exited", "removing", "dead"]
        #expect(
            words.map(ObservedContainer.State.init(docker:)) == [
                .created, .running, .running, .running, .exited, .dead, .dead,
            ])
    }

    @Test(
        arguments: [
            ("Up 2 seconds (healthy)", .healthy), ("Up 2 seconds (health: starting)", .starting),
            ("Up 3 days (unhealthy)", .unhealthy), ("Up 2 seconds", nil), ("Exited (0) 2 seconds ago", nil),
        ] as [(String, ObservedContainer.Health?)])
    func `a container's health is read from the engine's list`(words: String, health: ObservedContainer.Health?) {
        #expect(ObservedContainer.Health(words: words) == health)
    }

    /// Docker Engine says `unhealthy` of each container that has ended.
    @Test(
        arguments: [
            ("running", "healthy", 0, 2, .healthy), ("running", "unhealthy", 2, 2, .unhealthy),
            ("exited", "unhealthy", 2, 2, .unhealthy), ("exited", "unhealthy", 1, 2, .healthy),
            ("exited", "unhealthy", 2, 0, .healthy), ("exited", "unhealthy", 3, 0, .unhealthy),
        ] as [(String, String, Int, Int, ObservedContainer.Health)])
    func `a container that ended is ill only if it was`(
        state: String, health: String, streak: Int, retries: Int, found: ObservedContainer.Health
    ) throws {
        let json = """
            {"Id":"c","State":{"Status":"\(state)","Pid":0,"ExitCode":0,
              "Health":{"Status":"\(health)","FailingStreak":\(streak),"Log":[]}},
             "Config":{"Healthcheck":{"Test":["CMD","x"],"Retries":\(retries)}}}
            """
        let detail = try JSONDecoder().decode(ContainerDetail.self, from: Data(json.utf8))
        #expect(ObservedContainer(detail).health == found)
    }
}
