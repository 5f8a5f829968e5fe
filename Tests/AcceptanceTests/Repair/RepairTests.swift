import CausewayKernel
import Foundation
import Testing

extension Acceptance.OnCluster {
    /// What others do to what is ours is undone, and nothing of theirs is.
    @Suite(.serialized) struct Repair {
        static let acts = Machine.isFull ? 200 : 25
        /// 100 ms, on a machine that has nothing else to do; else only that it is not left to a timer.
        static let rulesLimit: Duration = Machine.isFull ? .milliseconds(100) : .milliseconds(900)

        @Test func `acts by chance are repaired in time, under load, and nothing else is touched`() async throws {
            try await Self.withServices { load in
                var chance = SeededGenerator(seed: Machine.seed)
                let firewall = try await OthersRules.save()
                var slowest: [Bool: Duration] = [:]
                for number in 1...Self.acts {
                    let task = try await Self.taskPlace("rp-web.\(Int.random(in: 1...3, using: &chance))")
                    let acts = Act.all(namespace: task.namespace, link: task.link, address: task.address)
                    let act = acts[Int.random(in: 0..<acts.count, using: &chance)]
                    let time = try await Self.repair(act, "seed \(Machine.seed), act \(number)")
                    slowest[act.isAboutRules] = max(slowest[act.isAboutRules] ?? .zero, time)
                    if act.hitsOthers {
                        try await firewall.restore()
                        try await planBecomesEmpty()
                    }
                }
                print(
                    "seed \(Machine.seed): \(Self.acts) acts, slowest rules \(slowest[true] ?? .zero), "
                        + "slowest of all \(slowest.values.max() ?? .zero)")
                try await eventually("an answer to every request") {
                    try await load().answered == 200 ? true : nil
                }
            }
        }

        @Test func `two that undo each other do not spin`() async throws {
            try await Self.withServices { _ in
                let daemon = try #require(await Cluster.shared.processID)
                let before = try cpuTime(daemon)
                let fight = try Spawned(
                    [
                        "sh", "-c",
                        "for i in $(seq 1000); do nft delete table inet causeway 2>/dev/null; sleep 0.01; done",
                    ],
                    out: "/dev/null", err: "/dev/null")
                try await Task.sleep(for: .seconds(5))
                await fight.stop(SIGKILL)
                let used = try cpuTime(daemon) - before
                try await planBecomesEmpty(within: .seconds(2))
                #expect(used < 1.5, "the daemon used \(used) s of CPU in 5 s")
                #expect(Cluster.lastOfLog(400).contains("again and again"))
            }
        }

        /// Takes an act, and returns how long it took until everything was right again.
        private static func repair(_ act: Act, _ label: String) async throws -> Duration {
            let view = KernelView(tasks: try await taskNamespaces())
            let reference = try await view.all()
            let others = try await OthersState.read()
            try await shell("sh", "-ec", act.script)
            let ended = ContinuousClock.now
            if act.isAboutRules {
                try await wait(for: view, reference, .tables, until: ended + .seconds(2), "\(label): \(act)")
            }
            let rules = ContinuousClock.now - ended
            if act.isAboutRules { #expect(rules < rulesLimit, "\(label): \(act): rules were back after \(rules)") }
            try await wait(for: view, reference, .all, until: ended + .seconds(2), "\(label): \(act)")
            let all = ContinuousClock.now - ended
            try await planBecomesEmpty(within: .seconds(1))
            let changes = try await OthersState.read().changes(since: others, mayLack: act.hitsOthers)
            #expect(changes.isEmpty, "\(label): \(act): of others': \(changes.joined(separator: "\n"))")
            return act.isAboutRules ? rules : all
        }

        private static func wait(
            for view: KernelView, _ reference: [KernelView.Place: KernelState], _ parts: KernelParts,
            until deadline: ContinuousClock.Instant, _ label: String
        ) async throws {
            // What was asked for at the deadline may be answered a little later.
            var wrong: [String] = []
            repeat {
                let asked = ContinuousClock.now
                wrong = []
                for (place, state) in reference {
                    let now = try? await view.state(place, parts)
                    if now != state.only(parts) {
                        wrong.append(
                            "\(place ?? "host"): \(now.map { Plan(from: $0, to: state.only(parts)).description } ?? "gone")"
                        )
                        break
                    }
                }
                if wrong.isEmpty { return }
                guard asked < deadline else { break }
                try await Task.sleep(for: .milliseconds(2))
            } while true
            throw Context(error: NotRepaired(what: label, wrong: wrong), notes: [Cluster.lastOfLog()])
        }

        private static func taskNamespaces() async throws -> [String] {
            try await shell("ip", "netns", "list").lines.map { String($0.prefix { $0 != " " }) }
                .filter { $0.hasPrefix("cw-") }
        }

        private static func taskPlace(_ task: String) async throws -> (namespace: String, link: String, address: String)
        {
            let namespace = try await taskNamespace(task)
            let links = try await shell("ip", "-oneline", "link", "show").lines
            let link = try #require(links.first { $0.contains("alias causeway veth peer=eth0 netns=\(namespace) ") })
            let name = try #require(link.split(separator: " ").dropFirst().first).prefix { $0 != "@" && $0 != ":" }
            return (namespace, String(name), try await taskAddress(task))
        }

        /// A published service of three and another that asks it, with requests between and from outside all the time.
        private static func withServices(
            _ body: (_ load: () async throws -> Load.Result) async throws -> Void
        ) async throws {
            try await withNetwork("rp-net") {
                try await Traffic.withWeb("rp-web", "--network", "rp-net") { _ in
                    try await withService("rp-ask", "--network", "rp-net", Images.test, "sleep", "1000") { _ in
                        let asking = try await taskNamespace("rp-ask.1")
                        let load = ConstantLoad(
                            [
                                .init(place: .outside, address: Machine.address, port: 8080),
                                .init(place: .namespace(asking), address: try await virtualAddress("rp-web"), port: 80),
                            ], timeout: .seconds(2))
                        do {
                            try await body {
                                try await Load(transport: .http, address: Machine.address, port: 8080, count: 200)
                                    .run(at: .outside)
                            }
                        } catch {
                            _ = try await load.stop()
                            throw error
                        }
                        let total = try await load.stop()
                        #expect(total.answered > 0, "\(total)")
                    }
                }
            }
        }
    }
}

struct NotRepaired: Error, CustomStringConvertible {
    var what: String
    var wrong: [String]
    var description: String { "not repaired in time: \(what); wrong still: \(wrong.joined(separator: "\n"))" }
}

/// Seconds of CPU time that a process has used.
func cpuTime(_ process: Int32) throws -> Double {
    let text = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
    let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
    return ((Double(fields[12]) ?? 0) + (Double(fields[13]) ?? 0)) / Double(sysconf(Int32(_SC_CLK_TCK)))
}
