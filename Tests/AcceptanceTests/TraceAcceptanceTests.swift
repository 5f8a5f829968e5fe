import CausewayPath
import Foundation
import Testing

extension Acceptance.OnCluster {
    /// `causeway trace` on a node: real packets beside the prediction.
    @Suite(.serialized) struct Traces {
        @Test func `a published port and a virtual IP are seen as they are predicted`() async throws {
            try await Traffic.withWeb("tr-web") { replicas in
                let outside = try await tracedPath("\(Machine.address):8080", "--from", Machine.outside, "--count", "6")
                outside.expectAgreement(6)
                #expect(outside.packets.allSatisfy { $0.observed.outward.verdict.outcome == .delivered })
                #expect(outside.targets.isSubset(of: Set(replicas)) && !outside.targets.isEmpty, "\(outside.targets)")

                let asker = try #require(replicas.first)
                let inside = try await tracedPath("tr-web:80", "--from", "task:\(asker)", "--count", "6")
                inside.expectAgreement(6)
                #expect(inside.packets.allSatisfy { $0.observed.reply?.verdict.outcome == .delivered })

                let without = try await tracedPath(
                    "\(Machine.address):8080", "--from", Machine.outside, "--count", "2", "--no-ebpf")
                without.expectAgreement(2)
            }
        }

        @Test func `who drops is named, and repair and trace leave each other alone`() async throws {
            try await Traffic.withWeb("tr-drop") { _ in
                let rule = ["-s", Machine.client, "-p", "tcp", "-m", "comment", "--comment", "not today", "-j", "DROP"]
                try await Command(["iptables", "-I", "DOCKER-USER"] + rule).run()
                do {
                    let seen = try await tracedPath("\(Machine.address):8080", "--from", Machine.outside)
                    seen.expectAgreement(1)
                    let verdict = seen.packets.first?.observed.outward.verdict
                    #expect(verdict?.outcome == .dropped && verdict?.reason == .netfilter)
                    #expect(verdict?.text.contains("iptables filter, chain DOCKER-USER: \"not today\"") == true)
                } catch {
                    _ = try? await Command(["iptables", "-D", "DOCKER-USER"] + rule).run()
                    throw error
                }
                try await Command(["iptables", "-D", "DOCKER-USER"] + rule).run()

                // While somebody waits for packets the daemon has nothing to repair, and the table stays.
                let log = Cluster.lastOfLog(10_000)
                async let waiting = tracedPath("\(Machine.address):8080", "--wait", "--timeout", "5")
                try await eventually("the table of the trace") {
                    try await shell("nft", "list", "tables").out.contains("causeway_trace") ? true : nil
                }
                try await Task.sleep(for: .seconds(2))
                let tables = try await shell("nft", "list", "tables").out
                #expect(tables.contains("causeway_trace"))
                let plan = try await shell(Machine.executable("causeway"), "plan")
                #expect(plan.out.contains("nothing to change"), "\(plan.out)")
                #expect(try await waiting.packets.isEmpty)
                let after = try await shell("nft", "list", "tables").out
                #expect(!after.contains("causeway_trace"))
                let repairs = { (text: String) in text.split(separator: "\n").count { $0.contains("repaired") } }
                #expect(repairs(Cluster.lastOfLog(10_000)) == repairs(log))
            }
        }
    }
}

extension Acceptance.OnLab {
    /// The same across hosts: each is a namespace of this machine.
    @Suite(.serialized) struct Traces {
        @Test func `a packet is followed into the tunnel, out of it and back`() async throws {
            try await Lab.with(nodes: 2) { lab in
                let placed = try await lab.service("tr-lab", replicas: 2, "--publish", "8080:80")
                #expect(Set(placed.values) == Set(lab.nodes), "\(placed)")
                let load = Load(transport: .http, address: lab.address("n1"), port: 8080, count: 20)
                _ = try await lab.reaches(load, from: "client", placed.keys.sorted())

                // The client belongs to no node: its own connections are followed.
                async let following = tracedPath(
                    "\(lab.address("n1")):8080", "--at", "n1", "--count", "12", "--timeout", "30")
                try await eventually("the table of the trace") {
                    try await Command(lab.at("n1").wrap(["nft", "list", "tables"])).run().out
                        .contains("causeway_trace") ? true : nil
                }
                try await Task.sleep(for: .milliseconds(500))
                _ = try await load.run(at: lab.at("client"))
                let seen = try await following
                seen.expectAgreement(12)
                #expect(seen.targets == Set(placed.keys), "both tasks should have been asked: \(seen.targets)")
                let through = seen.packets.filter { packet in
                    packet.observed.outward.hops.contains { $0.stage.kind == .encapsulate }
                }
                #expect(!through.isEmpty && through.count < 12)
                for packet in through {
                    #expect(packet.observed.outward.hops.contains { $0.stage.kind == .decapsulate })
                    #expect(packet.observed.reply?.hops.contains { $0.stage.kind == .encapsulate } == true)
                }
            }
        }
    }
}

/// What `causeway trace` said.
struct Traced: Decodable {
    var packets: [Observation]

    /// The tasks that were asked.
    var targets: Set<String> { Set(packets.map(\.observed.outward.verdict.place.title)) }

    func expectAgreement(_ count: Int) {
        #expect(packets.count == count)
        for (index, packet) in packets.enumerated() {
            let drawing = ObservationRenderer().render(packet, number: index + 1, of: count)
            #expect(packet.comparison.agrees, "\(drawing)")
            #expect(packet.observed.isCertain, "\(drawing)")
        }
    }
}

func tracedPath(_ words: String...) async throws -> Traced {
    var command = Command([Machine.executable("causeway"), "trace"] + words + ["--format", "json"])
    command.limit = .seconds(60)
    let said = try await command.attempt()
    do {
        return try JSONDecoder().decode(Traced.self, from: Data(said.out.utf8))
    } catch { throw Context(error: error, notes: [said.command, said.all]) }
}
