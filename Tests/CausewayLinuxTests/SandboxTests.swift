import CausewayKernel
import CausewayModel
import CausewayTestKit
import Testing

@testable import CausewayLinux

/// Swarm's sandboxes on the live kernel, as far as they need no IPVS.
@Suite(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"))
struct `Sandboxes` {
    let bed: SandboxBed

    init() async throws { bed = try await SandboxBed() }

    @Test func `an overlay's namespace is made, repaired, and its tunnel sends from the host`() async throws {
        let desired = try bed.states.overlay
        let kernel = bed.sandbox(bed.overlay, desired)

        try await KernelContract.reaches(desired, in: kernel)

        let shown = try await bed.overlay.run("ip", "-d", "link", "show", "vxlan0")
        for word in ["link-netns", "proxy", "nolearning", "l2miss", "l3miss", "local 192.0.2.1", "master br0"] {
            #expect(shown.contains(word), "no '\(word)' in \(shown)")
        }
        // The socket is where the outer packets travel.
        try await bed.host.run("ip", "link", "set", "lo", "up")
        #expect(try await bed.host.run("ss", "-Hlun").contains(":4789"))
        #expect(try await !bed.overlay.run("ss", "-Hlun").contains(":4789"))
        try await KernelContract.repairs(
            desired,
            from: [
                bed.without(desired) { $0.forwarding.removeFirst() }, bed.without(desired) { $0.neighbors = [] },
                bed.without(desired) { $0.links["veth0"]?.master = nil },
                bed.without(desired) { state in
                    state.links["vxlan0"] = nil
                    (state.forwarding, state.neighbors) = ([], [])
                },
                bed.without(desired) { $0.links["veth0"] = nil }, KernelState(),
            ], in: kernel)
        try await bed.overlay.run("bridge", "fdb", "del", "02:42:0a:00:00:07", "dev", "vxlan0", "self")
        #expect(
            Plan(from: try await kernel.observe(), to: desired).description
                == "fdb add 02:42:0a:00:00:07 dev vxlan0 dst 192.0.2.2 self permanent")
    }

    @Test func `a sandbox's iptables are made, repaired and taken away`() async throws {
        try await KernelContract.reaches(try bed.states.overlay, in: bed.sandbox(bed.overlay, try bed.states.overlay))
        let desired = try bed.states.withoutBalancers
        let kernel = bed.sandbox(bed.balancer, desired)

        try await KernelContract.reaches(desired, in: kernel)
        try await KernelContract.repairs(
            desired,
            from: [
                bed.without(desired) { $0.firewall = [] },
                bed.without(desired) { $0.firewall[0].chains[0].rules.removeLast() },
                bed.without(desired) { $0.firewall[0].chains[0].rules.reverse() },
            ], in: kernel)

        try await bed.balancer.run("iptables", "-t", "mangle", "-A", "INPUT", "-j", "DROP")
        #expect(
            Plan(from: try await kernel.observe(), to: desired).description.contains(
                "iptables -t mangle -D INPUT -j DROP"))
        try await KernelContract.reaches(desired, in: kernel)
        try await KernelContract.reaches(bed.without(desired) { $0.firewall = [] }, in: kernel)
        #expect(try await !bed.balancer.run("iptables-save").contains("-A "))
    }

    @Test func `on the host only what is Swarm's is touched, and the operator's own chain stays first`() async throws {
        let others = [
            "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER", "-A FORWARD -i docker0 -j ACCEPT",
            "-A INPUT -i lo -j ACCEPT",
        ]
        for rule in others { try await bed.host.shell("iptables \(rule)") }
        let before = try await rules()
        let desired = try bed.states.host

        try await KernelContract.reaches(desired, in: bed.hostKernel(desired))

        let forward = try await rules().filter { $0.hasPrefix("-A FORWARD") }
        #expect(forward.first == "-A FORWARD -j DOCKER-USER")
        #expect(forward.dropFirst().first == "-A FORWARD -j DOCKER-INGRESS")
        #expect(forward.last == "-A FORWARD -i docker0 -j ACCEPT")

        // Others put theirs before ours; what is ours keeps its order all the same.
        try await bed.host.run("iptables", "-I", "FORWARD", "-i", "other", "-j", "ACCEPT")
        try await bed.host.run(
            "iptables", "-D", "FORWARD", "-i", "docker_gwbridge", "!", "-o", "docker_gwbridge", "-j", "ACCEPT")
        try await KernelContract.reaches(desired, in: bed.hostKernel(desired))
        try await bed.host.run("iptables", "-D", "FORWARD", "-i", "other", "-j", "ACCEPT")

        try await KernelContract.reaches(KernelState(), in: bed.hostKernel(desired))
        #expect(try await rules() == before)
        #expect(try await !bed.host.run("ip", "link").contains("docker_gwbridge"))
    }

    @Test func `a gateway bridge of somebody else's is used and left; ours is known again after a crash`() async throws
    {
        let desired = try bed.states.host
        try await bed.host.run("ip", "link", "add", "docker_gwbridge", "type", "bridge")

        try await KernelContract.reaches(desired, in: bed.hostKernel(desired))
        for step in Plan(from: desired, to: KernelState()).steps { try await bed.hostKernel(desired).take(step) }
        #expect(try await bed.host.run("ip", "link").contains("docker_gwbridge"))
        #expect(try await bed.hostKernel(KernelState()).observe() == KernelState())

        try await bed.host.run("ip", "link", "delete", "docker_gwbridge")
        try await KernelContract.reaches(desired, in: bed.hostKernel(desired))
        // Nothing is desired any more, and nobody remembers that it was.
        try await KernelContract.reaches(KernelState(), in: bed.hostKernel(KernelState()))
        #expect(try await !bed.host.run("ip", "link").contains("docker_gwbridge"))
        #expect(try await !rules().contains { $0.contains("DOCKER-INGRESS") })
    }

    private func rules() async throws -> [String] {
        try await bed.host.run("iptables-save").split(separator: "\n").map(String.init).filter { $0.hasPrefix("-A") }
    }
}
