import Foundation
import Testing

extension Acceptance.OnLab {
    /// What a lab makes, and takes away again.
    @Suite(.serialized) struct Life {
        @Test func `a lab that was used leaves nothing: no link, namespace, rule, container, process or folder`()
            async throws
        {
            try await Images.make()
            let before = try await Self.state()
            try await Lab.with { lab in
                try await lab.manager("network", "create", "--driver", "overlay", "--attachable", "life")
                try await lab.service("life-web", replicas: 4, "--network", "life", "--publish", "8080:80")
                try await lab.manager("run", "--detach", "--network", "life", Images.test, "sleep", "1000")
            }
            #expect(try await Self.state() == before)
        }

        @Test func `a lab that was made half way can be taken down, and down may be repeated`() async throws {
            let before = try await Self.state()
            // A namespace of that name is somebody else's: the lab stops there.
            try await shell("ip", "netns", "add", "cwlab-n2")
            let up = try await Command(
                [Machine.executable("causeway"), "lab", "up", "--engine-socket", Cluster.engineSocket]
            ).attempt()
            #expect(up.status == 1)
            #expect(up.err.contains("there is a namespace of that name"), "\(up.all)")
            #expect(up.err.contains("causeway lab down"), "\(up.all)")
            try await Lab.causeway(["down"])
            try await Lab.causeway(["down"])
            #expect(try await Self.state() == before)
        }

        @Test func `an engine without the runtime is refused, and nothing is made`() async throws {
            let before = try await Self.state()
            let up = try await Command(
                [Machine.executable("causeway"), "lab", "up", "--engine-socket", "/run/no-engine.sock"]
            ).attempt()
            #expect(up.status == 1)
            #expect(up.err.contains("--engine-socket"), "\(up.all)")
            #expect(try await Self.state() == before)
        }

        @Test func `both data paths are not compared where one cannot be built, and nothing is made`() async throws {
            let before = try await Self.state()
            let up = try await Command(
                [
                    Machine.executable("causeway"), "lab", "up", "--nodes", "2", "--compare", "--engine-socket",
                    Cluster.engineSocket, "--image", "no-such-image",
                ]
            ).attempt()
            #expect(up.status == 1)
            #expect(try await Self.state() == before)
            // The trial has had the module loaded, if there is one; then something else is missing.
            guard !FileManager.default.fileExists(atPath: "/proc/net/ip_vs") else { return }
            for words in ["cannot build the data path 'classic'", "this kernel has no IPVS", "scripts/vm"] {
                #expect(up.err.contains(words), "\(up.all)")
            }
        }

        @Test func `commands run on a node have its daemon, its links and everybody's names`() async throws {
            try await Lab.with(nodes: 2) { _ in
                let name = try await Lab.causeway(["exec", "n2", "--", "docker", "info", "--format", "{{.Name}}"])
                #expect(name.trimmed == "n2")
                let links = try await Lab.causeway(["exec", "n1", "--", "ls", "/sys/class/net"])
                #expect(links.lines.contains("eth0") && !links.lines.contains("docker0"))
                for host in ["n1", "n2", "client"] {
                    let hosts = try await Lab.causeway(["exec", "client", "--", "getent", "ahosts", host])
                    #expect(hosts.succeeded && hosts.out.contains(":") && hosts.out.contains("."), "\(hosts.all)")
                }
                let status = try await Command(
                    [Machine.executable("causeway"), "lab", "exec", "n1", "--", "sh", "-c", "exit 7"]
                ).attempt()
                #expect(status.status == 7)
            }
        }

        /// What a machine has of networks, containers, and processes of ours.
        private static func state() async throws -> String {
            let script = """
                set -eu; cd '\(Machine.root.path)'; . scripts/lib.sh
                network_state; engine_state \(Cluster.engineSocket)
                pgrep -l causeway | sed 's/^[0-9]* //; /causewayPackage/d' || true
                ls -d /run/causeway-lab 2>/dev/null || true
                find /var/lib/causeway -type f 2>/dev/null || true
                """
            return try await shell("bash", "-c", script).out
        }
    }
}
