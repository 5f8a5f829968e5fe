import Foundation
import Testing

extension Acceptance.OnLab {
    /// What comes back from services of a cluster, through any of its nodes.
    @Suite(.serialized) struct Mesh {
        static let web = ["ms-web.1", "ms-web.2", "ms-web.3", "ms-web.4"]

        @Test func `every node answers on a published port, by all replicas, which see the client's own address`()
            async throws
        {
            try await Lab.with { lab in
                let nodes = try await lab.service(
                    "ms-web", replicas: 4, "--publish", "8080:80", "--publish", "8080:80/udp")
                #expect(Set(nodes.values) == Set(lab.nodes), "\(nodes)")
                for (node, v6) in lab.nodes.flatMap({ [($0, false), ($0, true)] }) {
                    for transport in Load.Transport.allCases {
                        let load = Load(
                            transport: transport, address: lab.address(node, v6: v6), port: 8080, count: 400)
                        _ = try await lab.reaches(load, from: "client", Self.web)
                        let result = try await load.run(at: lab.at("client"))
                        expectEvenly(result, among: Self.web, seeing: v6 ? Lab.client6 : Lab.client)
                    }
                }
            }
        }

        @Test(arguments: Load.Transport.allCases)
        func `a virtual address leads to tasks on all nodes, which see the calling task's address`(
            _ transport: Load.Transport
        ) async throws {
            try await Lab.with { lab in
                try await lab.manager("network", "create", "--driver", "overlay", "ms-net")
                try await lab.service("ms-web", replicas: 4, "--network", "ms-net")
                try await lab.service(
                    "ms-caller", replicas: 3, "--network", "ms-net", image: [Images.test, "sleep", "1000"])
                let virtual = try await Self.virtualAddress("ms-web", lab)
                for slot in 1...3 {
                    let (place, address) = try await Self.task("ms-caller.\(slot)", lab)
                    let load = Load(transport: transport, address: virtual, port: 80, count: 300)
                    let result = try await load.run(at: place)
                    expectEvenly(result, among: Self.web, seeing: address)
                }
            }
        }

        @Test func `names of services resolve on every node`() async throws {
            try await Lab.with { lab in
                try await lab.manager("network", "create", "--driver", "overlay", "ms-names")
                try await lab.service("ms-web", replicas: 4, "--network", "ms-names")
                try await lab.service(
                    "ms-asker", replicas: 3, "--network", "ms-names", image: [Images.test, "sleep", "1000"])
                let engine = Docker(socket: Cluster.engineSocket)
                for slot in 1...3 {
                    let container = try #require(try await lab.manager.containers("ms-asker")["ms-asker.\(slot)"])
                    let page = try await engine("exec", container, "wget", "-qO-", "http://ms-web/")
                    #expect(page.out.hasPrefix("ms-web."))
                    let all = try await engine("exec", container, "nslookup", "tasks.ms-web")
                    #expect(all.out.matches(of: /Address[^\n]*10\.\d+\.\d+\.\d+/).count >= 4, "\(all.out)")
                }
            }
        }

        @Test func `a drained node loses its tasks, and still answers`() async throws {
            try await Lab.with { lab in
                try await lab.service("ms-web", replicas: 4, "--publish", "8080:80")
                try await lab.manager("node", "update", "--availability", "drain", "n2")
                try await eventually("n2 to be empty") {
                    let nodes = try await lab.placed("ms-web")
                    return nodes.count == 4 && !nodes.values.contains("n2") ? true : nil
                }
                let load = Load(transport: .http, address: lab.address("n2"), port: 8080, count: 300)
                let result = try await lab.reaches(load, from: "client", Self.web)
                expectEvenly(result, among: Self.web, seeing: Lab.client)
            }
        }

        @Test func `a worker goes on without a manager, and over its own restart`() async throws {
            try await Lab.with { lab in
                try await lab.manager("network", "create", "--driver", "overlay", "ms-alone")
                try await lab.service("ms-web", replicas: 4, "--publish", "8080:80", "--network", "ms-alone")
                let load = Load(transport: .http, address: lab.address("n2"), port: 8080, count: 300)
                _ = try await lab.reaches(load, from: "client", Self.web)

                let pids = try await lab.status().mapValues(\.pid)
                for node in ["n1", "n2"] { kill(try #require(pids[node]), SIGKILL) }
                expectEvenly(try await load.run(at: lab.at("client")), among: Self.web, seeing: Lab.client)

                try await Self.startDaemon("n2", lab)
                expectEvenly(try await load.run(at: lab.at("client")), among: Self.web, seeing: Lab.client)
                let container = try await Self.containerOn("n2", lab)
                let page = try await Docker(socket: Cluster.engineSocket)(
                    "exec", container, "wget", "-qO-", "http://ms-web/")
                #expect(page.out.hasPrefix("ms-web."))

                try await Self.startDaemon("n1", lab)
                try await Acceptance.OnLab.Membership.nodes(lab, ["n1": "Ready", "n2": "Ready", "n3": "Ready"])
                #expect(try await lab.converged("ms-web", 4).count == 4)
                expectEvenly(try await load.run(at: lab.at("client")), among: Self.web, seeing: Lab.client)
            }
        }

        // MARK: parts

        /// Starts a node's daemon by hand, and waits until it has heard an assignment; `lab down` ends it with whatever
        /// runs in the node's namespace.
        static func startDaemon(_ node: String, _ lab: Lab) async throws {
            let folder = "\(Lab.directory)/\(node)"
            let words = [Machine.executable("causewayd"), "--config", "\(folder)/causewayd.json"]
            _ = try Spawned(lab.at(node).wrap(words), out: "\(folder)/causewayd.log", err: "\(folder)/causewayd.log")
            try await eventually("the daemon of \(node) to hear an assignment") {
                try await lab.status()[node]?.revision
            }
        }

        static func virtualAddress(_ service: String, _ lab: Lab) async throws -> String {
            let format = "{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}"
            let all = try await lab.manager("service", "inspect", "--format", format, service).trimmed
            let first = try #require(all.split(separator: " ").first { !$0.contains(":") })
            return String(try #require(first.split(separator: "/").first))
        }

        /// The namespace of a task, and the task's address on its first network.
        static func task(_ name: String, _ lab: Lab) async throws -> (Machine.Place, String) {
            let service = try #require(name.split(separator: ".").first.map(String.init))
            let container = try #require(try await lab.manager.containers(service)[name])
            let pid = try await Docker(socket: Cluster.engineSocket)("inspect", "--format", "{{.State.Pid}}", container)
            let place = Machine.Place.process(pid.trimmed)
            let said = try await Command(place.wrap(["ip", "-4", "-oneline", "address", "show", "dev", "eth0"])).run()
            let address = try #require(said.out.firstMatch(of: /inet ([0-9.]+)\//)).1
            return (place, String(address))
        }

        /// The container of some task of ms-web on a node.
        static func containerOn(_ node: String, _ lab: Lab) async throws -> String {
            let id = try String(contentsOfFile: "\(Lab.directory)/\(node)/state/node-id", encoding: .utf8)
            let words = [
                "ps", "--quiet", "--filter", "label=com.docker.swarm.node.id=\(id.trimmingCharacters(in: .newlines))",
            ]
            return try #require(try await Docker(socket: Cluster.engineSocket)(words).lines.first)
        }
    }
}
