import CausewayKernel
import CausewayLinux
import Foundation
import Testing

extension Acceptance.InLab {
    /// A node that cannot be reached for a while is avoided, and nothing else happens to it; for longer, it is replaced.
    @Suite(.serialized, .nodes(3)) struct Blips {
        /// Seconds without a link, one after the other.
        static let blips = Machine.isFull ? (0..<20).map { [1, 5, 10, 20][$0 % 4] } : [1, 5]
        static let cut = "n3"
        /// New connections avoid the node so long after the loss, and use it again so long after its return.
        static let (avoided, returned) = (Duration.seconds(1), Duration.seconds(2))

        @Test func `while a link is down nothing restarts, no name is lost, and connections go elsewhere within 1 s`()
            async throws
        {
            try await Self.withTasks(asking: ["n1", "n2", "n3"]) { tasks in
                for seconds in Self.blips {
                    try await Self.lose("down for \(seconds) s", tasks, .seconds(seconds)) {
                        try await Underlay.cut(Self.cut)
                    } mend: {
                        try await Underlay.mend(Self.cut)
                    }
                }
                try await Self.lose("deaf for 5 s", tasks, .seconds(5)) {
                    try await Underlay.deafen(Self.cut)
                } mend: {
                    try await Underlay.hear()
                }
            }
        }

        @Test func `a node that is away for 40 s is replaced, and its old tasks are asked no more`() async throws {
            try await Self.withTasks(asking: ["n1", "n2"]) { tasks in
                let old = Set(tasks.filter { $0.node == Self.cut }.map(\.id))
                let start = ContinuousClock.now
                try await Underlay.cut(Self.cut)
                do {
                    try await eventually("the tasks of \(Self.cut) to be replaced", within: .seconds(45)) {
                        let running = try await lab.manager.tasks("bl-web", running: true)
                            .filter { $0.current.hasPrefix("Running") && !old.contains($0.id) }
                        return running.count == tasks.count ? true : nil
                    }
                    print("replaced after \(ContinuousClock.now - start)")
                    // 30 s after it was heard last, which was up to a heartbeat's period, 5 s, before the loss.
                    #expect(ContinuousClock.now - start >= .seconds(25), "sooner than the eviction's time")
                    try await Self.expect(through: ["n1", "n2"], without: old, "while \(Self.cut) is away")
                    try await Task.sleep(for: .seconds(40) - (ContinuousClock.now - start))
                } catch {
                    try await Underlay.mend(Self.cut)
                    throw error
                }
                try await Underlay.mend(Self.cut)
                // From the first moment of its return.
                try await Self.expect(through: ["n1", "n2"], without: old, "at its return")
                try await eventually("the old tasks to be gone", within: .seconds(60)) {
                    try await lab.places("bl-web").contains { old.contains($0.id) } ? nil : true
                }
                try await Self.expect(through: ["n1", "n2", "n3"], without: old, "after its return")
                try await lab.plansBecomeEmpty()
            }
        }

        // MARK: one loss

        private static func lose(
            _ what: String, _ tasks: [LabCluster.Place], _ time: Duration, _ lose: () async throws -> Void,
            mend: () async throws -> Void
        ) async throws {
            let there = Set(tasks.filter { $0.node == cut }.map(\.id))
            let before = try await states()
            let start = ContinuousClock.now
            try await lose()
            let lost = ContinuousClock.now
            do {
                try await Task.sleep(for: avoided - (ContinuousClock.now - lost))
                while ContinuousClock.now + .milliseconds(500) < start + time {
                    try await expect(through: ["n1", "n2"], without: there, "\(what), after \(ContinuousClock.now - lost)")
                }
                try await Task.sleep(for: max(.zero, time - (ContinuousClock.now - start)))
            } catch {
                try await mend()
                throw error
            }
            try await mend()
            let back = ContinuousClock.now
            try await eventually("\(what): \(cut) to be used again", within: .seconds(20)) {
                try await answering(through: "n1", 60).isDisjoint(with: there) ? nil : true
            }
            let used = ContinuousClock.now - back
            print("\(what): used again after \(used)")
            #expect(used <= returned, "\(what): \(cut) was used again only after \(used)")
            let now = try await lab.converged("bl-web", tasks.count)
            #expect(Set(now.map(\.container)) == Set(tasks.map(\.container)), "\(what): tasks were replaced")
            try await lab.plansBecomeEmpty()
            for (node, state) in before {
                try await NodeView(node: node).wait(for: state, until: .now + .seconds(5), "\(what): not as before")
            }
            // A flapping node is waited for longer: each blip here is to be one of its own.
            try await Task.sleep(for: .seconds(1))
        }

        private static func states() async throws -> [String: [String: KernelState]] {
            var states: [String: [String: KernelState]] = [:]
            for node in await lab.nodes { states[node] = try await NodeView(node: node).state() }
            return states
        }

        /// Expects every request to be answered, by tasks that are not among these.
        private static func expect(through nodes: [String], without: Set<String>, _ when: String) async throws {
            for node in nodes {
                let asked = Load(
                    transport: .http, address: LabCluster.address(node), port: 8080, count: 60, atOnce: 8, timeout: .seconds(1))
                let result = try await asked.run(at: lab.place("client"))
                #expect(result.answered == result.requested, "\(when), through \(node): \(result)")
                #expect(without.isDisjoint(with: result.replicas.keys), "\(when), through \(node): \(result)")
            }
        }

        private static func answering(through node: String, _ count: Int) async throws -> Set<String> {
            let load = Load(
                transport: .http, address: LabCluster.address(node), port: 8080, count: count, atOnce: 8,
                timeout: .milliseconds(500))
            return Set(try await load.run(at: lab.place("client")).replicas.keys)
        }

        /// Two tasks on each node, named by their identifiers; those of some nodes ask for a name all the time.
        private static func withTasks(
            asking: Set<String>, _ body: ([LabCluster.Place]) async throws -> Void
        ) async throws {
            try await lab.withNetwork("bl-net") {
                try await lab.withService(
                    "bl-web",
                    options: ["--hostname", "{{.Task.ID}}", "--network", "bl-net", "--publish", "8080:80"], replicas: 6
                ) { tasks in
                    #expect(Set(tasks.map(\.node)) == ["n1", "n2", "n3"])
                    var names: [String: NameLoad] = [:]
                    for task in tasks where asking.contains(task.node) {
                        let namespace = NetworkNamespace(path: "/proc/\(task.process)/ns/net")
                        names[task.name] = try await NameLoad("bl-web", in: namespace, pause: 20_000)
                    }
                    try await lab.plansBecomeEmpty()
                    do { try await body(tasks) } catch {
                        for load in names.values { _ = try? await load.stop() }
                        throw error
                    }
                    for (task, load) in names {
                        let result = try await load.stop()
                        #expect(result.failed == 0, "names, asked by \(task): \(result)")
                    }
                }
            }
        }
    }
}
