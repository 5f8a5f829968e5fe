import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

/// The pictures of a real Swarm's paths.
@Suite struct RecordedSwarmPictureTests {
    private func traces() throws -> [Trace] {
        let inventories = try RecordedSwarm().inventories()
        return [
            try RecordedSwarm.ask(inventories, "web:8080", from: "client", at: "hosta", choice: 3),
            try RecordedSwarm.ask(inventories, "web:8080", at: "hosta", choice: 2),
            try RecordedSwarm.ask(inventories, "api", from: "probe-hosta", choice: 1),
            try RecordedSwarm.ask(inventories, "rr", from: "probe-hosta", choice: 1),
            try RecordedSwarm.ask(inventories, "hostpub:8082", from: "client", at: "hosta"),
            try RecordedSwarm.ask(inventories, "192.168.77.200:443", from: "web.2"),
        ]
    }

    @Test func `a long way is broken into rows, and no two texts overlap`() throws {
        for (number, trace) in try traces().enumerated() {
            let picture = SVGRenderer().render(trace)
            let boxes = RenderTests.texts(picture)
            let width = try #require(picture.firstMatch(of: /<svg [^>]*width="([0-9.]+)"/).flatMap { Double($0.1) })
            #expect(width < 1_900)
            #expect(boxes.allSatisfy { $0.left >= 0 && $0.right <= width + 12 })
            for (at, one) in boxes.enumerated() {
                for other in boxes[(at + 1)...] where one.overlaps(other) {
                    Issue.record("picture \(number): '\(one.text)' and '\(other.text)' overlap")
                }
            }
        }
    }

    @Test func `every rule that acted, every device and every candidate is in the picture`() throws {
        for trace in try traces() {
            let picture = SVGRenderer().render(trace)
            for hop in trace.legs.flatMap(\.hops) {
                let isThing = [.deviceIn, .deviceOut, .cross, .bridge].contains(hop.stage.kind)
                if isThing { #expect(picture.contains(">\(hop.stage.name)<")) }
                for candidate in hop.candidates where hop.stage.kind == .balancer {
                    #expect(picture.contains("\(candidate.owner ?? candidate.target) \(candidate.share)"))
                }
            }
        }
    }

    @Test func `what ordinary tools do not list is counted`() throws {
        let counts = try traces()[0].counts
        #expect(
            counts.description
                == "3 hosts, 7 namespaces (4 of them no ordinary tool lists), 5 IP stacks, 3 bridges, 4 NAT tables, "
                + "1 mangle table, 3 filter tables, 1 balancer, 2 tunnels")
    }

    @Test func `the terminal's drawing fits a hundred columns, and can do with ASCII`() throws {
        for trace in try traces() {
            #expect(trace.description.split(separator: "\n").allSatisfy { $0.count <= 100 })
            #expect(TextRenderer(isASCII: true).render(trace).allSatisfy { $0.isASCII })
        }
    }
}
