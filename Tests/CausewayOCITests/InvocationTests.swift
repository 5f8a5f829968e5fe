import Testing

@testable import causeway_oci

@Suite struct InvocationTests {
    /// What containerd's shim passes for Docker 20.10.
    static let create = [
        "--root", "/var/run/docker/runtime-runc/moby", "--log", "/run/b/log.json", "--log-format", "json", "create",
        "--bundle", "/run/b", "--pid-file", "/run/b/init.pid", "--console-socket", "/tmp/pty.sock", "abc",
    ]

    @Test func `Docker's call that creates a container is understood`() {
        let invocation = Invocation(Self.create)

        #expect(invocation.makesContainer)
        #expect(invocation.bundle == "/run/b")
        #expect(invocation.container == "abc")
        #expect(invocation.log == "/run/b/log.json")
        #expect(invocation.logsJSON)
    }

    @Test(arguments: [
        ["--systemd-cgroup", "--debug", "run", "-b", "/b", "abc"],
        ["--root=/x", "--log=/y", "restore", "--image-path", "/i", "--bundle=/b", "--detach", "abc"],
        ["-root", "/x", "--rootless", "true", "create", "-bundle", "/b", "--no-pivot", "abc"],
        ["--criu", "create", "create", "--unheard-of", "thing", "--bundle", "/b", "abc"],
    ])
    func `flags are taken in every form that the runtime takes`(arguments: [String]) {
        let invocation = Invocation(arguments)

        #expect(invocation.makesContainer)
        #expect(invocation.bundle == "/b")
        #expect(invocation.container == "abc")
    }

    @Test(arguments: [
        ["--root", "/x", "start", "abc"], ["--root", "create", "state", "abc"], ["delete", "--force", "create"],
        ["exec", "--process", "/p", "abc", "create"], ["--version"], [], ["--log-format", "json"],
    ])
    func `a call that makes no container is none of ours`(arguments: [String]) {
        #expect(!Invocation(arguments).makesContainer)
    }

    @Test func `a call without a container's name is left to the real runtime to refuse`() {
        #expect(Invocation(["create", "--bundle"]).container == nil)
        #expect(Invocation(["create"]).container == nil)
        #expect(Invocation(["create", "abc"]).bundle == ".")
    }
}
