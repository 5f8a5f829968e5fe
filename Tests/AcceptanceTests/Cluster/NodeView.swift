import CausewayKernel
import CausewayLinux
import Foundation
import Testing

/// What is ours in the kernel of one node of the lab, read here and not by the daemon that is under test.
struct NodeView: Sendable {
    let node: String
    /// Whether it is a node of classic networks: its tasks have several links, and iptables of ours.
    var isClassic = false

    var directory: String { "\(LabCluster.folder)/\(node)/netns" }

    /// The node's own namespace under its name, and those of its tasks under theirs.
    func state(_ parts: KernelParts = .all) async throws -> [String: KernelState] {
        var all = [node: try await host.observe(parts).normalised]
        for name in try NetworkNamespace.names(in: directory) where name.hasPrefix("cw-") {
            all[name] = try await kernel(name).observe(parts).normalised
        }
        return all
    }

    private var host: LinuxKernel {
        LinuxKernel(
            namespace: NetworkNamespace(name: "cwlab-\(node)"), scope: .host,
            sysctls: ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"], directory: directory)
    }

    /// Runs a shell script in one of the node's namespaces, and throws when it fails.
    @discardableResult
    func shell(_ name: String, _ script: String) async throws -> Command.Said {
        try await Command(["nsenter", "--net=\(directory)/\(name)", "sh", "-ec", script]).run()
    }

    private func kernel(_ name: String) -> LinuxKernel {
        let namespace = NetworkNamespace(name: name, in: directory)
        guard !Rtnl.isSandbox(name) else {
            return LinuxKernel(
                namespace: namespace, scope: .sandbox,
                sysctls: ["net.ipv4.ip_forward", "net.ipv4.vs.conntrack", "net.ipv4.vs.expire_nodest_conn"],
                directory: directory)
        }
        var wanted = LinuxKernel.Wanted()
        if isClassic {
            wanted.links = ["eth0", "eth1", "eth2"]
            wanted.hasFirewall = true
        }
        return LinuxKernel(
            namespace: namespace, scope: .task,
            sysctls: ["net.ipv6.conf.eth0.accept_ra", "net.ipv6.conf.eth0.disable_ipv6"], directory: directory,
            wanted: wanted)
    }

    /// Waits until everything is as it was, and throws with what is not.
    func wait(for reference: [String: KernelState], until deadline: ContinuousClock.Instant, _ what: String)
        async throws
    {
        var wrong: [String] = []
        repeat {
            let asked = ContinuousClock.now
            wrong = differences(from: reference, to: (try? await state()) ?? [:])
            if wrong.isEmpty { return }
            guard asked < deadline else { break }
            try await Task.sleep(for: .milliseconds(5))
        } while true
        throw Context(error: NotRepaired(what: "\(node): \(what)", wrong: wrong), notes: [lab.lastOfLog(node)])
    }

    private func differences(from reference: [String: KernelState], to now: [String: KernelState]) -> [String] {
        Set(reference.keys).union(now.keys).sorted().compactMap { name in
            guard let wanted = reference[name] else { return "\(name): it was not there" }
            guard let is_ = now[name] else { return "\(name): gone" }
            return is_ == wanted ? nil : "\(name): \(Plan(from: is_, to: wanted))"
        }
    }
}

extension LabCluster {
    /// What `causeway plan` says of a node.
    nonisolated func plan(_ node: String) async throws -> String {
        try await Self.causeway(["plan", "--socket", "\(Self.folder)/\(node)/control.sock"]).run().trimmed
    }

    /// Waits until `causeway plan` has nothing to say, on every node.
    func plansBecomeEmpty(within limit: Duration = .seconds(10)) async throws {
        let nodes = nodes
        var last: [String] = []
        do {
            try await eventually("causeway plan to be empty on all nodes", within: limit) {
                last = []
                for node in nodes {
                    let plan = try await self.plan(node)
                    if plan != nothingToChange { last.append("\(node): \(plan)") }
                }
                return last.isEmpty ? true : nil
            }
        } catch { throw Context(error: error, notes: last + lastOfLogs()) }
    }

    /// A figure of a node's `/metrics`: the sum over its labels.
    nonisolated func metric(_ name: String, _ node: String, labels: String = "") async throws -> Double {
        let page = try await AcceptanceTests.shell(
            "curl", "--silent", "--show-error", "--unix-socket", "\(Self.folder)/\(node)/control.sock",
            "http://causeway/metrics")
        let lines = page.lines.filter {
            ($0.hasPrefix(name + " ") || $0.hasPrefix(name + "{")) && (labels.isEmpty || $0.contains(labels))
        }
        return lines.compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
    }

    /// How a node reaches the others, as `causeway lab status` has it.
    struct Peer: Decodable, Sendable, CustomStringConvertible {
        var hostname: String
        var reachable: Bool
        var mtu: Int?
        var offload: Bool?
        var note: String

        var description: String {
            "\(hostname): reachable \(reachable), mtu \(mtu ?? 0), offload \(offload.map { "\($0)" } ?? "?"), '\(note)'"
        }
    }

    nonisolated func peers(_ node: String) async throws -> [String: Peer] {
        struct Report: Decodable {
            struct Node: Decodable {
                var name: String
                var peers: [Peer]
            }
            var nodes: [Node]
        }
        let said = try await Self.causeway(["lab", "status", "--format", "json"]).run()
        let report = try JSONDecoder().decode(Report.self, from: Data(said.out.utf8))
        let peers = try #require(report.nodes.first { $0.name == node }).peers
        return Dictionary(peers.map { ($0.hostname, $0) }, uniquingKeysWith: { $1 })
    }
}
