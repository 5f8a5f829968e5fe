import Foundation
import Testing

extension Acceptance.OnCluster {
    /// The daemon is killed at any moment: what runs goes on, and the daemon finds everything again.
    @Suite(.serialized) struct Death {
        static let deaths = Machine.isFull ? 20 : 4

        @Test func `no request fails while the daemon dies and comes back, in the middle of updates too`() async throws
        {
            var chance = SeededGenerator(seed: Machine.seed)
            try await withNetwork("de-net") {
                try await Traffic.withWeb("de-web", "--network", "de-net", "--update-order", "start-first") { _ in
                    try await withService("de-ask", "--network", "de-net", Images.test, "sleep", "1000") { _ in
                        let load = ConstantLoad([
                            .init(place: .outside, address: Machine.address, port: 8080),
                            .init(
                                place: .namespace(try await taskNamespace("de-ask.1")),
                                address: try await virtualAddress("de-web"), port: 80),
                        ])
                        do {
                            for death in 1...Self.deaths { try await Self.die(inUpdate: death % 2 == 0, &chance) }
                        } catch {
                            _ = try await load.stop()
                            throw error
                        }
                        let total = try await load.stop()
                        print("seed \(Machine.seed): \(Self.deaths) deaths, \(total)")
                        #expect(total.answered == total.requested, "seed \(Machine.seed): \(total)")
                    }
                }
            }
        }

        private static func die(inUpdate: Bool, _ chance: inout SeededGenerator) async throws {
            if inUpdate {
                let count = Int.random(in: 2...5, using: &chance)
                try await docker("service", "scale", "--detach", "de-web=\(count)")
            }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...1500, using: &chance)))
            try await Cluster.shared.stopDaemon(SIGKILL)
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...1000, using: &chance)))
            try await Cluster.shared.startDaemon()
            try await planBecomesEmpty(within: .seconds(20))
        }
    }
}
