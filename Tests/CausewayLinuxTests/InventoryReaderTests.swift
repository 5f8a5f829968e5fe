import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayTestKit
import Testing

@Suite struct `Inventory reader` {
    @Test(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"))
    func `joins both ends of a pair, and reads what is in each namespace`() async throws {
        let (a, b) = (try await TestNamespace("linux-inv"), try await TestNamespace("linux-inv"))
        try await a.shell(
            """
            ip link add left type veth peer name right netns \(b.name)
            ip link add br0 type bridge
            ip link set left master br0 && ip link set left up
            ip address add 192.0.2.1/24 dev br0 && ip link set br0 up
            ip route add blackhole 198.51.100.0/24 table 77
            ip rule add from 192.0.2.0/24 fwmark 0x10/0xff lookup 77 priority 100
            iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.0.2.5:8080
            nft add table inet mine
            sysctl -qw net.ipv4.ip_forward=1
            """)
        try await b.run("sysctl", "-qw", "net.ipv4.ip_forward=0")

        let inventory = try await InventoryReader(enginePath: "/nonexistent.sock").read()

        let host = try #require(inventory.namespaces.first)
        #expect(host.name == "host")
        #expect(host.inode == (try NetworkNamespace.host.inode))
        let first = try #require(inventory.namespaces.first { $0.name == a.name })
        let second = try #require(inventory.namespaces.first { $0.name == b.name })
        let left = try #require(first.links.first { $0.link.name == "left" })
        let right = try #require(second.links.first { $0.link.name == "right" })
        #expect(left.peerNamespace == second.inode)
        #expect(right.peerNamespace == first.inode)
        #expect(left.peerIndex == right.index)
        #expect(left.controller == "br0")
        #expect(first.addresses.contains(Rtnl.Address(link: "br0", address: try #require(CIDR("192.0.2.1/24")))))
        #expect(first.routes.contains { $0.table == 77 && $0.kind == .blackhole })
        let rule = try #require(first.rules.first { $0.priority == 100 })
        #expect(rule.from == CIDR("192.0.2.0/24"))
        #expect(rule.mark == 0x10 && rule.markMask == 0xff && rule.table == 77)
        #expect(first.tables.map(\.name) == ["mine"])
        let dnat = first.iptables.first { $0.name == "nat" }?.chains.first { $0.name == "PREROUTING" }?.rules.first
        #expect(dnat != nil)
        #expect(first.sysctls["net.ipv4.ip_forward"] == "1")
        #expect(second.sysctls["net.ipv4.ip_forward"] == "0")
        #expect(second.iptables.isEmpty)
        #expect(inventory.gaps.contains { $0.contains("/nonexistent.sock") })
    }

    @Test(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"))
    func `finds who listens`() async throws {
        let there = try await TestNamespace("linux-lis")
        let port = try await there.namespace.perform { try PortProbe.listenOnAny() }

        let inventory = try await InventoryReader(enginePath: "/nonexistent.sock").read()

        let state = try #require(inventory.namespaces.first { $0.name == there.name })
        let socket = try #require(state.sockets.first { $0.port == port.number })
        #expect(socket.protocol == .tcp)
        #expect(socket.address == IPAddress("::"))
        #expect(!socket.isV6Only)
        #expect(socket.processID == PortProbe.processID)
        port.close()
    }

    @Test(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"), .timeLimit(.minutes(1)))
    func `a hundred namespaces take less than a second`() async throws {
        var all: [TestNamespace] = []
        for number in 0..<100 {
            let there = try await TestNamespace("linux-many")
            if number % 2 == 0 { try await there.run("nft", "add table ip causeway; add chain ip causeway c") }
            all.append(there)
        }
        let reader = InventoryReader(enginePath: "/nonexistent.sock")
        let clock = ContinuousClock()
        var best = Duration.seconds(100)
        for _ in 0..<3 {
            let start = clock.now
            let inventory = try await reader.read()
            best = min(best, clock.now - start)
            #expect(inventory.namespaces.count > 100)
        }

        #expect(best < .seconds(1), "took \(best)")
        print("inventory of 100 namespaces: \(best)")
        withExtendedLifetime(all) {}
    }
}

@Suite struct `Engine's answers` {
    @Test func `an engine that is not there is a sentence, not a failure`() {
        #expect(throws: EngineOwners.Unavailable.self) { try EngineOwners(socketPath: "/nonexistent.sock").owners() }
    }
}
