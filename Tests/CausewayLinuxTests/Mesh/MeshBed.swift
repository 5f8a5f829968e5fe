import CausewayAgent
import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayTestKit
import Foundation
import Synchronization
import Testing

/// Three nodes, each a namespace with what the compiler asks for, and a client that only two of them can reach.
///
///     client 198.51.100.9 ---- outside ---- eth1 n1, n2          198.51.100.N, 2001:db8:c::N
///                               wire ---- eth0 n1, n2, n3        192.0.2.N
///
/// What is not on the wire is nowhere for n3: its default route is a blackhole.
final class MeshBed: Sendable {
    let client: TestNamespace
    let wire: TestNamespace
    let nodes: [TestNamespace]
    let shop: MeshShop
    private let facts = Mutex(NodeFacts())
    private let made = Mutex<Set<String>>([])
    private let servers = Mutex<[Process]>([])
    private let folder: URL

    static func run(
        _ shop: MeshShop = MeshShop(), reversePathFilter: Int = 0, _ body: (MeshBed) async throws -> Void
    ) async throws {
        let bed = try await MeshBed(shop)
        do {
            try await bed.build(reversePathFilter)
            try await body(bed)
        } catch {
            await bed.close()
            throw error
        }
        await bed.close()
    }

    private init(_ shop: MeshShop) async throws {
        self.shop = shop
        client = try await TestNamespace("mesh-c")
        wire = try await TestNamespace("mesh-w")
        nodes = [
            try await TestNamespace("mesh-1"), try await TestNamespace("mesh-2"), try await TestNamespace("mesh-3"),
        ]
        folder = FileManager.default.temporaryDirectory.appending(path: client.name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func build(_ reversePathFilter: Int) async throws {
        try await wire.shell("ip link add wire type bridge; ip link add outside type bridge")
        try await wire.shell("ip link set wire up; ip link set outside up")
        for (index, node) in nodes.enumerated() {
            let number = index + 1
            try await node.shell("sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0")
            try await plug(node, "eth0", into: "wire", ["192.0.2.\(number)/24", "2001:db8:a::\(number)/64"])
            if number < 3 {
                try await plug(node, "eth1", into: "outside", ["198.51.100.\(number)/24", "2001:db8:c::\(number)/64"])
            } else {
                try await node.shell("ip route add blackhole default; ip -6 route add blackhole default")
            }
            for link in ["all", "default"] {
                try await node.shell("sysctl -qw net.ipv4.conf.\(link).rp_filter=\(reversePathFilter)")
            }
        }
        try await plug(client, "eth0", into: "outside", ["198.51.100.9/24", "2001:db8:c::9/64"])
        try await countForeigners()
        for name in ["whoami", "twin"] { try compile(name) }
        try await apply()
        try await startServers()
    }

    private func plug(_ node: TestNamespace, _ name: String, into bridge: String, _ addresses: [String]) async throws {
        let end = "\(bridge)-\(node.name.suffix(7))"
        try await wire.shell(
            "ip link add \(end) type veth peer name \(name) netns \(node.name); ip link set \(end) master \(bridge) up")
        for address in addresses {
            try await node.shell("ip address add \(address) dev \(name) \(address.contains(":") ? "nodad" : "")")
        }
        try await node.shell("ip link set \(name) up")
    }

    /// On the wire between nodes: tunnel packets, and packets whose outer source is not a node's.
    private func countForeigners() async throws {
        try await wire.shell(
            """
            nft -f - <<'END'
            table bridge watch {
                counter tunnel { }
                counter foreign { }
                chain forward {
                    type filter hook forward priority 0;
                    iifname "wire-*" udp dport 4789 counter name tunnel
                    iifname "wire-*" ip saddr != 192.0.2.0/24 counter name foreign
                    iifname "wire-*" ip6 saddr 2001:db8:c::/64 counter name foreign
                }
            }
            END
            """)
    }

    func counted(_ name: String) async throws -> Int {
        let text = try await wire.shell("nft list counter bridge watch \(name)")
        let words = text.split(whereSeparator: \.isWhitespace)
        return words.firstIndex(of: "packets").flatMap { Int(words[$0 + 1]) } ?? -1
    }

    // MARK: programs

    private func compile(_ name: String) throws {
        let source = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Support/\(name).c").path
        let output = try Command(["cc", "-O2", "-Wall", "-Werror", "-o", program(name), source]).run()
        guard output.status == 0 else { throw TestNamespace.CommandFailed(description: output.errors) }
    }

    func program(_ name: String) -> String { folder.appending(path: name).path }

    /// A program in a namespace that runs until the bed is closed.
    func start(_ arguments: [String], in namespace: String) throws -> (Process, FileHandle, FileHandle) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["ip", "netns", "exec", namespace] + arguments
        let (output, input) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardInput = input
        try process.run()
        servers.withLock { $0.append(process) }
        return (process, output.fileHandleForReading, input.fileHandleForWriting)
    }

    private func startServers() async throws {
        for task in shop.tasks {
            // The program says its host's name: a name of its own for each task.
            let script = "hostname \(task.serviceName).\(task.slot); exec \(program("whoami")) 80"
            _ = try start(["unshare", "--uts", "sh", "-c", script], in: TaskPlace.namespaceName(of: task))
            let namespace = TestedNamespace(NetworkNamespace(name: TaskPlace.namespaceName(of: task)))
            try await waitUntil("a server") { try await namespace.shell("ss -Hltn 'sport = :80'").contains(":80") }
        }
    }

    // MARK: the nodes' desired state

    /// Brings every node to what its assignment asks for, and makes sure that the kernel then has it word for word.
    func apply(_ shop: MeshShop? = nil, only: [Int] = [1, 2, 3], facts new: NodeFacts? = nil) async throws {
        if let new { facts.withLock { $0 = new } }
        let facts = facts.withLock { $0 }
        for number in only {
            let desired = AssignmentCompiler().compile((shop ?? self.shop).assignment(of: number), facts: facts)
            for name in desired.namespaces.keys where made.withLock({ $0.insert(name).inserted }) {
                _ = try await NetworkNamespace.create(name: name)
            }
            try await reconcile(desired.host, in: nodes[number - 1].namespace, .host)
            for (name, state) in desired.namespaces {
                try await reconcile(state, in: NetworkNamespace(name: name), .task)
            }
        }
    }

    private func reconcile(_ state: KernelState, in namespace: NetworkNamespace, _ scope: LinuxKernel.Scope)
        async throws
    {
        let kernel = LinuxKernel(namespace: namespace, scope: scope, sysctls: state.sysctls.keys)
        if case .refused(let error, _, _) = await Reconciler(kernel: kernel).reconcile(to: state) { throw error }
        let rest = try await Reconciler(kernel: kernel).plan(to: state)
        #expect(rest.isEmpty, "\(rest)")
    }

    // MARK: the end

    private func close() async {
        for process in servers.withLock({ $0 }) where process.isRunning {
            process.terminate()
            try? await waitUntil("the end of \(process.arguments ?? [])") { !process.isRunning }
        }
        for name in made.withLock({ $0 }) { try? NetworkNamespace.delete(name: name) }
        for namespace in nodes + [client, wire] { try? namespace.close() }
        try? FileManager.default.removeItem(at: folder)
    }
}

/// Commands in a namespace that somebody else has made.
struct TestedNamespace {
    let namespace: NetworkNamespace

    init(_ namespace: NetworkNamespace) { self.namespace = namespace }

    @discardableResult
    func shell(_ script: String) async throws -> String {
        let output = try await namespace.perform { try Command(["sh", "-ec", script]).run() }
        guard output.status == 0 else { throw TestNamespace.CommandFailed(description: output.errors) }
        return output.output
    }
}

/// Waits for a state, ten seconds at most.
func waitUntil(_ what: String, _ isTrue: () async throws -> Bool) async throws {
    for _ in 0..<1000 {
        if try await isTrue() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("did not come: \(what)")
}
