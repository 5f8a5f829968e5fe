import Foundation
import Testing

extension Acceptance.InLab {
    /// How large a packet may be between two nodes is measured, because nobody says it; and so is what a card does.
    @Suite(.serialized, .nodes(4)) struct PathSizes {
        static let overhead = 50
        /// The most segments that may be sent again for 10 MB: what is in the air when a loss is found out, once.
        static let again = 60

        /// Of different pairs; all others are as wide as the links, 9000.
        static let ways = [
            Underlay.Way(nodes: ("n1", "n2"), mtu: 1500), Underlay.Way(nodes: ("n1", "n3"), mtu: 1450),
            Underlay.Way(nodes: ("n2", "n3"), mtu: 1400),
        ]

        @Test func `ways of different sizes are measured, and 10 MB get through each, by mesh and overlay`() async throws {
            try await Self.withTasks { tasks in
                for way in Self.ways { try await Self.expectMeasured(way) }
                try await Self.expectMeasured(.init(nodes: ("n1", "n4"), mtu: 9000))
                try await Self.expectMeasured(.init(nodes: ("n2", "n4"), mtu: 9000))
                try await Self.moveAll(tasks)
            }
        }

        @Test func `a way that becomes narrower carries bytes again within 10 s`() async throws {
            try await Self.withTasks { tasks in
                let address = try await Self.address(tasks, "n4", v6: false)
                let from = try #require(tasks["n1"]).network
                let before = try await Bulk(address: address, port: 7000).run(at: from)
                #expect(before.failed.isEmpty, "\(before)")
                let narrow = Underlay.Way(nodes: ("n1", "n4"), mtu: 1350)
                try await Underlay.narrow(Self.ways + [narrow])
                let start = ContinuousClock.now
                // A connection of just then has to get out of it too.
                let during = try await Bulk(address: address, port: 7000, seconds: 30).run(at: from)
                let recovered = ContinuousClock.now - start
                print("a way shrank from 9000 to 1350 bytes: \(during)")
                #expect(during.failed.isEmpty && recovered <= .seconds(10), "\(recovered): \(during)")
                try await Self.expectMeasured(narrow)
                let after = try await Bulk(address: address, port: 7000).run(at: from)
                #expect(after.failed.isEmpty && after.again + after.again_there <= Self.again, "\(after)")
            }
        }

        // MARK: parts

        /// Over each pair, in the overlay to the task's own address, and by the mesh to the port of another node.
        private static func moveAll(_ tasks: [String: LabCluster.Place]) async throws {
            for from in await lab.nodes {
                for to in await lab.nodes where from != to {
                    for v6 in [false, true] {
                        let address = try await address(tasks, to, v6: v6)
                        let bulk = try await Bulk(address: address, port: 7000).run(at: try #require(tasks[from]).network)
                        expectSmooth(bulk, "overlay, \(from) to \(to) at \(address)")
                    }
                }
            }
            for (entry, v6) in await lab.nodes.flatMap({ [($0, false), ($0, true)] }) {
                // n2 alone has the task behind this port.
                let address = v6 ? LabCluster.address6(entry) : LabCluster.address(entry)
                let bulk = try await Bulk(address: address, port: 7100).run(at: lab.place("client"))
                expectSmooth(bulk, "mesh, through \(entry) at \(address)")
            }
        }

        private static func expectSmooth(_ result: Bulk.Result, _ what: String) {
            print("\(what): \(result)")
            #expect(result.failed.isEmpty && result.sent == 10 << 20 && result.received == 10 << 20, "\(what): \(result)")
            #expect(result.again + result.again_there <= again, "\(what): \(result)")
        }

        private static func expectMeasured(_ way: Underlay.Way) async throws {
            for (node, peer) in [way.nodes, (way.nodes.1, way.nodes.0)] {
                var last: LabCluster.Peer?
                do {
                    try await eventually("\(node) to have measured its way to \(peer)", within: .seconds(10)) {
                        last = try await lab.peers(node)[peer]
                        return last?.mtu == way.mtu - overhead ? true : nil
                    }
                } catch { throw Context(error: error, notes: [last?.description ?? "it knows nothing of it"]) }
            }
        }

        private static func address(_ tasks: [String: LabCluster.Place], _ node: String, v6: Bool) async throws -> String {
            let all = try await lab.addresses(of: try #require(tasks[node]))
            return try #require(all.first { v6 ? $0.contains(":") && !isIngress($0) : $0.hasPrefix("10.91.") })
        }

        /// The IPv6 network of the test has a subnet that is told apart at a glance.
        private static func isIngress(_ address: String) -> Bool { !address.hasPrefix("fd91:") }

        /// A task on each node that serves bytes, and one on n2 whose port is published.
        private static func withTasks(_ body: ([String: LabCluster.Place]) async throws -> Void) async throws {
            try await Bulk.build()
            let nodes = await lab.nodes
            try await Underlay.setMTU(9000, nodes: nodes)
            try await Underlay.narrow(ways)
            do {
                try await withServices(body)
            } catch {
                try await Underlay.setMTU(1500, nodes: nodes)
                try await Underlay.widen()
                throw error
            }
            try await Underlay.setMTU(1500, nodes: nodes)
            try await Underlay.widen()
        }

        private static func withServices(_ body: ([String: LabCluster.Place]) async throws -> Void) async throws {
            try await lab.withNetwork("ps-net", "--ipv6", "--subnet", "10.91.0.0/24", "--subnet", "fd91::/64") {
                try await lab.withService(
                    "ps-each", options: ["--network", "ps-net", "--hostname", "{{.Node.Hostname}}"], replicas: 4
                ) { tasks in
                    try await lab.withService(
                        "ps-port", options: ["--publish", "7100:7000", "--constraint", "node.hostname==n2"]
                    ) { published in
                        let byNode = Dictionary(tasks.map { ($0.node, $0) }, uniquingKeysWith: { $1 })
                        #expect(byNode.count == 4, "\(byNode)")
                        try await serving(tasks + published) { try await body(byNode) }
                    }
                }
            }
        }

        private static func serving(_ tasks: [LabCluster.Place], _ body: () async throws -> Void) async throws {
            guard let first = tasks.first else { return try await body() }
            try await Bulk.serving(7000, in: first.network) { try await serving(Array(tasks.dropFirst()), body) }
        }
    }
}
