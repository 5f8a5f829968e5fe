import CausewayAgent
import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

/// ``ClassicCluster`` in this kernel: two hosts as namespaces, each with what the compiler asks for, and a client.
///
///     client 192.168.77.100 ---- wire ---- eth0 hosta .11, hostb .12
final class ClassicBed: Sendable {
    let client: TestNamespace
    let hosts: [String: TestNamespace]
    private let wire: TestNamespace
    private let servers = Mutex<[Process]>([])

    static func run(_ body: (ClassicBed) async throws -> Void) async throws {
        let bed = try await ClassicBed()
        do {
            try await bed.build()
            try await body(bed)
        } catch {
            await bed.close()
            throw error
        }
        await bed.close()
    }

    private init() async throws {
        client = try await TestNamespace("classic-c")
        wire = try await TestNamespace("classic-w")
        hosts = [
            "hosta": try await TestNamespace("classic-a"), "hostb": try await TestNamespace("classic-b"),
        ]
    }

    /// Where the names of a host's namespaces are: both hosts have some alike.
    private func directory(_ host: String) -> String { "/run/\(hosts[host]!.name)" }

    private func build() async throws {
        try await wire.shell("ip link add wire type bridge; ip link set wire up")
        for (host, address) in ClassicCluster.hosts {
            try FileManager.default.createDirectory(atPath: directory(host), withIntermediateDirectories: true)
            try await plug(hosts[host]!, address)
        }
        try await plug(client, "192.168.77.100")
        try await apply(ClassicCluster())
        try await serve("client", in: TestedNamespace(client.namespace))
        for host in ClassicCluster.hosts.keys.sorted() {
            for task in ClassicCluster().assignment(host).tasks where task.serviceName == "web" {
                try await serve("\(task.serviceName).\(task.slot)", in: space(of: task, on: host))
            }
        }
    }

    private func plug(_ node: TestNamespace, _ address: String) async throws {
        let end = "w-\(node.name.suffix(10))"
        try await wire.shell(
            "ip link add \(end) type veth peer name eth0 netns \(node.name); ip link set \(end) master wire up")
        try await node.shell("ip address add \(address)/24 dev eth0; ip link set eth0 up; ip link set lo up")
    }

    // MARK: the nodes' desired state

    /// Brings every host to what its assignment asks for, and makes sure that the kernel then has it word for word.
    func apply(_ cluster: ClassicCluster) async throws {
        for host in ClassicCluster.hosts.keys.sorted() {
            let desired = AssignmentCompiler().compile(cluster.assignment(host), facts: NodeFacts())
            let known = try NetworkNamespace.names(in: directory(host))
            for name in desired.namespaces.keys where !known.contains(name) {
                _ = try await NetworkNamespace.create(name: name, in: directory(host))
            }
            try await reconcile(desired.host, in: hosts[host]!.namespace, .host, on: host)
            for name in desired.namesInOrder {
                try await reconcile(
                    try #require(desired.namespaces[name]), in: NetworkNamespace(name: name, in: directory(host)),
                    Rtnl.isSandbox(name) ? .sandbox : .task, on: host)
            }
        }
    }

    private func reconcile(
        _ state: KernelState, in namespace: NetworkNamespace, _ scope: LinuxKernel.Scope, on host: String
    ) async throws {
        let kernel = LinuxKernel(
            namespace: namespace, scope: scope, sysctls: state.sysctls.keys, directory: directory(host),
            wanted: LinuxKernel.Wanted(state), underlay: hosts[host]!.namespace)
        // Twice: the rules for the bridge are a firewall that was not there when the entry in it was looked for.
        for _ in 0..<2 {
            if case .refused(let error, _, _) = await Reconciler(kernel: kernel).reconcile(to: state) { throw error }
        }
        let rest = try await Reconciler(kernel: kernel).plan(to: state)
        #expect(rest.isEmpty, "\(host) \(namespace): \(rest)")
    }

    func space(of task: Swarm.Task, on host: String) -> TestedNamespace {
        TestedNamespace(NetworkNamespace(name: TaskPlace.namespaceName(of: task), in: directory(host)))
    }

    func space(_ name: String, on host: String) -> TestedNamespace {
        TestedNamespace(NetworkNamespace(name: name, in: directory(host)))
    }

    // MARK: programs

    /// Answers each request with its name and the client's address.
    private static let server = """
        import http.server, sys
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = (sys.argv[1] + " " + self.client_address[0] + "\\n").encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *words): pass
        http.server.HTTPServer(("", 80), Handler).serve_forever()
        """

    private func serve(_ name: String, in space: TestedNamespace) async throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["nsenter", "--net=\(space.namespace.path)", "python3", "-c", Self.server, name]
        try process.run()
        servers.withLock { $0.append(process) }
        for _ in 0..<300 {
            if try await space.shell("ss -Hltn 'sport = :80'").contains(":80") { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        Issue.record("\(name) does not listen")
    }

    /// What some requests, one after the other, were answered with.
    static func ask(_ url: String, _ count: Int, _ shell: (String) async throws -> String) async throws -> [String] {
        let text = try await shell(
            "for i in $(seq \(count)); do curl --silent --show-error --max-time 20 \(url) || echo failed; done")
        return text.split(separator: "\n").map(String.init)
    }

    private func close() async {
        for process in servers.withLock({ $0 }) where process.isRunning { kill(process.processIdentifier, SIGKILL) }
        for host in ClassicCluster.hosts.keys {
            for name in (try? NetworkNamespace.names(in: directory(host))) ?? [] {
                try? NetworkNamespace.delete(name: name, in: directory(host))
            }
            try? FileManager.default.removeItem(atPath: directory(host))
        }
        for namespace in Array(hosts.values) + [client, wire] { try? namespace.close() }
    }
}
