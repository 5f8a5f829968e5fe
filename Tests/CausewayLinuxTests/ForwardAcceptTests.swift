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

    /// What firewalld makes of its defaults, as far as a forwarded packet that nobody speaks for meets it.
    private static func firewalld(_ chains: String = "chain filter_FORWARD_POLICIES_post { ct mark 7 drop; }") -> String
    {
        """
        nft -f - <<'RULES'
        table inet firewalld
        delete table inet firewalld
        table inet firewalld {
            \(chains)
            chain filter_FORWARD {
                type filter hook forward priority filter + 10; policy accept;
                ct status dnat accept
                reject with icmpx admin-prohibited
            }
        }
        RULES
        """
    }

    private func chain(_ name: String) async throws -> [String] {
        try await host.run("nft", "--stateless", "list", "chain", "inet", "firewalld", name).split(separator: "\n")
            .map { $0.drop { $0 == "\t" } }.filter { $0.contains("accept") || $0.contains("drop") }.map(String.init)
            .filter { !$0.hasPrefix("type") }
    }

    @Test func `in firewalld the entry comes after the policies, for both families, and again after a reload`()
        async throws
    {
        let entries = ["4", "6"].map {
            "meta nfproto ipv\($0) meta mark & 0x0fff0000 == 0x0fff0000 accept comment \"causeway ip\($0 == "4" ? "" : $0)\""
        }
        for _ in 0..<2 {
            try await host.shell(Self.firewalld())
            #expect(try await kernel.observe().forwardAccepts == [])
            try await KernelContract.reaches(desired, in: kernel)
            #expect(try await chain("filter_FORWARD_POLICIES_post") == ["ct mark 0x00000007 drop"] + entries)
            #expect(try await chain("filter_FORWARD") == ["ct status dnat accept"])
        }
        try await KernelContract.refusesTwice(.forwardAcceptAdd(.ip6), in: kernel)

        // A policy that came later is asked first, too.
        try await host.run("nft", "add rule inet firewalld filter_FORWARD_POLICIES_post ct mark 8 drop")
        try await KernelContract.reaches(desired, in: kernel)
        #expect(try await chain("filter_FORWARD_POLICIES_post").suffix(2) == entries)

        // It ends, and its table with it: nothing is filtered then.
        try await host.run("nft", "delete table inet firewalld")
        #expect(try await kernel.observe().forwardAccepts == [.ip, .ip6])
    }

    @Test func `of firewalld's rules ours alone are removed`() async throws {
        for chains in ["", "chain filter_FORWARD_POLICIES_post { ct mark 7 drop; }"] {
            try await host.shell(Self.firewalld(chains))
            let before = try await host.run("nft", "--stateless", "list", "ruleset")
            try await KernelContract.reaches(desired, in: kernel)
            try await KernelContract.reaches(KernelState(), in: kernel)
            #expect(try await host.run("nft", "--stateless", "list", "ruleset") == before)
        }
    }

    @Test func `firewalld without a chain for late policies gets the entry first`() async throws {
        try await host.shell(Self.firewalld(""))
        try await KernelContract.reaches(desired, in: kernel)

        let rules = try await chain("filter_FORWARD")
        #expect(rules.count == 3)
        #expect(rules.prefix(2).allSatisfy { $0.contains("causeway") })
    }
}
