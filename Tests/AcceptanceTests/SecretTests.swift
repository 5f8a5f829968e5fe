import Foundation
import Testing

extension Acceptance.OnCluster {
    /// Secrets and configs, from `docker secret create` to a file in a container.
    @Suite(.serialized) struct Secrets {
        static let content = "horse-battery-staple"

        private func make(_ kind: String, _ name: String, _ content: String, _ more: String...) async throws {
            let file = "/run/\(name).source"
            try Data(content.utf8).write(to: URL(filePath: file))
            defer { try? FileManager.default.removeItem(atPath: file) }
            try await docker([kind, "create"] + more + [name, file])
        }

        private func cat(_ container: String, _ path: String) async throws -> String {
            try await docker("exec", container, "cat", path).out
        }

        private func memory() throws -> [String] {
            let folder = "/run/causeway/memory/tasks"
            guard FileManager.default.fileExists(atPath: folder) else { return [] }
            return try FileManager.default.contentsOfDirectory(atPath: folder)
        }

        @Test func `are files of the container with owner and mode, and gone with the task`() async throws {
            try await make("secret", "sec-a", Self.content, "--label", "tier=db")
            try await make("config", "con-a", "listen 80\n")
            #expect(
                try await docker("secret", "ls", "--filter", "label=tier=db", "--format", "{{.Name}} {{.Driver}}")
                    .trimmed == "sec-a")
            #expect(try await docker("config", "inspect", "--pretty", "con-a").out.contains("listen 80"))
            let shown = try await docker("secret", "inspect", "sec-a")
            #expect(!shown.out.contains("Data") && shown.out.contains(#""tier": "db""#))

            try await withService(
                "sec-web", "--secret", "sec-a", "--secret", "source=sec-a,target=own,uid=33,gid=34,mode=0400",
                "--config", "con-a", "--config", "source=con-a,target=/etc/deep/web.conf,mode=0440", "causeway-test"
            ) { containers in
                let id = try #require(containers["sec-web.1"])
                #expect(try await cat(id, "/run/secrets/sec-a") == Self.content)
                #expect(try await cat(id, "/run/secrets/own") == Self.content)
                #expect(try await cat(id, "/con-a") == "listen 80\n")
                let list = ["/run/secrets/sec-a", "/run/secrets/own", "/con-a", "/etc/deep/web.conf"]
                let modes = try await docker(["exec", id, "stat", "-c", "%a %u %g"] + list)
                #expect(modes.lines == ["444 0 0", "400 33 34", "444 0 0", "440 0 0"])
                let mounts = try await docker("exec", id, "grep", "/run/secrets/own", "/proc/mounts").trimmed
                #expect(mounts.contains(" tmpfs ro"), "\(mounts)")
                #expect(try await !docker.attempt("exec", id, "sh", "-c", "echo >/run/secrets/sec-a").succeeded)
                #expect(try memory().count == 1)

                let refused = try await docker.attempt("secret", "rm", "sec-a")
                #expect(refused.err.contains("secret 'sec-a' is in use by the following service: sec-web"))
                let twice = try await docker.attempt(
                    "service", "create", "--detach", "--name", "sec-x", "--secret", "source=sec-a,target=x", "--secret",
                    "source=sec-a,target=x", "causeway-test")
                #expect(!twice.succeeded)
            }
            try await eventually("its files to be gone") { try memory().isEmpty ? true : nil }
            try await docker("secret", "rm", "sec-a")
            try await docker("config", "rm", "con-a")
        }

