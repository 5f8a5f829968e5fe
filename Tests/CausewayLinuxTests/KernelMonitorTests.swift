import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayTestKit
import Testing

@Suite(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"), .timeLimit(.minutes(1)), .serialized)
struct `Kernel monitor` {
    private let host: TestNamespace
    private let task: TestNamespace
    private let monitor: KernelMonitor

    init() async throws {
        (host, task) = (try await TestNamespace("linux-mon"), try await TestNamespace("linux-mon"))
        try await host.shell("ip link add other type bridge; ip link set other up")
        try await host.shell("ip link add cw-1 type veth peer name eth0 netns \(task.name); ip link set cw-1 up")
        try await task.shell("ip link set eth0 up; ip link set lo up")
        // Of the test's own process, whose host it is then.
        monitor = try await host.namespace.perform { try KernelMonitor() }
        try await monitor.watch("t", task.namespace, from: host.namespace)
    }

    /// What is told until a change that is told for certain.
    private func told() async throws -> [KernelMonitor.Change] {
        // One transaction, so that nothing of it is told later.
        try await host.shell("nft 'add table inet causeway; delete table inet causeway'")
        var all: [KernelMonitor.Change] = []
        for await change in monitor.changes {
            // What came with it is told with it.
            let isLast = change.place == .host && change.parts.contains(.tables)
            all.append(.init(change.place, isLast ? change.parts.subtracting(.tables) : change.parts))
            if isLast { break }
        }
        return all.filter { !$0.parts.isEmpty }
    }

    /// Whether it comes, whatever comes before it, and the time limit does not.
    private func tells(_ place: KernelMonitor.Change.Place, _ parts: KernelParts) async -> Bool {
        for await change in monitor.changes where change.place == place && change.parts.isSuperset(of: parts) {
            return true
        }
        return false
    }

    @Test(arguments: [
        "ip link add cw-2 type bridge", "ip rule add pref 300 lookup 213 protocol 213", "ip link set cw-1 mtu 1400",
        "ip route add 192.0.2.0/24 dev cw-1 proto 213",
        "ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 dev cw-1", "ip address add 192.0.2.1/32 dev cw-1",
    ])
    func `a change of the host's is told as the host's`(change: String) async throws {
        try await host.shell(change)
        #expect(await tells(.host, .links))
    }

    @Test(arguments: [
        "ip address add 192.0.2.1/32 dev eth0", "ip link set eth0 mtu 1400",
        "ip route add 192.0.2.0/24 dev eth0 proto 213", "ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 dev eth0",
    ])
    func `a change in a task's namespace is told with its name`(change: String) async throws {
        try await task.shell(change)
        #expect(await tells(.namespace("t"), .links))
    }

    @Test func `tables are told apart by namespace, and those of others are not ours`() async throws {
        try await task.shell("nft add table ip causeway")
        #expect(await tells(.namespace("t"), .tables))
        try await host.shell("nft add table inet x; nft add chain inet x c; nft delete table inet x")
        #expect(try await told().isEmpty)
        try await host.shell("nft add table ip filter")
        #expect(await tells(.host, .forward))
    }

    @Test func `of firewalld's table only what may take our entry away is told`() async throws {
        let chains = "add chain inet firewalld filter_FORWARD; add chain inet firewalld filter_INPUT"
        try await host.shell("nft 'add table inet firewalld; \(chains)'")
        #expect(await tells(.host, .forward))
        try await host.shell(
            """
            nft 'add set inet firewalld s { type ipv4_addr; }; add element inet firewalld s { 192.0.2.1 }'
            nft 'add rule inet firewalld filter_INPUT ip saddr @s drop; flush chain inet firewalld filter_INPUT'
            """)
        #expect(try await told().isEmpty)
        try await host.shell("nft 'insert rule inet firewalld filter_FORWARD ct mark 7 drop'")
        #expect(await tells(.host, .forward))
        try await host.shell("nft 'delete table inet firewalld'")
        #expect(await tells(.host, .forward))
    }

    @Test func `what others do with what is theirs is not told`() async throws {
        try await host.shell(
            """
            ip address add 192.0.2.1/24 dev other; ip route add 198.51.100.0/24 via 192.0.2.9
            ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 dev other; ip link set other mtu 1400
            ip link add d1 type veth peer name d2; ip link set d1 up
            """)
        #expect(try await told().filter { $0.parts != .sysctls }.isEmpty)
    }

    @Test func `our own changes are not told`() async throws {
        let kernel = LinuxKernel(namespace: task.namespace, scope: .task)
        _ = try await told()
        try await kernel.take(.addressAdd(Rtnl.Address(link: "eth0", address: .init("192.0.2.1/32")!)))
        #expect(try await told().isEmpty)
    }

    @Test func `forwarding is told, and many changes are few`() async throws {
        try await host.shell("sysctl -qw net.ipv4.ip_forward=1; sysctl -qw net.ipv4.ip_forward=0")
        #expect(await tells(.host, .sysctls))
        try await task.shell("for i in $(seq 200); do echo address add 192.0.2.$i/32 dev eth0; done | ip -batch -")
        #expect(try await told().count < 200)
    }
}
