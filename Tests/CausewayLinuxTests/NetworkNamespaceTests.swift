import CausewayKernel
import CausewayLinux
import CausewayTestKit
import Testing

@Suite(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"))
struct `Network namespace` {
    @Test func `one that is made is listed, can be entered by ip(8), and is gone after deletion`() async throws {
        let name = "linux-ns-\(UInt32.random(in: 0 ... .max))"
        let namespace = try await NetworkNamespace.create(name: name)
        #expect(try NetworkNamespace.names().contains(name))
        #expect(try Command(["ip", "netns", "exec", name, "true"]).run().status == 0)
        let twice = await #expect(throws: KernelError.self) { _ = try await NetworkNamespace.create(name: name) }
        #expect(twice?.reason == .alreadyExists)

        try NetworkNamespace.delete(name: name)

        #expect(try !NetworkNamespace.names().contains(name))
        let gone = await #expect(throws: KernelError.self) { try await namespace.perform {} }
        #expect(gone?.reason == .noNamespace)
        #expect(throws: KernelError.self) { try NetworkNamespace.delete(name: name) }
    }

    @Test func `ip(8) and we see each other's`() async throws {
        let name = "linux-ip-\(UInt32.random(in: 0 ... .max))"
        #expect(try Command(["ip", "netns", "add", name]).run().status == 0)
        let inode = try NetworkNamespace(name: name).inode
        let inside = try await NetworkNamespace(name: name).perform { try NetworkNamespace.current.inode }

        #expect(inside == inode)
        #expect(inode != (try NetworkNamespace.host.inode))
        try NetworkNamespace.delete(name: name)
        #expect(try Command(["ip", "netns", "list"]).run().output.contains(name) == false)
    }

    @Test func `who comes back is where they were`() async throws {
        let there = try await TestNamespace("linux-back")
        let inode = try NetworkNamespace.host.inode

        for _ in 0..<50 { _ = try await there.namespace.perform { try NetworkNamespace.current.inode } }

        #expect(try NetworkNamespace.current.inode == inode)
        #expect(try await NetworkNamespace.host.perform { try NetworkNamespace.current.inode } == inode)
    }

    @Test(arguments: ["", "a/b", "..", "."])
    func `a malformed name is refused`(name: String) async {
        await #expect(throws: KernelError.self) { _ = try await NetworkNamespace.create(name: name) }
    }

    @Test func `a socket stays in its namespace and travels`() async throws {
        let there = try await TestNamespace("linux-sock")
        try await there.run("ip", "link", "add", "only-here", "type", "bridge")

        let socket = try await there.namespace.perform { try RouteSocket() }

        #expect(try socket.links().map(\.name).contains("only-here"))
    }
}
