import Foundation
import Testing

extension Acceptance.OnCluster {
    /// Containers that users make on attachable networks: as on Docker's own.
    @Suite(.serialized) struct Containers {
        @Test func `a container and a service's tasks reach each other by name`() async throws {
            try await withNetwork("ct-net", "--attachable", "--subnet", "10.66.1.0/24") {
                try await withService("ct-web", "--network", "ct-net", Images.test) { tasks in
                    let words = [
                        "--network", "ct-net", "--network-alias", "other", "--ip", "10.66.1.77", "--hostname",
                        "ct-host",
                        "--add-host", "up:192.0.2.7",
                    ]
                    try await withContainer("ct-one", words) {
                        let task = try #require(tasks["ct-web.1"])
                        for name in ["ct-one", "other"] {
                            #expect(try await addresses(of: name, from: task) == ["10.66.1.77"])
                        }
                        #expect(try await Self.fetch(from: "ct-one", in: task).contains("ct-host 10.66.1."))
                        #expect(try await Self.fetch(from: "ct-web", in: "ct-one").contains(" 10.66.1.77 "))

                        let hosts = try await docker("exec", "ct-one", "cat", "/etc/hosts").lines
                        #expect(hosts.contains("10.66.1.77\tct-host"))
                        #expect(hosts.contains("192.0.2.7\tup"))
                        let resolver = try await docker("exec", "ct-one", "cat", "/etc/resolv.conf")
                        #expect(resolver.lines.contains("nameserver 127.0.0.11"))
                    }
                    #expect(try await addresses(of: "other", from: try #require(tasks["ct-web.1"])).isEmpty)
                }
            }
        }

        @Test func `published ports answer from outside and at 127.0.0.1, and are given back`() async throws {
            try await withNetwork("ct-net", "--attachable") {
                try await withContainer("ct-pub", ["--network", "ct-net", "-p", "18080:80"]) {
                    let url = "http://\(Machine.address):18080/"
                    _ = try await eventually("an answer from outside") {
                        let said = try await attempt(at: .outside, "curl", "--silent", "--max-time", "2", url)
                        return said.out.contains(" \(Machine.client) ") ? true : nil
                    }
                    #expect(
                        try await docker("port", "ct-pub").lines == ["80/tcp -> 0.0.0.0:18080", "80/tcp -> [::]:18080"])
                    let rival = try await docker.attempt(
                        "run", "--detach", "--name", "ct-rival", "--network", "ct-net", "-p", "18080:80", Images.test)
                    #expect(!rival.succeeded)
                    #expect(rival.err.contains("18080"))
                    _ = try await docker.attempt("rm", "--force", "ct-rival")
                }
                try await withContainer("ct-again", ["--network", "ct-net", "-p", "18080:80"]) {}
            }
        }

        @Test func `inspect and ps show what the user asked for`() async throws {
            try await withNetwork("ct-net", "--attachable", "--subnet", "10.66.1.0/24") {
                let words = [
                    "--network", "ct-net", "-p", "127.0.0.1:18081:80", "--label", "k=v", "--dns", "192.0.2.53",
                ]
                try await withContainer("ct-show", words) {
                    let shown = try await docker.inspect("container", "ct-show", as: Shown.self)
                    #expect(shown.host.mode == "ct-net")
                    #expect(shown.host.runtime == "runc")
                    #expect(shown.host.dns == ["192.0.2.53"])
                    #expect(shown.host.bindings["80/tcp"]??.first == ["HostIp": "127.0.0.1", "HostPort": "18081"])
                    #expect(shown.mounts.isEmpty)
                    #expect(shown.config.labels["k"] == "v")
                    #expect(!shown.config.labels.keys.contains { $0.hasPrefix("com.causeway.") })
                    #expect(Array(shown.settings.networks.keys) == ["ct-net"])
                    let place = try #require(shown.settings.networks["ct-net"])
                    #expect(place.address.hasPrefix("10.66.1."))
                    #expect(place.prefix == 24)
                    let inside = try await attempt(at: .container("ct-show"), "ip", "-4", "address", "show", "eth0")
                    #expect(inside.out.contains(" \(place.address)/32"))

                    for filter in ["network=ct-net", "publish=18081", "expose=80", "label=k=v", "name=ct-show"] {
                        let found = try await docker("ps", "--filter", filter, "--format", "{{.Names}} {{.Networks}}")
                        #expect(found.lines == ["ct-show ct-net"], "\(filter)")
                    }
                    for filter in ["network=none", "network=bridge", "publish=18082"] {
                        #expect(try await docker("ps", "--quiet", "--filter", filter).lines.isEmpty, "\(filter)")
                    }
                    let ports = try await docker("ps", "--filter", "name=ct-show", "--format", "{{.Ports}}")
                    #expect(ports.trimmed.contains("127.0.0.1:18081->80/tcp"))
                    let members = try await docker(
                        "network", "inspect", "--format", "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}",
                        "ct-net")
                    #expect(members.trimmed == "ct-show \(place.address)/24")
                }
            }
        }

