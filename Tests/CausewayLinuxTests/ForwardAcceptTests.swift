import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayTestKit
import Testing

@Suite(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"))
struct `Forward entry` {
    let host: TestNamespace
    var kernel: LinuxKernel { LinuxKernel(namespace: host.namespace, scope: .host) }

    init() async throws { host = try await TestNamespace("linux-fwd") }

    private let desired = KernelState(
        tables: [Nft.Table(family: .inet, name: "causeway")], forwardAccepts: [.ip, .ip6])

    @Test func `where nobody filters nothing is added, and leaving is complete`() async throws {
        try await KernelContract.reaches(desired, in: kernel)
        #expect(try await host.run("iptables-save") == "")

        try await KernelContract.reaches(KernelState(), in: kernel)
    }

    @Test func `beside Docker the entry goes where users' rules go, once, and is repaired`() async throws {
        let before = """
            iptables -P FORWARD DROP
            iptables -N DOCKER-USER
            iptables -A FORWARD -j DOCKER-USER
            iptables -A DOCKER-USER -s 192.0.2.9 -j DROP
            iptables -A DOCKER-USER -j RETURN
            """
        try await host.shell(before)
        try await KernelContract.reaches(desired, in: kernel)
        let rules = try await host.run("iptables", "-S", "DOCKER-USER")
        #expect(
            rules == """
                -N DOCKER-USER
                -A DOCKER-USER -s 192.0.2.9/32 -j DROP
                -A DOCKER-USER -m mark --mark 0xfff0000/0xfff0000 -m comment --comment causeway -j ACCEPT
                -A DOCKER-USER -j RETURN

                """)

        try await KernelContract.refusesTwice(.forwardAcceptAdd(.ip), in: kernel)
        try await host.run("iptables", "-F", "DOCKER-USER")
        #expect(try await kernel.observe().forwardAccepts == [.ip6])
        try await KernelContract.reaches(desired, in: kernel)

        try await KernelContract.reaches(KernelState(), in: kernel)
        #expect(try await host.run("iptables", "-S", "DOCKER-USER") == "-N DOCKER-USER\n")
    }

    @Test func `without Docker it comes last in FORWARD`() async throws {
        try await host.run("ip6tables", "-A", "FORWARD", "-s", "2001:db8::9", "-j", "DROP")

        try await KernelContract.reaches(desired, in: kernel)

        let rules = try await host.run("ip6tables", "-S", "FORWARD").split(separator: "\n")
        #expect(rules.count == 3)
        #expect(rules.last?.hasSuffix("--comment causeway -j ACCEPT") == true)
    }
}
