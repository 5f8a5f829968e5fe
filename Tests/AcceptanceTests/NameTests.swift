import Foundation
import Testing

extension Acceptance.OnCluster {
    /// What a task gets when it asks for a name.
    @Suite(.serialized) struct Names {
        @Test func `a service is its virtual address, and tasks.SERVICE the addresses of its tasks`() async throws {
            try await withNetwork("nm-net", "--subnet", "10.77.1.0/24") {
                try await withService("nm-web", "--network", "nm-net", "--replicas", "3", Images.test, replicas: 3) {
                    web in
                    try await withService("nm-ask", "--network", "nm-net", Images.test, "sleep", "1000") { asking in
                        let ask = try #require(asking["nm-ask.1"])
                        let virtual = try await docker(
                            "service", "inspect", "--format", "{{range .Endpoint.VirtualIPs}}{{.Addr}}{{end}}", "nm-web"
                        )
                        #expect(
                            try await addresses(of: "nm-web", from: ask) == [
                                String(virtual.trimmed.prefix { $0 != "/" })
                            ])

                        let tasks = try await addresses(of: "tasks.nm-web", from: ask)
                        #expect(tasks.count == 3)
                        #expect(tasks.allSatisfy { $0.hasPrefix("10.77.1.") })

                        // One task by its container's name.
                        let name = try await docker("inspect", "--format", "{{.Name}}", try #require(web["nm-web.2"]))
                        let one = try await addresses(of: String(name.trimmed.dropFirst()), from: ask)
                        #expect(one.count == 1)
                        #expect(tasks.contains(one[0]))
                    }
                }
            }
        }

        @Test func `dnsrr answers with the tasks and has no virtual address`() async throws {
            try await withNetwork("nm-rr") {
                try await withService(
                    "nm-round", "--network", "nm-rr", "--endpoint-mode", "dnsrr", "--replicas", "2", Images.test,
                    replicas: 2
                ) { containers in
                    let virtual = try await docker(
                        "service", "inspect", "--format", "{{json .Endpoint.VirtualIPs}}", "nm-round")
                    #expect(["null", "[]"].contains(virtual.trimmed))
                    let ask = try #require(containers["nm-round.1"])
                    #expect(try await addresses(of: "nm-round", from: ask).count == 2)
                }
            }
        }

        @Test func `an alias stands for the service on its network only`() async throws {
            try await withNetwork("nm-a") {
                try await withNetwork("nm-b") {
                    try await withService(
                        "nm-alias", "--network", "name=nm-a,alias=other", "--network", "nm-b", Images.test
                    ) { containers in
                        let own = try #require(containers["nm-alias.1"])
                        #expect(try await !addresses(of: "other", from: own).isEmpty)
                        try await withService("nm-b-only", "--network", "nm-b", Images.test, "sleep", "1000") {
                            asking in
                            let ask = try #require(asking["nm-b-only.1"])
                            #expect(try await addresses(of: "other", from: ask).isEmpty)
                            #expect(try await !addresses(of: "nm-alias", from: ask).isEmpty)
                        }
                    }
                }
            }
        }

        @Test func `names of another network are not known`() async throws {
            try await withNetwork("nm-x") {
                try await withNetwork("nm-y") {
                    try await withService("nm-hidden", "--network", "nm-x", Images.test) { _ in
                        try await withService("nm-stranger", "--network", "nm-y", Images.test, "sleep", "1000") {
                            asking in
                            let said = try await lookup("nm-hidden", "A", from: try #require(asking["nm-stranger.1"]))
                            #expect(!said.out.contains("Address: 10."))
                        }
                    }
                }
            }
        }

        @Test func `an IPv4 name asked for IPv6 is an empty answer and no error`() async throws {
            try await withNetwork("nm-four") {
                try await withService("nm-v4", "--network", "nm-four", Images.test) { containers in
                    let said = try await lookup("nm-v4", "AAAA", from: try #require(containers["nm-v4.1"]))
                    #expect(!said.all.contains("NXDOMAIN"))
                    #expect(!said.all.contains("SERVFAIL"))
                }
            }
        }

        @Test func `other names are asked of the host's name server, and it is said when it does not answer`()
            async throws
        {
            try await withService("nm-forward", Images.test, "sleep", "1000") { containers in
                let id = try #require(containers["nm-forward.1"])
                let without = try await lookup("www.example.test", "A", from: id)
                #expect(without.all.contains("SERVFAIL"), "\(without.all)")

                let server = try await OutsideNameServer.start(answering: "www.example.test", with: "203.0.113.80")
                let answered = try await addresses(of: "www.example.test", from: id)
                await server.stop()
                #expect(answered == ["203.0.113.80"])
            }
        }

        @Test func `a scaled service's names follow`() async throws {
            try await withNetwork("nm-follow") {
                try await withService("nm-grow", "--network", "nm-follow", Images.test) { containers in
                    let ask = try #require(containers["nm-grow.1"])
                    #expect(try await addresses(of: "tasks.nm-grow", from: ask).count == 1)
                    try await docker("service", "scale", "--detach", "nm-grow=3")
                    try await docker.converged("nm-grow", 3)
                    try await eventually("three addresses", within: .seconds(5)) {
                        try await addresses(of: "tasks.nm-grow", from: ask).count == 3 ? true : nil
                    }
                }
            }
        }
    }
}

/// The addresses that a container gets for a name, sorted.
func addresses(of name: String, _ type: String = "A", from container: String) async throws -> [String] {
    let said = try await lookup(name, type, from: container)
    // The first address is the name server's own.
    guard let start = said.out.range(of: "\n\n") else { return [] }
    return said.out[start.upperBound...].split(separator: "\n")
        .filter { $0.hasPrefix("Address") }
        .compactMap { $0.split(separator: " ").last.map(String.init) }
        .sorted()
}

func lookup(_ name: String, _ type: String, from container: String) async throws -> Command.Said {
    try await attempt(at: .container(container), "nslookup", "-type=\(type)", name, "127.0.0.11")
}
