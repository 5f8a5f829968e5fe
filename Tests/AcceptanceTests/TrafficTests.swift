import CausewayPath
import Foundation
import Testing

extension Acceptance.OnCluster {
    /// What a packet to a published port or a virtual address meets, by what comes back.
    @Suite(.serialized) struct Traffic {
        /// A host name that says which replica it is.
        static let named = ["--hostname", "{{.Service.Name}}.{{.Task.Slot}}"]

        @Test(arguments: Load.Transport.allCases, [Machine.address, Machine.address6])
        func `every replica answers its share from outside, and sees the true client`(
            _ transport: Load.Transport, _ address: String
        ) async throws {
            try await Self.withWeb("tr-out") { replicas in
                let load = Load(transport: transport, address: address, port: 8080, count: Machine.requests)
                let result = try await load.run(at: .outside)

                let client = address.contains(":") ? Machine.client6 : Machine.client
                expectEvenly(result, among: replicas, seeing: client)
            }
        }

        @Test(arguments: Load.Transport.allCases, [Machine.address, Machine.address6])
        func `the host reaches a published port at its own address`(
            _ transport: Load.Transport, _ address: String
        ) async throws {
            try await Self.withWeb("tr-host") { replicas in
                let result = try await Load(transport: transport, address: address, port: 8080, count: 600).run(
                    at: .host)
                expectEvenly(result, among: replicas, seeing: nil)
            }
        }

        @Test(arguments: Load.Transport.allCases, [Machine.address, Machine.address6])
        func `a task reaches a published port at the host's address, its own service's too`(
            _ transport: Load.Transport, _ address: String
        ) async throws {
            try await Self.withWeb("tr-task") { replicas in
                try await withService("tr-asker", Images.test, "sleep", "1000") { _ in
                    let load = Load(transport: transport, address: address, port: 8080, count: 300)
                    let other = try await load.run(at: .namespace(try await taskNamespace("tr-asker.1")))
                    expectEvenly(other, among: replicas, seeing: nil)
                    // One in three of these comes back to the task that sent it.
                    let own = try await load.run(at: .namespace(try await taskNamespace("tr-task.1")))
                    expectEvenly(own, among: replicas, seeing: nil)
                }
            }
        }

        @Test(arguments: Load.Transport.allCases)
        func `a virtual address balances for tasks of the network, the service's own too`(
            _ transport: Load.Transport
        ) async throws {
            try await withNetwork("tr-vip-net") {
                try await Self.withWeb("tr-vip", "--network", "tr-vip-net") { replicas in
                    try await withService("tr-caller", "--network", "tr-vip-net", Images.test, "sleep", "1000") { _ in
                        let virtual = try await virtualAddress("tr-vip")
                        let load = Load(transport: transport, address: virtual, port: 80, count: 600)
                        let other = try await load.run(at: .namespace(try await taskNamespace("tr-caller.1")))
                        expectEvenly(other, among: replicas, seeing: try await taskAddress("tr-caller.1"))
                        let own = try await load.run(at: .namespace(try await taskNamespace("tr-vip.2")))
                        expectEvenly(own, among: replicas, seeing: nil)
                    }
                }
            }
        }

        @Test func `a virtual address answers over IPv6 on a network that has it`() async throws {
            try await withNetwork("tr-six", "--ipv6", "--subnet", "fd12:3456:789a:1::/64", "--subnet", "10.88.6.0/24") {
                try await Self.withWeb("tr-web6", "--network", "tr-six") { replicas in
                    let asking = try #require(try await docker.containers("tr-web6")["tr-web6.1"])
                    let six = try #require(try await addresses(of: "tr-web6", "AAAA", from: asking).first)
                    #expect(six.hasPrefix("fd12:3456:789a:1:"))
                    let result = try await Load(transport: .http, address: six, port: 80, count: 300)
                        .run(at: .namespace(try await taskNamespace("tr-web6.1")))
                    expectEvenly(result, among: replicas, seeing: nil)
                }
            }
        }

        @Test func `a port without a task behind it is refused at once`() async throws {
            try await withService("tr-none", "--replicas", "1", "--publish", "8090:80", Images.test) { _ in
                try await docker("service", "scale", "--detach", "tr-none=0")
                try await docker.converged("tr-none", 0)
                for transport in Load.Transport.allCases where transport == .http {
                    for address in [Machine.address, Machine.address6] {
                        let result = try await Load(transport: transport, address: address, port: 8090).run(
                            at: .outside)
                        #expect(result.failed == ["refused": 1], "\(transport) \(address): \(result)")
                    }
                }
            }
        }

        @Test func `no request fails while a service is scaled up and down`() async throws {
            try await Self.withWeb("tr-scale") { _ in
                async let result = Load(
                    transport: .http, address: Machine.address, port: 8080, count: Machine.requests, atOnce: 4
                ).run(at: .outside)
                for count in [5, 2, 6, 3] {
                    try await docker("service", "scale", "--detach", "tr-scale=\(count)")
                    try await docker.converged("tr-scale", count)
                }
                let said = try await result
                #expect(said.answered == said.requested, "\(said)")
            }
        }

