import CausewayKernel
import CausewayModel
import CausewayTestKit
import Testing

@testable import CausewayLinux

/// Swarm's sandboxes on the live kernel, as far as they need no IPVS.
@Suite(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"))
struct `Sandboxes` {
    let host: TestNamespace
    let overlay: TestNamespace
    let balancer: TestNamespace

    init() async throws {
        host = try await TestNamespace("sandbox-host")
        overlay = try await TestNamespace("sandbox-overlay")
        balancer = try await TestNamespace("sandbox-lb")
    }

    private var states: SandboxStates {
        get throws { try SandboxStates(balancer: balancer.name) }
    }

    private func sandbox(_ place: TestNamespace, _ state: KernelState) -> LinuxKernel {
        LinuxKernel(
            namespace: place.namespace, scope: .sandbox, sysctls: state.sysctls.keys,
            wanted: LinuxKernel.Wanted(state), underlay: host.namespace)
    }

    private func hostKernel(_ state: KernelState) -> LinuxKernel {
        LinuxKernel(namespace: host.namespace, scope: .host, wanted: LinuxKernel.Wanted(state))
    }

    private func without(_ state: KernelState, _ change: (inout KernelState) -> Void) -> KernelState {
        var state = state
        change(&state)
        return state
    }

    @Test func `an overlay's namespace is made, repaired, and its tunnel sends from the host`() async throws {
        let desired = try states.overlay
        let kernel = sandbox(overlay, desired)

        try await KernelContract.reaches(desired, in: kernel)

        let shown = try await overlay.run("ip", "-d", "link", "show", "vxlan0")
        for word in ["link-netns", "proxy", "nolearning", "l2miss", "l3miss", "local 192.0.2.1", "master br0"] {
            #expect(shown.contains(word), "no '\(word)' in \(shown)")
        }
        // The socket is where the outer packets travel.
        try await host.run("ip", "link", "set", "lo", "up")
        #expect(try await host.run("ss", "-Hlun").contains(":4789"))
        #expect(try await !overlay.run("ss", "-Hlun").contains(":4789"))
        try await KernelContract.repairs(
            desired,
            from: [
                without(desired) { $0.forwarding.removeFirst() }, without(desired) { $0.neighbors = [] },
                without(desired) { $0.links["veth0"]?.master = nil },
                without(desired) { state in
                    state.links["vxlan0"] = nil
                    (state.forwarding, state.neighbors) = ([], [])
                },
                without(desired) { $0.links["veth0"] = nil }, KernelState(),
            ], in: kernel)
        try await overlay.run("bridge", "fdb", "del", "02:42:0a:00:00:07", "dev", "vxlan0", "self")
        #expect(
            Plan(from: try await kernel.observe(), to: desired).description
                == "fdb add 02:42:0a:00:00:07 dev vxlan0 dst 192.0.2.2 self permanent")
    }

    @Test func `a sandbox's iptables are made, repaired and taken away`() async throws {
        try await KernelContract.reaches(try states.overlay, in: sandbox(overlay, try states.overlay))
        let desired = try states.withoutBalancers
        let kernel = sandbox(balancer, desired)

        try await KernelContract.reaches(desired, in: kernel)
        try await KernelContract.repairs(
            desired,
            from: [
                without(desired) { $0.firewall = [] }, without(desired) { $0.firewall[0].chains[0].rules.removeLast() },
                without(desired) { $0.firewall[0].chains[0].rules.reverse() },
            ], in: kernel)

        try await balancer.run("iptables", "-t", "mangle", "-A", "INPUT", "-j", "DROP")
        #expect(
            Plan(from: try await kernel.observe(), to: desired).description.contains(
                "iptables -t mangle -D INPUT -j DROP"))
        try await KernelContract.reaches(desired, in: kernel)
        try await KernelContract.reaches(without(desired) { $0.firewall = [] }, in: kernel)
        #expect(try await !balancer.run("iptables-save").contains("-A "))
    }

    @Test func `on the host only what is Swarm's is touched, and the operator's own chain stays first`() async throws {
        let others = [
            "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER", "-A FORWARD -i docker0 -j ACCEPT",
            "-A INPUT -i lo -j ACCEPT",
        ]
        for rule in others { try await host.shell("iptables \(rule)") }
        let before = try await rules()
        let desired = try states.host

        try await KernelContract.reaches(desired, in: hostKernel(desired))

        let forward = try await rules().filter { $0.hasPrefix("-A FORWARD") }
        #expect(forward.first == "-A FORWARD -j DOCKER-USER")
        #expect(forward.dropFirst().first == "-A FORWARD -j DOCKER-INGRESS")
        #expect(forward.last == "-A FORWARD -i docker0 -j ACCEPT")

        // Others put theirs before ours; what is ours keeps its order all the same.
        try await host.run("iptables", "-I", "FORWARD", "-i", "other", "-j", "ACCEPT")
        try await host.run(
            "iptables", "-D", "FORWARD", "-i", "docker_gwbridge", "!", "-o", "docker_gwbridge", "-j", "ACCEPT")
        try await KernelContract.reaches(desired, in: hostKernel(desired))
        try await host.run("iptables", "-D", "FORWARD", "-i", "other", "-j", "ACCEPT")

        try await KernelContract.reaches(KernelState(), in: hostKernel(desired))
        #expect(try await rules() == before)
        #expect(try await !host.run("ip", "link").contains("docker_gwbridge"))
    }

    @Test func `a gateway bridge of somebody else's is used and left; ours is known again after a crash`() async throws
    {
        let desired = try states.host
        try await host.run("ip", "link", "add", "docker_gwbridge", "type", "bridge")

        try await KernelContract.reaches(desired, in: hostKernel(desired))
        for step in Plan(from: desired, to: KernelState()).steps { try await hostKernel(desired).take(step) }
        #expect(try await host.run("ip", "link").contains("docker_gwbridge"))
        #expect(try await hostKernel(KernelState()).observe() == KernelState())

        try await host.run("ip", "link", "delete", "docker_gwbridge")
        try await KernelContract.reaches(desired, in: hostKernel(desired))
        // Nothing is desired any more, and nobody remembers that it was.
        try await KernelContract.reaches(KernelState(), in: hostKernel(KernelState()))
        #expect(try await !host.run("ip", "link").contains("docker_gwbridge"))
        #expect(try await !rules().contains { $0.contains("DOCKER-INGRESS") })
    }

    private func rules() async throws -> [String] {
        try await host.run("iptables-save").split(separator: "\n").map(String.init).filter { $0.hasPrefix("-A") }
    }
}
