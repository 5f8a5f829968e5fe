import Foundation
import Testing

extension Acceptance.InLab {
    /// Tunnel packets come from the address that was said, beside a tunnel of somebody else on the same port.
    @Suite(.serialized, .nodes(3, joined: 1)) struct DataAddresses {
        static let second = "192.0.2.102"
        static let foreign = 77

        @Test func `a secondary data address is the outer source, beside a foreign tunnel on the same port`()
            async throws
        {
            // The kernel prefers the first address of the subnet.
            try await lab.shell("n2", "ip address add \(Self.second)/24 dev eth0")
            try await Self.addForeignTunnel("n2", "172.31.77.2", to: "n3", "172.31.77.3")
            try await Self.addForeignTunnel("n3", "172.31.77.3", to: "n2", "172.31.77.2")
            try await Self.join("n2", "--data-path-addr", Self.second)
            try await Self.join("n3")

            try await lab.withNetwork("da-one") {
                try await lab.withNetwork("da-two") {
                    let (options, command) = LabCluster.web()
                    let networks = ["--network", "da-one", "--network", "da-two"]
                    try await lab.withService(
                        "da-web", options: options + networks + ["--publish", "8080:80"], command: command, replicas: 3
                    ) { tasks in
                        try await lab.plansBecomeEmpty()
                        try await Self.expectSources(tasks)
                        try await Self.expectForeignTunnel()
                    }
                }
            }
            for node in await lab.nodes {
                #expect(!lab.lines(node).contains { $0.contains("VXLAN_ENTRY_EXISTS") || $0.contains("EEXIST") })
            }
        }

        // MARK: parts

        private static func join(_ node: String, _ options: String...) async throws {
            let token = try await lab.manager("swarm", "join-token", "--quiet", "worker").trimmed
            let words = ["swarm", "join", "--advertise-addr", LabCluster.address(node), "--token", token]
            try await lab.docker(node)(words + options + ["\(LabCluster.address("n1")):2377"])
        }

        private static func addForeignTunnel(
            _ node: String, _ inner: String, to other: String, _ : String
        ) async throws {
            try await lab.shell(
                node,
                """
                ip link add foreign0 type vxlan id \(foreign) dstport 4789 local \(LabCluster.address(node)) \
                    remote \(LabCluster.address(other)) dev eth0
                ip address add \(inner)/24 dev foreign0
                ip link set foreign0 up
                """)
        }

        /// Every pair of tasks, every node's published port, and what the underlay saw of it.
        private static func expectSources(_ tasks: [LabCluster.Place]) async throws {
            let tunnels = "ether type ip udp dport 4789 @th,96,24 4095"
            let watch = try await UnderlayWatch([
                "right": "\(tunnels) ip saddr \(second)", "wrong": "\(tunnels) ip saddr \(LabCluster.address("n2"))",
                "back": "\(tunnels) ip daddr \(second)", "away": "\(tunnels) ip daddr \(LabCluster.address("n2"))",
            ])
            for task in tasks {
                for network in ["da-one", "da-two"] {
                    let load = Load(
                        transport: .http, address: try await virtualAddress(network), port: 80, count: 60, atOnce: 8)
                    let result = try await load.run(at: task.network)
                    expectEvenly(result, among: tasks.map(\.name), seeing: nil)
                }
            }
            for address in await lab.addresses([4, 6]) {
                let load = Load(transport: .http, address: address, port: 8080, count: 60, atOnce: 8)
                let result = try await load.run(at: lab.place("client"))
                #expect(result.answered == 60, "\(address): \(result)")
            }
            let counts = try await watch.counts()
            try await watch.end()
            #expect(counts["wrong"] == 0 && counts["away"] == 0, "\(counts)")
            #expect(counts["right"] ?? 0 > 100 && counts["back"] ?? 0 > 100, "\(counts)")
        }

        private static func virtualAddress(_ network: String) async throws -> String {
            let id = try await lab.manager("network", "inspect", "--format", "{{.Id}}", network).trimmed
            let format = "{{range .Endpoint.VirtualIPs}}{{.NetworkID}} {{println .Addr}}{{end}}"
            let lines = try await lab.manager("service", "inspect", "--format", format, "da-web").lines
            let own = try #require(lines.first { $0.hasPrefix(id) && !$0.contains(":") })
            return String(try #require(own.split(separator: " ").last).prefix { $0 != "/" })
        }

        /// Somebody else's tunnel still works, and nothing of it was changed.
        private static func expectForeignTunnel() async throws {
            let program = try await whoamiProgram()
            let server = try Spawned(
                lab.place("n3").wrap([program, "7300"]), out: "/dev/null", err: "/run/causeway-test-whoami.log")
            let load = Load(transport: .http, address: "172.31.77.3", port: 7300, count: 20)
            defer { server.signal(SIGKILL) }
            try await eventually("an answer through the foreign tunnel") {
                try await load.run(at: lab.place("n2")).answered == 20 ? true : nil
            }
        }
    }
}