        @Test func `a published port in host mode answers with the task of this node`() async throws {
            try await withService(
                "tr-hostmode", Self.named[0], Self.named[1], "--publish", "mode=host,published=8091,target=80",
                Images.test
            ) { _ in
                let result = try await Load(transport: .http, address: Machine.address, port: 8091, count: 50).run(
                    at: .outside)
                expectEvenly(result, among: ["tr-hostmode.1"], seeing: Machine.client)
                #expect(try await docker.tasks("tr-hostmode").first?.ports.contains("8091->80/tcp") == true)

                try await docker("service", "scale", "--detach", "tr-hostmode=2")
                let pending = try await eventually("the second task to say why it waits") {
                    try await docker.tasks("tr-hostmode").first { !$0.error.isEmpty }
                }
                #expect(pending.error.contains("host-mode port already in use on 1 node"))
            }
        }

        @Test func `ports are published and taken back by an update`() async throws {
            try await withService("tr-update", Self.named[0], Self.named[1], Images.test) { _ in
                let load = Load(transport: .http, address: Machine.address, port: 8092)
                #expect(try await load.run(at: .outside).answered == 0)
                try await docker("service", "update", "--quiet", "--publish-add", "8092:80", "tr-update")
                #expect(try await load.run(at: .outside).answered == 1)
                try await docker("service", "update", "--quiet", "--publish-rm", "80", "tr-update")
                #expect(try await load.run(at: .outside).answered == 0)
            }
        }

        @Test func `a task speaks to the outside with the host's address`() async throws {
            try await withService("tr-egress", Images.test, "sleep", "1000") { _ in
                let seen = try await whatOutsideSaw(from: try await taskNamespace("tr-egress.1"))
                #expect(seen == [Machine.address: 1])
            }
        }

        /// Three replicas behind port 8080, TCP and UDP; the body gets their host names.
        static func withWeb(
            _ name: String, _ options: String..., body: ([String]) async throws -> Void
        ) async throws {
            let all = ["--replicas", "3", "--publish", "8080:80/tcp", "--publish", "8080:80/udp"] + named + options
            try await withService(name, options: all + [Images.test], replicas: 3) { _ in
                // A task that runs gets its share a moment after `docker service ps` has said so.
                try await eventually("three candidates") {
                    try await predictedPath("\(name):8080").candidates.count == 3 ? true : nil
                }
                try await body((1...3).map { "\(name).\($0)" })
            }
        }

        /// The callers' addresses that a server outside sees of one request.
        private func whatOutsideSaw(from namespace: String) async throws -> [String: Int] {
            try await withServerOutside(port: 7000) {
                try await Load(transport: .http, address: Machine.client, port: 7000).run(at: .namespace(namespace))
                    .clients
            }
        }
    }
}

/// The server of the test image, compiled for use from the host's namespaces.
func whoamiProgram() async throws -> String {
    let program = "/run/causeway-test-whoami"
    let source = Machine.root.appending(path: "Tests/Support/whoami.c").path
    if !FileManager.default.fileExists(atPath: program) { try await shell("cc", "-O2", "-o", program, source) }
    return program
}

/// Runs a body while `whoami` listens outside.
func withServerOutside<T>(port: Int, _ body: () async throws -> T) async throws -> T {
    let program = try await whoamiProgram()
    let process = try Spawned(
        Machine.Place.outside.wrap([program, "\(port)"]), out: "/dev/null", err: "/run/causeway-test-whoami.log")
    defer { process.signal(SIGTERM) }
    try await eventually("the server outside") {
        try await attempt(at: .outside, "ss", "-Hltn", "sport = :\(port)").trimmed.isEmpty ? nil : true
    }
    return try await body()
}

/// The namespace of a task, by the task's short name: `web.1`.
func taskNamespace(_ task: String) async throws -> String {
    let prefix = "cw-\(task)."
    return try await eventually("a namespace named \(prefix)…") {
        try await shell("ip", "netns", "list").lines.map { String($0.prefix { $0 != " " }) }.first {
            $0.hasPrefix(prefix)
        }
    }
}

/// The IPv4 addresses that a task's eth0 has.
func taskAddresses(_ task: String) async throws -> [String] {
    let namespace = try await taskNamespace(task)
    let said = try await shell("ip", "-4", "-oneline", "-n", namespace, "address", "show", "eth0")
    return said.lines.compactMap { $0.split(separator: " ").dropFirst(3).first }.map { String($0.prefix { $0 != "/" }) }
}

/// The address of a task on its own network, not that on ingress, when it has both.
func taskAddress(_ task: String) async throws -> String {
    let all = try await taskAddresses(task)
    return try #require(all.first { !$0.hasPrefix("10.0.0.") } ?? all.first)
}

func virtualAddresses(_ service: String) async throws -> [String] {
    let said = try await docker(
        "service", "inspect", "--format", "{{range .Endpoint.VirtualIPs}}{{println .Addr}}{{end}}", service)
    return said.lines.filter { !$0.isEmpty }.map { String($0.prefix { $0 != "/" }) }
}

/// The service's address on its own network, not that on ingress.
func virtualAddress(_ service: String) async throws -> String {
    struct Inspected: Decodable {
        struct Endpoint: Decodable { var VirtualIPs: [VirtualIP]? }
        struct VirtualIP: Decodable {
            var NetworkID: String
            var Addr: String?
        }
        var Endpoint: Endpoint
    }
    let ingress = try await docker("network", "inspect", "--format", "{{.Id}}", "ingress").trimmed
    let found = try await docker.inspect("service", service, as: Inspected.self)
    let own = (found.Endpoint.VirtualIPs ?? []).first { $0.NetworkID != ingress }?.Addr
    return String(try #require(own).prefix { $0 != "/" })
}
