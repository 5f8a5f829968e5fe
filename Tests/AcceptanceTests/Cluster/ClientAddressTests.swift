import Foundation
import Testing

extension Acceptance.InLab {
    /// Whichever node is asked, the task sees the client's own address, and the client sees nobody but whom it asked.
    ///
    /// n1 runs no task; the nodes of the tasks have no route to the client.
    @Suite(.serialized, .nodes(4, joined: 3)) struct ClientAddress {
        static let replicas = ["ca-web.1", "ca-web.2"]
        static let tasksNodes = ["n2", "n3"]

        @Test func `every task sees the client, replies come from whom was asked, nothing foreign is on the underlay`()
            async throws
        {
            try await Self.withWeb { _ in
                let watch = try await Self.watch()
                for transport in Load.Transport.allCases {
                    for address in [LabCluster.address("n1"), LabCluster.address6("n1")] {
                        try await Self.expectClient(transport, address, count: 1000)
                    }
                }
                try await Self.expectClean(watch)
            }
        }

        @Test(arguments: [0, 1, 2])
        func `it is so with any reverse path filter`(_ filter: Int) async throws {
            try await Self.withWeb { _ in
                let nodes = Array(await lab.nodes.prefix(3))
                let before = try await Self.filters(nodes)
                for node in nodes { try await lab.shell(node, Self.setting(filter)) }
                do {
                    let watch = try await Self.watch()
                    for transport in Load.Transport.allCases {
                        for address in [LabCluster.address("n1"), LabCluster.address6("n1")] {
                            try await Self.expectClient(transport, address, count: 200)
                        }
                    }
                    try await Self.expectErrors()
                    try await Self.expectClean(watch)
                } catch {
                    for (node, script) in before { try await lab.shell(node, script) }
                    throw error
                }
                for (node, script) in before { try await lab.shell(node, script) }
            }
        }

        @Test(arguments: ["tcp", "udp"])
        func `one source port of the client works through all nodes at once`(_ transport: String) async throws {
            try await Self.withWeb(isAway: false) { _ in
                let rounds = Machine.isFull ? 1000 : 100
                for addresses in [
                    (1...3).map { LabCluster.address("n\($0)") }, (1...3).map { LabCluster.address6("n\($0)") },
                ] {
                    let answers = try await OnePort.run(
                        transport, from: 20_000, port: 8080, addresses: addresses, rounds: rounds,
                        at: lab.place("client"))
                    #expect(answers.count == rounds * addresses.count)
                    let failed = answers.filter { $0.seen == nil }
                    #expect(failed.isEmpty, "\(failed.prefix(5)) of \(failed.count)")
                    let client =
                        addresses[0].contains(":")
                        ? LabCluster.address6("client") : LabCluster.address("client")
                    #expect(answers.allSatisfy { $0.seen?.client == client })
                    Self.expectOwnPorts(answers)
                }
            }
        }

        @Test func `RST, port unreachable and "too big" of the task and of its node reach the client`() async throws {
            try await Self.withWeb { places in
                try await Self.expectErrors()
                try await Self.withRejectOnTasksNodes {
                    for transport in Load.Transport.allCases {
                        for address in [LabCluster.address("n1"), LabCluster.address6("n1")] {
                            let load = Load(
                                transport: transport, address: address, port: 8080, count: 20, timeout: .seconds(1))
                            let result = try await load.run(at: lab.place("client"))
                            #expect(result.failed == ["refused": 20], "\(transport) \(address): \(result)")
                        }
                    }
                }
                try await Self.expectTooBig(places)
            }
        }

        @Test func `a node that joins answers too, and no task is started anew`() async throws {
            try await Self.withWeb { places in
                try await lab.join("n4")
                for transport in Load.Transport.allCases {
                    for address in [LabCluster.address("n4"), LabCluster.address6("n4")] {
                        let load = Load(
                            transport: transport, address: address, port: 8080, count: 60, timeout: .seconds(1))
                        try await eventually("n4 to answer at \(address) over \(transport)") {
                            let result = try await load.run(at: lab.place("client"))
                            return result.answered == result.requested ? true : nil
                        }
                        try await Self.expectClient(transport, address, count: 300)
                    }
                }
                let after = try await lab.places("ca-web")
                #expect(after == places)
                try await lab.docker("n4")("swarm", "leave")
            }
        }

        @Test func `a task that calls the virtual address is seen by its own address`() async throws {
            try await lab.withNetwork("ca-net") {
                try await Self.withWeb(isAway: false, "--network", "ca-net") { _ in
                    let ask = ["--network", "ca-net", "--constraint", "node.hostname==n1"]
                    try await lab.withService(
                        "ca-ask", options: ask, command: [Images.test, "sleep", "1000"]
                    ) { asking in
                        let task = try #require(asking.first)
                        let virtual = try await lab.virtualAddress("ca-web")
                        let own = Set(try await lab.addresses(of: task))
                        for transport in Load.Transport.allCases {
                            let load = Load(transport: transport, address: virtual, port: 80, count: 300)
                            let result = try await load.run(at: task.network)
                            #expect(result.answered == result.requested, "\(result)")
                            #expect(result.clients.count == 1 && own.isSuperset(of: result.clients.keys), "\(result)")
                            #expect(Set(result.replicas.keys) == Set(Self.replicas), "\(result)")
                        }
                    }
                }
            }
        }

        // MARK: the bed

        /// Two replicas on n2 and n3, and two ports behind which nothing listens.
        private static func withWeb(
            isAway: Bool = true, _ options: String..., body: ([LabCluster.Place]) async throws -> Void
        ) async throws {
            let ports = ["8080:80", "8080:80/udp", "8081:81", "8081:81/udp"].flatMap { ["--publish", $0] }
            let web = LabCluster.web(grace: 1)
            let elsewhere = ["--constraint", "node.hostname!=n1", "--constraint", "node.hostname!=n4"]
            if isAway { for node in tasksNodes { try await lab.shell(node, Self.awayFromClient) } }
            do {
                try await lab.withService(
                    "ca-web", options: web.options + ports + elsewhere + options, command: web.command, replicas: 2
                ) { places in
                    #expect(Set(places.map(\.node)) == Set(tasksNodes))
                    for task in places { try await LabCluster.withoutErrorLimit(task.network) }
                    for node in isAway ? ["n1"] : ["n1", "n2", "n3"] {
                        for address in [LabCluster.address(node), LabCluster.address6(node)] {
                            try await Self.answers(address)
                        }
                    }
                    try await body(places)
                }
            } catch {
                if isAway { for node in tasksNodes { try await lab.shell(node, Self.backToClient) } }
                throw error
            }
            if isAway { for node in tasksNodes { try await lab.shell(node, Self.backToClient) } }
        }

        private static let awayFromClient = """
            ip route replace unreachable 203.0.113.0/24; ip -6 route replace unreachable 2001:db8:203::/64
            ip route del default; ip -6 route del default
            """
        private static let backToClient = """
            ip route replace default via 192.0.2.254; ip -6 route replace default via 2001:db8:2::fe
            ip route del unreachable 203.0.113.0/24; ip -6 route del unreachable 2001:db8:203::/64
            """

        /// That a task runs is known before every node's kernel has it.
        private static func answers(_ address: String) async throws {
            try await eventually("\(address) to lead to both") {
                let load = Load(
                    transport: .http, address: address, port: 8080, count: 60, timeout: .milliseconds(500))
                let result = try await load.run(at: lab.place("client"))
                return result.answered == 60 && result.replicas.count == 2 ? true : nil
            }
        }

        // MARK: what is expected

        private static func expectClient(
            _ transport: Load.Transport, _ address: String, count: Int,
            sourceLocation: SourceLocation = #_sourceLocation
        ) async throws {
            var load = Load(transport: transport, address: address, port: 8080, count: count)
            // A port that the client has used through another node is not free at the task for a while.
            load.from = SourcePorts.next(count)
            let result = try await load.run(at: lab.place("client"))
            let client = address.contains(":") ? LabCluster.address6("client") : LabCluster.address("client")
            let what: Comment = "\(transport) to \(address): \(result)"
            #expect(result.answered == count, what, sourceLocation: sourceLocation)
            #expect(Array(result.clients.keys) == [client], what, sourceLocation: sourceLocation)
            #expect(result.portsKept == result.answered, what, sourceLocation: sourceLocation)
            #expect(Set(result.replicas.keys) == Set(replicas), what, sourceLocation: sourceLocation)
        }

        /// Of several connections from one source port to one task, exactly one keeps the port.
        ///
        /// None does if an earlier round's got that port instead of its own: the kernel takes any that is free.
        private static func expectOwnPorts(_ answers: [OnePort.Answer]) {
            for (replica, answers) in Dictionary(grouping: answers, by: { $0.seen?.replica ?? "" }) where replica != ""
            {
                var given: Set<Int> = []
                for (_, round) in Dictionary(grouping: answers, by: \.round).sorted(by: { $0.key < $1.key }) {
                    let ports = round.compactMap { $0.seen?.port }
                    let own = round[0].sourcePort
                    #expect(Set(ports).count == ports.count, "\(replica): \(round)")
                    #expect(ports.contains(own) || given.contains(own), "\(replica): \(round)")
                    given.formUnion(ports)
                }
            }
        }

        /// A port behind which no program listens: the task itself refuses.
        private static func expectErrors() async throws {
            for transport in Load.Transport.allCases {
                for address in [LabCluster.address("n1"), LabCluster.address6("n1")] {
                    let load = Load(transport: transport, address: address, port: 8081, count: 20, timeout: .seconds(1))
                    let result = try await load.run(at: lab.place("client"))
                    #expect(result.failed == ["refused": 20], "\(transport) \(address): \(result)")
                }
            }
        }

        /// With a rule of an operator's on the tasks' nodes that refuses: the packet is made by the node itself.
        private static func withRejectOnTasksNodes(_ body: () async throws -> Void) async throws {
            let rules = """
                nft 'add table inet test-reject
                add chain inet test-reject forward { type filter hook forward priority -50; }
                add rule inet test-reject forward tcp dport 80 reject with tcp reset
                add rule inet test-reject forward udp dport 80 reject with icmpx port-unreachable'
                """
            for node in tasksNodes { try await lab.shell(node, rules) }
            do { try await body() } catch {
                for node in tasksNodes { try await lab.shell(node, "nft delete table inet test-reject") }
                throw error
            }
            for node in tasksNodes { try await lab.shell(node, "nft delete table inet test-reject") }
        }

        /// The link of each task gets a smaller MTU: its node sends back what is too big.
        ///
        /// The nodes' daemons are stopped meanwhile, as they would put it right.
        private static func expectTooBig(_ places: [LabCluster.Place]) async throws {
            for node in tasksNodes { kill(try await lab.processID(node), SIGSTOP) }
            defer {
                for node in tasksNodes {
                    Task { kill(try await lab.processID(node), SIGCONT) }
                }
            }
            for node in tasksNodes {
                let links = "ip -oneline link show type veth | sed -n 's/^[0-9]*: \\(cw-[^@:]*\\)[@:].*/\\1/p'"
                try await lab.shell(node, "for link in $(\(links)); do ip link set $link mtu 1300; done")
            }
            for address in [LabCluster.address("n1"), LabCluster.address6("n1")] {
                let flow = try Flow(to: address, port: 8080, rate: 20, sockets: 8, size: 1340, at: lab.place("client"))
                try await flow.during {
                    let event = try await flow.event("\"too big\" from a task's node, by \(address)", since: 0) {
                        $0.error == "too-long"
                    }
                    #expect(event.mtu == 1300, "\(address)")
                }
            }
        }

        // MARK: the underlay

        /// Counts what goes from node to node: everything, tunnel packets, and what has a source that is no node's own.
        private static func watch() async throws -> UnderlayWatch {
            var rules = [
                "tunnel": "udp dport 4789",
                "client4": "ip saddr \(LabCluster.address("client"))",
                "client6": "ip6 saddr \(LabCluster.address6("client"))",
            ]
            for node in ["n1", "n2", "n3"] {
                rules["foreign4_\(node)"] = "iifname \"\(node)\" ip saddr != \(LabCluster.address(node))"
                rules["foreign6_\(node)"] =
                    "iifname \"\(node)\" ip6 saddr != { \(LabCluster.address6(node)), fe80::/10, :: }"
            }
            return try await UnderlayWatch(rules)
        }

        private static func expectClean(_ watch: UnderlayWatch) async throws {
            var counts = try await watch.counts()
            try await watch.end()
            let tunnel = counts.removeValue(forKey: "tunnel") ?? 0
            #expect(tunnel > 100, "\(counts)")
            #expect(counts.values.allSatisfy { $0 == 0 }, "\(counts)")
        }

        private static func setting(_ filter: Int) -> String {
            "for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo \(filter) >$file; done"
        }

        /// A script for each node that sets its filters as they are.
        private static func filters(_ nodes: [String]) async throws -> [(String, String)] {
            var all: [(String, String)] = []
            for node in nodes {
                let said = try await lab.shell(
                    node, "for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo \"echo $(cat $file) >$file\"; done")
                all.append((node, said.out))
            }
            return all
        }
    }
}
