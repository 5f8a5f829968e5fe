import CausewayModel
import Testing

@Suite struct PreflightTests {
    @Test func `what is missing is told with its reason, what it disables and what to do`() {
        let preflight = Preflight([
            .init(name: "veth pairs", missing: nil, disables: "all", remedy: "", isEssential: true),
            .init(
                name: "VXLAN devices", missing: "unsupported (errno 95)", disables: "networks across several nodes",
                remedy: "load the module: modprobe vxlan", isEssential: false),
        ])

        #expect(
            preflight.text == """
                veth pairs     present
                VXLAN devices  MISSING: unsupported (errno 95)
                                 disables: networks across several nodes
                                 remedy: load the module: modprobe vxlan

                1 missing, 0 of them essential

                """)
        #expect(preflight.obstacles.isEmpty)
        #expect(preflight.shortcomings.map(\.name) == ["VXLAN devices"])
    }

    @Test func `of an engine that does not answer nothing else is said`() {
        let away = Preflight.engine([.unreachable("no Docker Engine answers at /run/docker.sock")])
        #expect(away.results.count == 1)
        #expect(away.obstacles.count == 1)

        let remapped = Preflight.engine([.usernsRemap, .inSwarm("active")])
        #expect(remapped.obstacles.map(\.name).count == 2)
        #expect(remapped.results.first?.isPresent == true)
        #expect(Preflight.engine([]).obstacles.isEmpty)
    }
}
