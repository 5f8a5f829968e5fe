import Foundation
import Testing

extension Acceptance.InLab {
    /// A card that spoils the checksums inside the tunnel: pings get through and TCP does not, until that is found out.
    @Suite(.serialized, .nodes(3)) struct BadNIC {
        static let bad = "n2"

        @Test func `a bad card is found and cured within 5 s, named, and the cure can be taken back`() async throws {
            try await lab.withNetwork("bn-net") {
                try await lab.withService(
                    "bn-web", options: ["--network", "bn-net", "--hostname", "{{.Node.Hostname}}"], replicas: 3
                ) { tasks in
                    let byNode = Dictionary(tasks.map { ($0.node, $0) }, uniquingKeysWith: { $1 })
                    let (here, there) = (try #require(byNode["n1"]), try #require(byNode[Self.bad]))
                    try await Self.settle(tasks)
                    #expect(try await Self.answered(from: here, by: there) == 20)

                    let relay = try await Underlay.putBadNIC(Self.bad)
                    do { try await Self.expectCured(here, there) } catch {
                        try await Underlay.removeBadNIC(Self.bad, relay)
                        throw error
                    }
                    try await Underlay.removeBadNIC(Self.bad, relay)
                    try await Self.expectTakenBack(here, there)
                }
            }
        }

        private static func settle(_ tasks: [LabCluster.Place]) async throws {
            for node in await lab.nodes {
                try await eventually("the checksums to be measured on \(node)") {
                    try await lab.peers(node).values.allSatisfy { $0.offload == true } ? true : nil
                }
                #expect(try await isOffloaded(node), "\(node)")
            }
        }

        private static func expectCured(_ here: LabCluster.Place, _ there: LabCluster.Place) async throws {
            // The way is another one for the daemon when the peer comes up on it.
            try await Underlay.cut(bad)
            try await Task.sleep(for: .seconds(2))
            try await Underlay.mend(bad)
            let up = ContinuousClock.now
            try await eventually("TCP through the tunnel again", within: .seconds(10)) {
                try await answered(from: here, by: there, 3) == 3 ? true : nil
            }
            let cured = ContinuousClock.now - up
            print("a bad card was cured after \(cured)")
            #expect(cured <= .seconds(5))
            for (node, peer) in [("n1", bad), (bad, "n1")] {
                try await eventually("\(node) to say why") {
                    let found = try await lab.peers(node)[peer]
                    return found?.offload == false && found?.note.contains("checksum") == true ? true : nil
                }
                #expect(try await isOffloaded(node) == false, "\(node)")
                // Only on our own device.
                #expect(try await features(node, "eth0") == true, "\(node): eth0 was changed")
                #expect(lab.lines(node).contains { $0.contains("tunnel to \(peer)") && $0.contains("checksum") })
            }
            #expect(try await answered(from: here, by: there) == 20)
            try await lab.plansBecomeEmpty()
        }

        /// A peer that was away may be there on another way: then it is tried whether the cure is still needed.
        private static func expectTakenBack(_ here: LabCluster.Place, _ there: LabCluster.Place) async throws {
            guard Machine.isFull else {
                #expect(try await answered(from: here, by: there) == 20)
                return
            }
            // Not sooner than a minute after the last trial.
            try await Task.sleep(for: .seconds(61))
            try await Underlay.cut(bad)
            try await Task.sleep(for: .seconds(2))
            try await Underlay.mend(bad)
            for node in await lab.nodes {
                try await eventually("\(node) to leave checksums to the hardware again", within: .seconds(15)) {
                    try await isOffloaded(node) ? true : nil
                }
            }
            #expect(try await answered(from: here, by: there) == 20)
        }

        // MARK: parts

        private static func answered(from here: LabCluster.Place, by there: LabCluster.Place, _ count: Int = 20) async throws -> Int {
            let address = try #require(try await lab.addresses(of: there).first { !$0.contains(":") })
            let load = Load(
                transport: .http, address: address, port: 80, count: count, atOnce: 1, timeout: .milliseconds(700))
            return try await load.run(at: here.network).answered
        }

        private static func isOffloaded(_ node: String) async throws -> Bool { try await features(node, "cw-vxlan") }

        /// Whether a link leaves the checksums of what it sends to others.
        private static func features(_ node: String, _ link: String) async throws -> Bool {
            let program = "/run/causeway-test-offload"
            if !FileManager.default.fileExists(atPath: program) {
                let source = Machine.root.appending(path: "Tests/Support/offload.c").path
                try await shell("cc", "-O2", "-Wall", "-Werror", "-o", program, source)
            }
            return try await Command(lab.place(node).wrap([program, link])).run().trimmed == "on"
        }
    }
}
