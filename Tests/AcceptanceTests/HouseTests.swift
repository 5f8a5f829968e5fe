import CausewayTestKit
import Foundation
import Testing

extension Acceptance.OnCluster {
    /// What people expect of a daemon: who may read what, numbers, copies of its state, a quiet log.
    @Suite(.serialized) struct House {
        @Test func `sockets, folders and keys belong to whom they should`() async throws {
            let modes = try await shell(
                "stat", "--format", "%n %A %U:%G", "/run/causeway", "/run/causeway/docker.sock",
                "/run/causeway/control.sock", "/var/lib/causeway")
            #expect(
                modes.lines == [
                    "/run/causeway drwxr-xr-x root:root", "/run/causeway/docker.sock srw-rw---- root:docker",
                    "/run/causeway/control.sock srw------- root:root", "/var/lib/causeway drwx------ root:root",
                ])
            // The store, its log, the identity, the record of sysctls: nobody else's, whatever the folder lets through.
            let open = try await shell(
                "find", "/var/lib/causeway", "-type", "f", "-perm", "/077", "!", "-path", "*/hosts/*")
            #expect(open.lines.isEmpty, "\(open.out)")
            // And what a container's programs read can be read by whoever they are.
            try await withService("ho-user", "--user", "1000", "causeway-test") { containers in
                let container = try #require(containers.values.first)
                let hosts = try await attempt(at: .container(container), "cat", "/etc/hosts")
                #expect(hosts.succeeded && hosts.out.contains("localhost"), "\(hosts.all)")
            }
        }

        @Test func `a snapshot holds no environment, no token and no label`() async throws {
            try await withService(
                "ho-secret", "--env", "PASSWORD=horse-battery", "--label", "secret=staple-correct",
                "--container-label", "key=staple-correct", "causeway-test"
            ) { _ in
                let snapshot = try await shell(Machine.executable("causeway"), "snapshot")
                #expect(snapshot.out.contains("ho-secret"))
                for secret in ["horse-battery", "staple-correct", "SWMTKN-1-"] {
                    #expect(!snapshot.out.contains(secret), "\(secret)")
                }
            }
        }

        @Test func `metrics tell tasks, connections and bytes by backend, and calls; and stay in order`() async throws {
            try await withService("ho-count", "--publish", "8091:80", "--replicas", "2", "causeway-test", replicas: 2) {
                _ in
                // Connections are counted from the first reading on.
                _ = try await metrics()
                for _ in 0..<40 { try await call() }
                let first = try await metrics()
                let counted = ["ho-count.1", "ho-count.2"].map {
                    first.value("causeway_connections_total", ["service": "ho-count", "backend": $0]) ?? -1
                }
                #expect(counted.reduce(0, +) == 40)
                #expect(counted.allSatisfy { $0 > 4 }, "\(counted)")
                #expect(first.value("causeway_tasks", ["service": "ho-count", "state": "running"]) == 2)
                #expect(first.value("causeway_backends", ["service": "ho-count"]) == 2)
                #expect(first.samples.contains { $0.name == "causeway_api_seconds_count" && $0.value > 0 })
                #expect(first.samples.contains { $0.name == "causeway_engine_seconds_count" && $0.value > 0 })
                let bytes = first.samples.filter { $0.name == "causeway_sent_bytes_total" }.map(\.value).reduce(0, +)
                #expect(bytes > 40 * 100)

                // When the kernel forgets them they are still counted, and once.
                try await shell("conntrack", "--delete", "--proto", "tcp", "--orig-port-dst", "8091")
                for _ in 0..<10 { try await call() }
                let second = try await metrics()
                let total = second.samples.filter { $0.name == "causeway_connections_total" }.map(\.value).reduce(0, +)
                #expect(total == 50)
                let plan = try await shell(Machine.executable("causeway"), "plan")
                #expect(plan.out.contains("nothing to change"), "\(plan.out)")
            }
        }

        @Test func `a backup made while all runs brings back what was, and tasks answer all the while`() async throws {
            let (copy, daemon) = ("/run/causeway-test-backup.sqlite", Machine.executable("causewayd"))
            try await withService("ho-kept", "--publish", "8091:80", "causeway-test") { containers in
                try await shell("rm", "--force", copy)
                try await shell(daemon, "backup", copy)
                #expect(try await shell("stat", "--format", "%a", copy).trimmed == "600")
                try await docker("service", "create", "--detach", "--quiet", "--name", "ho-later", "causeway-test")
                _ = try await docker.converged("ho-later", 1)

                let refused = try await Command([daemon, "restore", copy]).attempt()
                #expect(!refused.succeeded && refused.err.contains("another causewayd uses"), "\(refused.all)")
                try await Cluster.shared.stopDaemon()
                try await call()
                try await shell(daemon, "restore", copy)
                try await call()
                try await Cluster.shared.startDaemon()

                #expect(try await docker("service", "ls", "--format", "{{.Name}}").lines == ["ho-kept"])
                #expect(try await docker.converged("ho-kept", 1) == containers)
                try await call()
                try await eventually("the task that the copy does not know to be gone") {
                    try await docker("ps", "--quiet", "--filter", "label=com.docker.swarm.service.name=ho-later")
                        .trimmed.isEmpty ? true : nil
                }
            }
        }

        @Test func `a daemon that is asked to stop says nothing of errors`() async throws {
            let before = try String(contentsOfFile: Cluster.log, encoding: .utf8)
            try await Cluster.shared.stopDaemon()
            let after = try String(contentsOfFile: Cluster.log, encoding: .utf8)
            try await Cluster.shared.startDaemon()

            let words = after.dropFirst(before.count)
            #expect(!words.contains(" ERROR ") && !words.contains("CancellationError"), "\(words)")
        }

        private func metrics() async throws -> ExpositionParser {
            let page = try await shell(
                "curl", "--silent", "--fail", "--unix-socket", "/run/causeway/control.sock", "http://causeway/metrics")
            return try ExpositionParser(page.out)
        }

        private func call() async throws {
            let url = "http://\(Machine.address):8091/"
            let said = try await attempt(at: .outside, "curl", "--silent", "--fail", "--max-time", "5", url)
            guard said.succeeded else { throw Command.Failure(said: said) }
        }
    }
}
