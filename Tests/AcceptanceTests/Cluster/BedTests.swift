import Foundation
import Testing

extension Acceptance.InLab {
    /// The bed of all the others.
    @Suite(.serialized, .nodes(3)) struct Bed {
        @Test func `every node is ready, and each answers on a published port`() async throws {
            let nodes = try await lab.manager("node", "ls", "--format", "{{.Hostname}} {{.Status}}").lines.sorted()
            #expect(nodes == ["n1 Ready", "n2 Ready", "n3 Ready"])

            let (options, command) = LabCluster.web()
            try await lab.withService(
                "bed-web", options: options + ["--publish", "8080:80"], command: command, replicas: 3
            ) { places in
                #expect(Set(places.map(\.node)) == ["n1", "n2", "n3"])
                let load = Steady(addresses: await lab.addresses([4, 6]), new: 60, long: 6)
                let result = try await load.during(at: lab.place("client")) {
                    try await Task.sleep(for: .seconds(2))
                }
                #expect(result.new.failures == 0 && result.new.answered > 60, "\(result)")
                #expect(result.long.failures == 0, "\(result)")
                #expect(Set(result.replicas.keys) == Set(places.map(\.name)), "\(result)")
            }
        }
    }
}