        @Test func `a container joins and leaves networks while it runs`() async throws {
            try await withNetwork("ct-a", "--attachable", "--subnet", "10.66.1.0/24") {
                try await withNetwork("ct-b", "--attachable", "--subnet", "10.66.2.0/24") {
                    try await withContainer("ct-other", ["--network", "ct-b"]) {
                        try await withContainer("ct-moves", ["--network", "ct-a"]) {
                            #expect(try await addresses(of: "ct-other", from: "ct-moves").isEmpty)
                            try await docker(
                                "network", "connect", "--ip", "10.66.2.9", "--alias", "mover", "ct-b", "ct-moves")
                            #expect(try await addresses(of: "mover", from: "ct-other") == ["10.66.2.9"])
                            #expect(try await Self.fetch(from: "mover", in: "ct-other").contains(" 10.66.2."))
                            let hosts = try await docker("exec", "ct-moves", "cat", "/etc/hosts").out
                            #expect(hosts.contains("10.66.2.9\t"))
                            let twice = try await docker.attempt("network", "connect", "ct-b", "ct-moves")
                            #expect(twice.err.contains("endpoint with name ct-moves already exists in network ct-b"))

                            try await docker("network", "disconnect", "ct-b", "ct-moves")
                            #expect(try await addresses(of: "mover", from: "ct-other").isEmpty)
                            #expect(
                                try await !docker("exec", "ct-moves", "cat", "/etc/hosts").out.contains("10.66.2.9"))
                            let again = try await docker.attempt("network", "disconnect", "ct-b", "ct-moves")
                            #expect(again.err.contains("is not connected to network ct-b"))
                        }
                    }
                }
            }
        }

        @Test func `stop, start and restart keep its address and its name`() async throws {
            try await withNetwork("ct-net", "--attachable") {
                try await withContainer("ct-asks", ["--network", "ct-net"]) {
                    try await withContainer("ct-stays", ["--network", "ct-net"]) {
                        let before = try await addresses(of: "ct-stays", from: "ct-asks")
                        #expect(before.count == 1)
                        for words in [["restart", "--time", "0"], ["kill"], ["start"]] {
                            try await docker(words + ["ct-stays"])
                            guard words[0] != "kill" else { continue }
                            _ = try await eventually("ct-stays to answer after \(words[0])") {
                                try await Self.fetch(from: "ct-stays", in: "ct-asks").isEmpty ? nil : true
                            }
                            #expect(try await addresses(of: "ct-stays", from: "ct-asks") == before)
                        }
                        try await docker("rename", "ct-stays", "ct-new")
                        #expect(try await addresses(of: "ct-new", from: "ct-asks") == before)
                        #expect(try await addresses(of: "ct-stays", from: "ct-asks").isEmpty)
                        try await docker("rename", "ct-new", "ct-stays")
                    }
                }
            }
        }

        @Test func `what is removed gives its address back, by itself too`() async throws {
            try await withNetwork("ct-net", "--attachable", "--subnet", "10.66.1.0/24") {
                let words = ["run", "--rm", "--network", "ct-net", "--ip", "10.66.1.9", Images.test]
                #expect(try await docker(words + ["echo", "hello"]).out == "hello\n")
                _ = try await eventually("the address to be free") {
                    let said = try await docker.attempt(
                        "create", "--name", "ct-next", "--network", "ct-net", "--ip", "10.66.1.9", Images.test)
                    return said.succeeded ? true : nil
                }
                let used = try await docker.attempt("network", "rm", "ct-net")
                #expect(used.err.contains("has active endpoints"))
                #expect(try await docker("network", "prune", "--force").out.isEmpty == true)
                #expect(try await docker("container", "prune", "--force").out.contains("Deleted Containers"))
                try await docker("network", "inspect", "ct-net")
            }
        }

        @Test func `what cannot be is refused in words`() async throws {
            try await withNetwork("ct-net", "--attachable", "--subnet", "10.66.1.0/24") {
                try await withNetwork("ct-closed") {
                    for (words, said) in [
                        (["--network", "ct-closed"], "network ct-closed not manually attachable"),
                        (["--network", "ct-net", "--mac-address", "02:00:00:00:00:01"], "--mac-address"),
                        (["--network", "ct-net", "--link", "x:y"], "--link"),
                        (["--network", "ct-net", "--ip", "10.67.0.1"], "10.67.0.1"),
                        (["--network", "ct-net", "--runtime", "kata"], "--runtime"),
                    ] {
                        let refused = try await docker.attempt(["create", "--name", "ct-no"] + words + [Images.test])
                        #expect(!refused.succeeded)
                        #expect(refused.err.contains(said), "\(refused.all)")
                    }
                    // The command line refuses this by itself; compose and docker-py do not.
                    let both = try await docker.raw(
                        "POST", "/v1.50/containers/create?name=ct-no",
                        body: """
                            {"Image":"\(Images.test)","HostConfig":{"NetworkMode":"ct-net"},
                            "NetworkingConfig":{"EndpointsConfig":{"bridge":{}}}}
                            """)
                    #expect(both.status == 400)
                    #expect(both.message?.contains("at once: leave one of them out") == true)
                    try await docker("run", "--detach", "--name", "ct-docker", Images.test)
                    let mixed = try await docker.attempt("network", "connect", "ct-net", "ct-docker")
                    #expect(mixed.err.contains("was made on Docker's network bridge"))
                    try await docker("rm", "--force", "ct-docker")
                }
            }
        }

        @Test func `events tell of the network, not of none`() async throws {
            let start = Int(Date().timeIntervalSince1970)
            try await withNetwork("ct-net", "--attachable") {
                try await withContainer("ct-event", ["--network", "ct-net"]) {}
            }
            let said = try await docker(
                "events", "--since", "\(start)", "--until", "\(Int(Date().timeIntervalSince1970) + 1)", "--format",
                "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}")
            #expect(said.lines.contains("network connect ct-net"))
            #expect(said.lines.contains("network disconnect ct-net"))
            #expect(!said.lines.contains { $0.hasPrefix("network") && $0.hasSuffix(" none") })
            #expect(said.lines.contains("container start ct-event"))
        }

        @Test func `a project as compose makes it: two networks, aliases, labels, then start`() async throws {
            try await withNetwork("ct-p_front", "--attachable", "--label", "com.docker.compose.project=ct-p") {
                try await withNetwork("ct-p_back", "--attachable") {
                    let body = """
                        {"Image":"\(Images.test)","Labels":{"com.docker.compose.project":"ct-p"},
                        "HostConfig":{"NetworkMode":"ct-p_front","RestartPolicy":{"Name":"always"}},
                        "NetworkingConfig":{"EndpointsConfig":{"ct-p_front":{"Aliases":["web","ct-p-web-1"]}}}}
                        """
                    let made = try await docker.raw("POST", "/v1.43/containers/create?name=ct-p-web-1", body: body)
                    #expect(made.status == 201, "\(made.body)")
                    let joined = try await docker.raw(
                        "POST", "/v1.43/networks/ct-p_back/connect",
                        body: #"{"Container":"ct-p-web-1","EndpointConfig":{"Aliases":["web"]}}"#)
                    #expect(joined.status == 200, "\(joined.body)")
                    try await docker("start", "ct-p-web-1")
                    for network in ["ct-p_front", "ct-p_back"] {
                        try await withContainer("ct-ask", ["--network", network]) {
                            let found = try await addresses(of: "web", from: "ct-ask")
                            #expect(found.count == 1)
                            let said = try await Self.fetch(from: "web", in: "ct-ask")
                            #expect(!said.isEmpty)
                        }
                    }
                    let found = try await docker(
                        "ps", "--filter", "label=com.docker.compose.project=ct-p", "--format", "{{.Networks}}")
                    #expect(Set(found.trimmed.split(separator: ",")) == ["ct-p_front", "ct-p_back"])
                    try await docker("rm", "--force", "ct-p-web-1")
                }
            }
        }

        // MARK: parts

        /// What a server said; empty when it did not answer.
        ///
        /// Not with `wget`: a static busybox crashes in it when it is given a name.
        private static func fetch(from server: String, in container: String) async throws -> String {
            let request = "printf 'GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n'"
            return try await attempt(at: .container(container), "sh", "-c", "\(request) | nc -w 3 \(server) 80").out
        }

        /// Runs a body with a container of the test image, and removes it afterwards.
        private func withContainer(_ name: String, _ words: [String], body: () async throws -> Void) async throws {
            try await docker(["run", "--detach", "--name", name] + words + [Images.test])
            do { try await body() } catch {
                let log = Cluster.lastOfLog()
                _ = try? await docker("rm", "--force", name)
                throw Context(error: error, notes: [log])
            }
            try await docker("rm", "--force", name)
        }
    }

    /// What of `docker inspect` concerns networks.
    private struct Shown: Decodable {
        struct Host: Decodable {
            var mode: String
            var runtime: String
            var dns: [String]
            var bindings: [String: [[String: String]]?]

            enum CodingKeys: String, CodingKey {
                case mode = "NetworkMode"
                case runtime = "Runtime"
                case dns = "Dns"
                case bindings = "PortBindings"
            }
        }

        struct Place: Decodable {
            var address: String
            var prefix: Int

            enum CodingKeys: String, CodingKey {
                case address = "IPAddress"
                case prefix = "IPPrefixLen"
            }
        }

        struct Settings: Decodable {
            var networks: [String: Place]
            enum CodingKeys: String, CodingKey { case networks = "Networks" }
        }

        struct Config: Decodable {
            var labels: [String: String]
            enum CodingKeys: String, CodingKey { case labels = "Labels" }
        }

        struct Mount: Decodable {}

        var host: Host
        var settings: Settings
        var config: Config
        var mounts: [Mount]

        enum CodingKeys: String, CodingKey {
            case host = "HostConfig"
            case settings = "NetworkSettings"
            case config = "Config"
            case mounts = "Mounts"
        }
    }
}
