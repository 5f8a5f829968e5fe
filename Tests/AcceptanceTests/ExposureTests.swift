import CausewayModel
import CausewayPath
import Foundation
import Testing

extension Acceptance.OnCluster {
    /// What is published in every manner, asked for from every side, against what `causeway exposure` says.
    @Suite(.serialized) struct WhatIsExposed {
        /// All of them, or those where anything could be.
        static let ports: ClosedRange<UInt16> = Machine.isFull ? 1...65_535 : 1...9_000
        static let datagramPorts: ClosedRange<UInt16> = 8_000...8_120

        /// A second address of eth0, and a second link to the outside.
        static let second = "198.51.100.3"
        static let other = "192.0.2.2"

        @Test func `exactly what was published is reachable, and causeway exposure says exactly that`() async throws {
            try await Scan.build()
            try await Self.withLinks {
                try await Self.withServices(Self.services) {
                    try await Self.withOthers { container in
                        try await Self.scanFromOutside(container)
                        try await Self.scanFromTask()
                    }
                }
            }
        }

        @Test func `a label that cannot be carried out is refused, by its name`() async throws {
            for (label, words) in [
                ("causeway.publish.8099.bind=192.0.2.200", "this host does not have the address 192.0.2.200"),
                ("causeway.publish.8099.bind=eth7", "this host has no interface 'eth7'"),
                ("causeway.publish.8098.from=10.0.0.0/8", "the service does not publish port 8098"),
                ("causeway.publish.8099.form=10.0.0.0/8", "is not known"),
            ] {
                let said = try await docker.attempt(
                    "service", "create", "--detach", "--name", "ex-wrong", "--publish", "8099:80", "--label", label,
                    Images.test)
                #expect(!said.succeeded)
                #expect(said.err.contains(words), "\(label): \(said.err)")
                #expect(said.err.contains(String(label.prefix { $0 != "=" })))
            }
        }

        @Test func `connections from elsewhere are refused at once, and the lens names the rule`() async throws {
            let label = "causeway.publish.8097.from=10.20.0.0/16"
            try await withService("ex-narrow", "--publish", "8097:80", "--label", label, Images.test) { _ in
                let load = Load(transport: .http, address: Machine.address, port: 8097)
                #expect(try await load.run(at: .outside).failed == ["refused": 1])

                let said = try await Command(
                    [Machine.executable("causeway"), "path", "\(Machine.address):8097", "--format", "json"]
                ).attempt()
                let trace = try JSONDecoder().decode(Trace.self, from: Data(said.out.utf8))
                #expect(trace.verdict.outcome == .refused)
                #expect(trace.verdict.answer == "tcp reset")
                #expect(trace.verdict.text.contains("not offered to this source"))

                try await docker(
                    "service", "update", "--detach", "--label-rm", "causeway.publish.8097.from", "ex-narrow")
                try await eventually("the port to be open to all") {
                    try await load.run(at: .outside).answered == 1 ? true : nil
                }
            }
        }

        // MARK: what is published

        static let services: [(name: String, options: [String])] = [
            ("ex-all", ["--publish", "8080:80", "--publish", "8080:80/udp"]),
            (
                "ex-bound",
                ["--publish", "8081:80", "--label", "causeway.publish.8081.bind=\(second),\(Machine.address6)"]
            ),
            ("ex-link", ["--publish", "8082:80", "--label", "causeway.publish.8082.bind=eth1"]),
            (
                "ex-from",
                [
                    "--publish", "8083:80", "--publish", "8083:80/udp", "--label",
                    "causeway.publish.8083.from=203.0.113.0/24,2001:db8:100::/64",
                ]
            ),
            ("ex-host", ["--publish", "mode=host,published=8084,target=80"]),
            (
                "ex-both",
                [
                    "--publish", "8085:80", "--label", "causeway.publish.8085.bind=\(second)", "--label",
                    "causeway.publish.8085/tcp.from=198.51.100.0/24",
                ]
            ),
            ("ex-none", []),
        ]

        /// What is reachable over TCP, written out by hand: whatever the lens says, this is what was asked for.
        static func expected(at address: String, from source: String) -> Set<UInt16> {
            var ports: Set<UInt16> = [8080, 8084, 8086, 8088]
            if [second, Machine.address6].contains(address) { ports.insert(8081) }
            if source == "192.0.2.1" { ports.insert(8082) }
            if source.hasPrefix("203.0.113.") || source.hasPrefix("2001:db8:100:") { ports.insert(8083) }
            if address == second, source.hasPrefix("198.51.100.") { ports.insert(8085) }
            if address == second { ports.insert(8087) }
            // Where other nodes would find the manager.
            if !address.contains(":") { ports.insert(2377) }
            return ports
        }

        // MARK: scans