        @Test func `are rotated by an update, survive the daemon, and are on no disk`() async throws {
            try await make("secret", "sec-old", "old-\(Self.content)")
            try await make("secret", "sec-new", "new-\(Self.content)")
            try await withService(
                "sec-rot", "--secret", "source=sec-old,target=key", "--update-delay", "0s", "causeway-test"
            ) { containers in
                let first = try #require(containers["sec-rot.1"])
                #expect(try await cat(first, "/run/secrets/key") == "old-\(Self.content)")
                try await Cluster.shared.stopDaemon(SIGKILL)
                try await Cluster.shared.startDaemon()
                #expect(try await docker.converged("sec-rot", 1) == containers)
                #expect(try await cat(first, "/run/secrets/key") == "old-\(Self.content)")

                try await docker(
                    "service", "update", "--quiet", "--secret-rm", "sec-old", "--secret-add",
                    "source=sec-new,target=key", "sec-rot")
                let second = try #require(try await docker.converged("sec-rot", 1)["sec-rot.1"])
                #expect(second != first)
                #expect(try await cat(second, "/run/secrets/key") == "new-\(Self.content)")
                try await eventually("the old task's files to be gone") { try memory().count == 1 ? true : nil }

                for text in [Self.content, Data("old-\(Self.content)".utf8).base64EncodedString()] {
                    let found = try await Command(["grep", "-rlF", text, "/var/lib/causeway", Cluster.log]).attempt()
                    #expect(found.out.isEmpty, "\(found.out)")
                }
                let key = "/var/lib/causeway/swarm.sqlite.key"
                #expect(try await shell("stat", "--format", "%a", key).trimmed == "600")
                try await docker("secret", "rm", "sec-old")
            }
            try await docker("secret", "rm", "sec-new")
        }

        @Test func `have events, and come back with a backup and its key`() async throws {
            let since = "\(Int(Date().timeIntervalSince1970) - 1)"
            try await make("config", "con-ev", "x", "--label", "a=b")
            try await make("secret", "sec-ev", Self.content)
            let (copy, daemon) = ("/run/causeway-test-sealed.sqlite", Machine.executable("causewayd"))
            let said = try await shell(daemon, "backup", copy)
            #expect(said.out.contains("\(copy).key"))
            try await docker("secret", "rm", "sec-ev")
            try await docker("config", "rm", "con-ev")
            let until = "\(Int(Date().timeIntervalSince1970) + 1)"
            let events = try await docker(
                "events", "--since", since, "--until", until, "--filter", "scope=swarm", "--format",
                "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}", "--filter", "type=secret", "--filter",
                "type=config")
            // What the tests before have removed may be of the same second.
            #expect(
                events.lines.filter { $0.hasSuffix("-ev") } == [
                    "config create con-ev", "secret create sec-ev", "secret remove sec-ev", "config remove con-ev",
                ])

            try await Cluster.shared.stopDaemon()
            try await shell("mv", "\(copy).key", "\(copy).elsewhere")
            try await shell("mv", "/var/lib/causeway/swarm.sqlite.key", "/run/sealed-own.key")
            let refused = try await Command([daemon, "restore", copy]).attempt()
            #expect(!refused.succeeded && refused.err.contains("key"), "\(refused.all)")
            try await shell("mv", "\(copy).elsewhere", "\(copy).key")
            try await shell(daemon, "restore", copy)
            try await Cluster.shared.startDaemon()
            #expect(
                try await docker("config", "inspect", "--format", "{{printf \"%s\" .Spec.Data}}", "con-ev").trimmed
                    == "x")
            try await docker("secret", "rm", "sec-ev")
            try await docker("config", "rm", "con-ev")
            try await shell("rm", "--force", copy, "\(copy).key", "/run/sealed-own.key")
        }

        @Test func `are refused by size and name`() async throws {
            let big = String(repeating: "a", count: 512_000)
            let text = try await docker.raw(
                "POST", "/secrets/create", body: #"{"Name":"big","Data":"\#(Data(big.utf8).base64EncodedString())"}"#)
            #expect(text.status == 400)
            #expect(text.message?.hasSuffix("secret data must be larger than 0 and less than 512000 bytes") == true)
            let name = try await docker.attempt("config", "create", "a b", "/etc/hostname")
            #expect(name.err.contains("invalid name, only 64 [a-zA-Z0-9-_.] characters allowed"), "\(name.err)")
        }
    }
}
