import Testing

extension Acceptance.OnCluster {
    /// Who may speak to whom.
    @Suite(.serialized) struct Networks {
        @Test func `tasks of different networks cannot reach each other`() async throws {
            try await withNetwork("nw-a") {
                try await withNetwork("nw-b") {
                    try await withService("nw-left", "--network", "nw-a", Images.test) { _ in
                        try await withService("nw-right", "--network", "nw-b", Images.test) { _ in
                            let right = try await taskAddress("nw-right.1")
                            let left = Machine.Place.namespace(try await taskNamespace("nw-left.1"))
                            #expect(try await isReached(right, from: left) == false)
                            let virtual = try await virtualAddress("nw-right")
                            #expect(try await isReached(virtual, from: left) == false)
                            // Whoever cannot reach it is told so, by TCP and by UDP, under each of its addresses.
                            for address in [right, virtual] {
                                for transport in [Load.Transport.http, .udp] {
                                    let told = try await Load(
                                        transport: transport, address: address, port: 80, timeout: .seconds(2)
                                    ).run(at: left)
                                    #expect(Set(told.failed.keys).isSubset(of: ["refused", "unreachable"]), "\(told)")
                                }
                            }
                            // The same address is reached from its own network.
                            let own = Machine.Place.namespace(try await taskNamespace("nw-right.1"))
                            #expect(try await isReached(right, from: own))
                        }
                    }
                }
            }
        }

        @Test func `a task on two networks reaches both, with its address on each`() async throws {
            try await withNetwork("nw-one", "--subnet", "10.81.1.0/24") {
                try await withNetwork("nw-two", "--subnet", "10.81.2.0/24") {
                    try await withService("nw-both", "--network", "nw-one", "--network", "nw-two", Images.test) { _ in
                        try await withService("nw-first", "--network", "nw-one", Images.test) { _ in
                            try await withService("nw-second", "--network", "nw-two", Images.test) { _ in
                                let both = Machine.Place.namespace(try await taskNamespace("nw-both.1"))
                                let first = try await ask(try await taskAddress("nw-first.1"), from: both)
                                let second = try await ask(try await taskAddress("nw-second.1"), from: both)
                                #expect(first.clients.keys.allSatisfy { $0.hasPrefix("10.81.1.") }, "\(first)")
                                #expect(second.clients.keys.allSatisfy { $0.hasPrefix("10.81.2.") }, "\(second)")
                                #expect(first.answered + second.answered == 2)
                            }
                        }
                    }
                }
            }
        }

        @Test func `an internal network has no way out, and none in`() async throws {
            try await withNetwork("nw-inside", "--internal") {
                try await withService("nw-kept", "--network", "nw-inside", "--replicas", "2", Images.test, replicas: 2)
                { _ in
                    let kept = Machine.Place.namespace(try await taskNamespace("nw-kept.1"))
                    #expect(try await isReached(try await taskAddress("nw-kept.2"), from: kept))
                    let isOut = try await withServerOutside(port: 7001) {
                        try await isReached(Machine.client, port: 7001, from: kept)
                    }
                    #expect(isOut == false)
                }
            }
        }

        @Test func `what was not published cannot be reached, neither from outside nor from the host`() async throws {
            try await withNetwork("nw-shut", "--subnet", "10.82.1.0/24") {
                try await withService(
                    "nw-closed", "--network", "nw-shut", "--publish", "8081:80", Images.test, "whoami", "80", "81"
                ) { _ in
                    let address = try await taskAddress("nw-closed.1")
                    // The outside takes this machine for its way to the task, as an attacker on the link would.
                    try await shell("ip", "-n", Machine.outside, "route", "add", "10.82.1.0/24", "via", Machine.address)
                    for place in [Machine.Place.outside, .host] {
                        for port in [80, 81] {
                            #expect(try await isReached(address, port: port, from: place) == false, "\(place) \(port)")
                        }
                    }
                    try await shell("ip", "-n", Machine.outside, "route", "del", "10.82.1.0/24", "via", Machine.address)
                    #expect(try await isReached(Machine.address, port: 8081, from: .outside))
                }
            }
        }

        @Test func `a task cannot send from an address that is not its own`() async throws {
            try await withNetwork("nw-forge", "--subnet", "10.83.1.0/24") {
                try await withService("nw-forger", "--network", "nw-forge", "--replicas", "2", Images.test, replicas: 2)
                { _ in
                    let namespace = try await taskNamespace("nw-forger.1")
                    try await shell("ip", "-n", namespace, "address", "add", "10.83.1.200/32", "dev", "eth0")
                    let target = try await taskAddress("nw-forger.2")
                    let words = [
                        Load.program, "http", target, "80", "1", "1", "--bind", "10.83.1.200", "--timeout", "700",
                    ]
                    let said = try await Command(Machine.Place.namespace(namespace).wrap(words)).attempt()
                    #expect(said.out.contains("\"answered\":0"), "\(said.all)")
                }
            }
        }

        @Test func `networks are added to and taken from a running service`() async throws {
            try await withNetwork("nw-base") {
                try await withNetwork("nw-more") {
                    try await withService("nw-moving", "--network", "nw-base", Images.test) { _ in
                        try await withService("nw-fixed", "--network", "nw-more", Images.test) { _ in
                            try await docker("service", "update", "--quiet", "--network-add", "nw-more", "nw-moving")
                            let fixed = try await taskAddress("nw-fixed.1")
                            var moving = Machine.Place.namespace(try await taskNamespace("nw-moving.1"))
                            #expect(try await isReached(fixed, from: moving))
                            try await docker("service", "update", "--quiet", "--network-rm", "nw-more", "nw-moving")
                            moving = .namespace(try await taskNamespace("nw-moving.1"))
                            #expect(try await isReached(fixed, from: moving) == false)
                        }
                    }
                }
            }
        }

        @Test func `networks are listed, inspected and pruned as Docker does`() async throws {
            try await docker(
                "network", "create", "--driver", "overlay", "--attachable", "--label", "k=v", "--subnet",
                "10.84.0.0/24", "nw-list")
            let format =
                "{{.Driver}} {{.Scope}} {{.Attachable}} {{.Internal}} {{(index .IPAM.Config 0).Subnet}} {{.Labels.k}}"
            #expect(
                try await docker("network", "inspect", "--format", format, "nw-list").trimmed
                    == "overlay swarm true false 10.84.0.0/24 v")
            let names = try await docker("network", "ls", "--format", "{{.Name}}").lines
            #expect(Set(["bridge", "host", "none", "ingress", "nw-list"]).isSubset(of: names))
            try await docker("network", "prune", "--force")
            #expect(try await docker.attempt("network", "inspect", "nw-list").status != 0)
        }
    }
}

/// One request, and what came of it.
func ask(_ address: String, port: Int = 80, from place: Machine.Place) async throws -> Load.Result {
    try await Load(transport: .http, address: address, port: port, timeout: .milliseconds(1200)).run(at: place)
}

func isReached(_ address: String, port: Int = 80, from place: Machine.Place) async throws -> Bool {
    try await ask(address, port: port, from: place).answered == 1
}
