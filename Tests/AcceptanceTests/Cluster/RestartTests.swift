import CausewayLinux
import Foundation
import Testing

extension Acceptance.InLab {
    /// Daemons that are killed, on any nodes and on all, at any moment: what runs goes on, and all is found again.
    @Suite(.serialized, .nodes(4)) struct Restarts {
        static let deaths = Machine.isFull ? 50 : 6

        @Test func `daemons die anywhere, in the middle of updates too: connections live, and nothing is held twice`()
            async throws
        {
            var chance = SeededGenerator(seed: Machine.seed)
            try await Self.withWeb(replicas: 4, "--update-order", "start-first") { _ in
                let load = Steady(addresses: await lab.addresses(), new: 30, long: 20, timeout: .seconds(10))
                let result = try await load.during(at: lab.place("client")) {
                    for death in 1...Self.deaths { try await lab.die(death, updating: "rs-web", &chance) }
                    try await lab.converged("rs-web", 4)
                }
                print("seed \(Machine.seed): \(Self.deaths) deaths: \(result)")
                #expect(result.long.failed.isEmpty, "seed \(Machine.seed): \(result)")
                #expect(result.new.failed.isEmpty, "seed \(Machine.seed): \(result)")
                try await Self.expectNothingTwice("rs-web")
            }
        }

        @Test func `workers without a manager forward, balance and resolve, over their own restart too`() async throws {
            try await lab.withNetwork("rs-net") {
                try await Self.withWeb(replicas: 4, "--network", "rs-net") { places in
                    let task = try #require(places.first { $0.node == "n2" })
                    let names = try await NameLoad(
                        "rs-web", in: NetworkNamespace(path: "/proc/\(task.process)/ns/net"))
                    let virtual = try await lab.virtualAddress("rs-web")
                    let load = Steady(
                        addresses: ["n2", "n3", "n4"].flatMap { [LabCluster.address($0), LabCluster.address6($0)] },
                        new: 30, long: 12, udp: 30)
                    let inside = Steady(addresses: [virtual], port: 80, new: 20)
                    let within = try inside.start(at: task.network)
                    let result = try await load.during(at: lab.place("client")) {
                        try await lab.stopDaemon("n1")
                        try await Task.sleep(for: .seconds(1))
                        for node in ["n2", "n3"] { try await lab.stopDaemon(node) }
                        try await Task.sleep(for: .seconds(1))
                        for node in ["n2", "n3"] { try await lab.startDaemon(node) }
                        // Without a manager they know from before what is to be there.
                        try await lab.planIsEmpty("n2")
                        try await lab.planIsEmpty("n3")
                        try await Task.sleep(for: .seconds(2))
                        #expect(try await lab.containers("rs-web").count == 4)
                        try await lab.startDaemon("n1")
                        try await lab.allReady()
                        try await Task.sleep(for: .seconds(1))
                    }
                    let calls = try await within.stop()
                    let resolved = try await names.stop()
                    print("without a manager: \(result); from a task: \(calls); names: \(resolved)")
                    for account in [result.new, result.long, result.udp, calls.new] {
                        #expect(account.failed.isEmpty, "\(result); from a task: \(calls)")
                    }
                    #expect(Set(result.replicas.keys) == Set(places.map(\.name)), "\(result)")
                    #expect(Set(calls.replicas.keys) == Set(places.map(\.name)), "\(calls)")
                    #expect(resolved.failed == 0, "\(resolved)")
                    #expect(try await lab.converged("rs-web", 4) == places, "no task was replaced")
                }
            }
        }

        // MARK: parts

        private static func withWeb(
            replicas: Int, _ options: String..., body: ([LabCluster.Place]) async throws -> Void
        ) async throws {
            let web = LabCluster.web(grace: 5)
            let ports = ["--publish", "8080:80", "--publish", "8080:80/udp"]
            try await lab.withService(
                "rs-web", options: web.options + ports + options, command: web.command, replicas: replicas
            ) { places in
                try await lab.leadsEverywhere(to: places.map(\.name))
                try await body(places)
            }
        }

        /// No address in two namespaces, no link without a task, and no namespace without one.
        static func expectNothingTwice(_ service: String) async throws {
            let places = try await lab.places(service)
            var holders: [String: [String]] = [:]
            for place in places {
                for address in try await lab.addresses(of: place) where !address.hasPrefix("fe80") {
                    holders[address, default: []].append(place.name)
                }
            }
            #expect(holders.values.allSatisfy { $0.count == 1 }, "\(holders)")
            for node in await lab.nodes {
                let count = places.count { $0.node == node }
                let links = try await lab.shell(node, "ip -oneline link show type veth").lines.filter {
                    $0.contains(" cw-")
                }
                #expect(links.count == count, "\(node): \(links)")
                let folder = "\(LabCluster.folder)/\(node)/netns"
                let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
                #expect(names.count == count, "\(node): \(names)")
            }
        }
    }
}