        private static func scanFromOutside(_ container: String) async throws {
            let exposure = try await Exposure.read()
            let own = [Machine.address, second, other, "172.17.0.1"]
            let sources = [Machine.client, "198.51.100.1", "192.0.2.1"]
            for (addresses, sources) in [(own, sources), ([Machine.address6], [Machine.client6, "2001:db8:100::1"])] {
                for address in addresses {
                    for source in sources {
                        // One source asks them all; the others only where something is, unless time does not matter.
                        let ports = source == sources[0] || Machine.isFull ? ports : datagramPorts
                        let open = try await Scan(transport: .tcp, address: address, ports: ports, source: source)
                            .run(at: .outside)
                        let wanted = expected(at: address, from: source).filter { ports.contains($0) }
                        #expect(open == wanted, "\(source) to \(address)")
                        try await compare(exposure, open, .tcp, address, source, ports)
                        let datagrams = Scan(
                            transport: .udp, address: address, ports: datagramPorts, source: source)
                        try await compare(
                            exposure, try await datagrams.run(at: .outside), .udp, address, source, datagramPorts)
                    }
                }
            }
            // Nobody outside has any business with an address of a task, or of a container.
            for address in [try await taskAddress("ex-all.1"), try await taskAddress("ex-none.1"), container] {
                let open = try await Scan(transport: .tcp, address: address, ports: 1...4_000, source: Machine.client)
                    .run(at: .outside)
                try await compare(exposure, open, .tcp, address, Machine.client, 1...4_000)
            }
        }

        private static func scanFromTask() async throws {
            let exposure = try await Exposure.read("--from", "task:ex-none.1")
            let place = Machine.Place.namespace(try await taskNamespace("ex-none.1"))
            let task = try await taskAddress("ex-all.1")
            for address in [Machine.address, second, other, task] {
                let open = try await Scan(transport: .tcp, address: address, ports: ports).run(at: place)
                try await compare(exposure, open, .tcp, address, nil, ports)
            }
            let fromHost = try await Exposure.read("--from", "host")
            for address in [Machine.address, second, Machine.address6] {
                let open = try await Scan(transport: .tcp, address: address, ports: ports).run(at: .host)
                try await compare(fromHost, open, .tcp, address, nil, ports)
            }
        }

        private static func compare(
            _ exposure: Exposure, _ open: Set<UInt16>, _ transport: Packet.Transport, _ address: String,
            _ source: String?, _ ports: ClosedRange<UInt16>
        ) async throws {
            let said = exposure.open(transport, at: address, from: source, in: ports)
            #expect(open == said, "\(transport) at \(address) from \(source ?? exposure.from ?? "?")\n\(exposure.text)")
        }

        // MARK: around it

        private static func withServices(
            _ services: [(name: String, options: [String])], _ body: () async throws -> Void
        ) async throws {
            guard let first = services.first else { return try await body() }
            try await withService(first.name, options: first.options + [Images.test]) { _ in
                try await withServices(Array(services.dropFirst()), body)
            }
        }

        /// Docker's own ports, and servers of the host: one for all, one on loopback.
        private static func withOthers(_ body: (_ container: String) async throws -> Void) async throws {
            let engine = Docker(socket: Cluster.engineSocket)
            let whoami = Machine.root.appending(path: "Tests/Support/whoami.c").path
            try await shell("cc", "-O2", "-o", "/run/causeway-test-whoami", whoami)
            let servers = try [
                Spawned(["/run/causeway-test-whoami", "8088"], out: "/dev/null", err: "/dev/null"),
                Spawned(["busybox", "httpd", "-f", "-p", "127.0.0.1:8089"], out: "/dev/null", err: "/dev/null"),
            ]
            let ports = ["-p", "8086:80", "-p", "\(second):8087:80"]
            try await engine(["run", "--detach", "--name", "ex-docker"] + ports + [Images.test])
            do {
                let address = try await engine(
                    "inspect", "--format", "{{.NetworkSettings.IPAddress}}", "ex-docker"
                ).trimmed
                try await body(address)
            } catch {
                try await engine("rm", "--force", "ex-docker")
                for server in servers { await server.stop() }
                throw error
            }
            try await engine("rm", "--force", "ex-docker")
            for server in servers { await server.stop() }
        }

        /// Sources come in by the link that the host would answer by, and find every address behind it.
        private static func withLinks(_ body: () async throws -> Void) async throws {
            let up = """
                ip address add \(second)/24 dev eth0
                ip link add eth1 type veth peer name machine1 netns outside
                ip address add \(other)/24 dev eth1
                ip link set eth1 up
                ip -n outside address add 192.0.2.1/24 dev machine1
                ip -n outside link set machine1 up
                ip -n outside rule add priority 90 from 192.0.2.1 lookup 101
                ip -n outside rule add priority 91 from 203.0.113.9 lookup 100
                ip -n outside rule add priority 92 from 198.51.100.1 lookup 100
                ip -n outside route add default via \(Machine.address) dev machine table 100
                ip -n outside route add default via \(other) dev machine1 table 101
                """
            let down = """
                ip link delete eth1
                ip address delete \(second)/24 dev eth0
                ip -n outside rule delete priority 90
                ip -n outside rule delete priority 91
                ip -n outside rule delete priority 92
                ip -n outside route flush table 100
                """
            try await shell("sh", "-ec", up)
            do { try await body() } catch {
                try await shell("sh", "-ec", down)
                throw error
            }
            try await shell("sh", "-ec", down)
        }
    }
}
