import CausewayTestKit
import Foundation
import Testing

extension Acceptance.InLab {
    /// Addresses and ports at the edge of what there is: nothing is held twice, and who gets nothing is told.
    @Suite(.serialized, .nodes(3)) struct Allocation {
        static let acts = Machine.isFull ? 500 : 40
        /// The ingress network is a /24: 253 tasks of published services.
        static let published = Machine.isFull ? 250 : 24

        @Test func `in a network of 13 addresses none is held twice, whatever comes and goes`() async throws {
            try await lab.withNetwork("al-small", "--subnet", "10.92.0.0/28") {
                var chance = SeededGenerator(seed: Machine.seed)
                var services: [String: Int] = [:]
                var checked = 0
                do {
                    for number in 1...Self.acts {
                        try await Self.act(number, &services, &chance)
                        checked += try await Self.expectNothingTwice("seed \(Machine.seed), act \(number)")
                    }
                } catch {
                    try await Self.remove(services.keys)
                    throw error
                }
                try await Self.expectSettled(services)
                print("seed \(Machine.seed): \(Self.acts) acts, \(checked) addresses looked at in all kernels")
                try await Self.remove(services.keys)
            }
        }

        @Test func `who gets no address is told within 1 s how many there are, and gets one when one is free`()
            async throws
        {
            try await lab.withNetwork("al-full", "--subnet", "10.92.1.0/28") {
                // One is the service's own.
                let options = ["--network", "al-full"]
                try await lab.withService("al-most", options: options, replicas: 12) { _ in
                    let start = ContinuousClock.now
                    try await lab.manager("service", "scale", "--detach", "al-most=13")
                    try await eventually("the shortage to be said", within: .seconds(5)) {
                        try await Self.isShort("al-most") ? true : nil
                    }
                    let said = ContinuousClock.now - start
                    print("a shortage was said after \(said), the command included")
                    #expect(said <= .seconds(1))
                    // One that wants a virtual address is told too.
                    try await lab.manager(
                        ["service", "create", "--detach", "--quiet", "--name", "al-late"] + options + [Images.test])
                    try await eventually("the shortage to be said of the second", within: .seconds(1)) {
                        try await Self.isShort("al-late") ? true : nil
                    }
                    try await lab.manager("service", "scale", "--detach", "al-most=5")
                    try await lab.converged("al-most", 5)
                    try await lab.converged("al-late", 1)
                    _ = try await Self.expectNothingTwice("after the shortage")
                    try await Self.remove(["al-late"])
                }
            }
        }

        @Test func `every one of many published ports works, through every node`() async throws {
            let names = (0..<Self.published).map { "al-port-\($0)" }
            do {
                for (index, name) in names.enumerated() {
                    try await lab.manager(
                        "service", "create", "--detach", "--quiet", "--name", name, "--hostname", name, "--publish",
                        "\(20_000 + index):80", Images.test)
                }
                for name in names { try await lab.converged(name, 1, within: .seconds(120)) }
                for (index, name) in names.enumerated() {
                    let node = await lab.nodes[index % lab.nodes.count]
                    let load = Load(
                        transport: .http, address: LabCluster.address(node), port: 20_000 + index, count: 4, atOnce: 1)
                    let result = try await load.run(at: lab.place("client"))
                    #expect(result.answered == 4 && Array(result.replicas.keys) == [name], "\(name): \(result)")
                }
                _ = try await Self.expectNothingTwice("with \(names.count) published services")
                let taken = try await lab.manager.attempt(
                    "service", "create", "--detach", "--name", "al-taken", "--publish", "20000:80", Images.test)
                #expect(!taken.succeeded && taken.all.contains("20000"), "\(taken.all)")
            } catch {
                try await Self.remove(names)
                throw error
            }
            try await Self.remove(names)
        }

        @Test func `a network over a route of any node is refused`() async throws {
            try await lab.shell("n3", "ip route add 10.93.0.0/16 via 192.0.2.254")
            try await lab.stopDaemon("n3")
            try await lab.startDaemon("n3")
            try await eventually("the route of n3 to be known") {
                let said = try await lab.manager.attempt(
                    "network", "create", "--driver", "overlay", "--subnet", "10.93.1.0/24", "al-over")
                if said.succeeded { try await lab.manager("network", "rm", "al-over") }
                return !said.succeeded && said.all.contains("10.93.0.0/16") ? true : nil
            }
            try await lab.shell("n3", "ip route delete 10.93.0.0/16 via 192.0.2.254")
        }

        // MARK: acts

        private static func act(
            _ number: Int, _ services: inout [String: Int], _ chance: inout SeededGenerator
        ) async throws {
            let replicas = Int.random(in: 1...6, using: &chance)
            let known = services.keys.sorted()
            switch Int.random(in: 0..<4, using: &chance) {
            case _ where known.isEmpty, 0:
                let name = "al-\(number)"
                try await lab.manager(
                    "service", "create", "--detach", "--quiet", "--name", name, "--network", "al-small", "--replicas",
                    "\(replicas)", "--stop-grace-period", "1s", Images.test)
                services[name] = replicas
            case 1 where known.count > 2:
                let name = known[Int.random(in: 0..<known.count, using: &chance)]
                try await lab.manager("service", "rm", name)
                services[name] = nil
            case 2:
                let name = known[Int.random(in: 0..<known.count, using: &chance)]
                try await update(name)
            default:
                let name = known[Int.random(in: 0..<known.count, using: &chance)]
                try await lab.manager("service", "scale", "--detach", "\(name)=\(replicas)")
                services[name] = replicas
            }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...400, using: &chance)))
        }

        /// The command line reads, then writes: what the manager wrote meanwhile, such as an address, is in its way.
        private static func update(_ name: String) async throws {
            try await eventually("service \(name) to be updated", within: .seconds(5)) {
                let said = try await lab.manager.attempt("service", "update", "--detach", "--quiet", "--force", name)
                guard !said.succeeded else { return true }
                guard said.all.contains("out of sequence") else { throw Command.Failure(said: said) }
                return nil
            }
        }

        /// Every service comes to its number, or there is no address left for who has not.
        private static func expectSettled(_ services: [String: Int]) async throws {
            try await eventually("the services to come to their numbers", within: .seconds(60)) {
                var running: [String: Int] = [:]
                var virtual = 0
                for name in services.keys {
                    running[name] = try await lab.places(name).count
                    let format = "{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}"
                    virtual += try await lab.manager("service", "inspect", "--format", format, name).trimmed.split(
                        separator: " "
                    ).count
                }
                let isFull = running.values.reduce(virtual, +) == 13
                return running == services || isFull ? true : nil
            }
        }

        private static func isShort(_ service: String) async throws -> Bool {
            try await lab.manager.tasks(service).contains {
                $0.error.contains("no free address on network al-full: 13 of 13 used")
            }
        }

        private static func remove(_ names: some Sequence<String>) async throws {
            let all = Array(names)
            guard !all.isEmpty else { return }
            try await lab.manager(["service", "rm"] + all)
            for name in all {
                try await eventually("the containers of \(name) to be gone", within: .seconds(60)) {
                    try await lab.containers(name).isEmpty ? true : nil
                }
            }
        }

        // MARK: kernels

        /// Reads the addresses of every task's namespace on every node; returns how many there are.
        ///
        /// The nodes are read one after the other, so an address may be seen where it was and then where it came to.
        /// Those that are held by the same two over a whole second reading were held twice.
        private static func expectNothingTwice(_ when: String) async throws -> Int {
            let first = try await holders()
            guard first.values.contains(where: { $0.count > 1 }) else { return first.count }
            let second = try await holders()
            let twice = first.mapValues(Set.init).filter { address, holders in
                holders.intersection(second[address] ?? []).count > 1
            }
            #expect(twice.isEmpty, "\(when): held twice: \(twice)")
            return first.count
        }

        private static func holders() async throws -> [String: [String]] {
            var holders: [String: [String]] = [:]
            for node in await lab.nodes {
                for (namespace, address) in try await addresses(on: node) {
                    holders[address, default: []].append("\(node) \(namespace)")
                }
            }
            return holders
        }

        private static func addresses(on node: String) async throws -> [(namespace: String, address: String)] {
            // A namespace that goes away meanwhile holds nothing.
            let script = """
                cd \(LabCluster.folder)/\(node)/netns 2>/dev/null || exit 0
                for place in cw-*; do
                    nsenter --net="$place" ip -oneline address show scope global 2>/dev/null | sed "s/^/$place /"
                done
                """
            return try await Command(["sh", "-c", script]).attempt().lines.compactMap { line in
                let words = line.split(separator: " ").map(String.init)
                guard let at = words.firstIndex(where: { $0 == "inet" || $0 == "inet6" }), at + 1 < words.count else {
                    return nil
                }
                return (words[0], String(words[at + 1].prefix { $0 != "/" }))
            }
        }
    }
}
