import CausewayKernel
import CausewayModel
import CausewayTestKit
import Testing

@testable import CausewayLinux

/// What of Swarm's sandboxes needs IPVS, on a kernel that has it.
@Suite(.enabled(if: VirtualMachine.isHere, "\(VirtualMachine.whyNot)"), .serialized)
struct VirtualMachineSandboxTests {
    let host: TestNamespace
    let overlay: TestNamespace
    let balancer: TestNamespace

    init() async throws {
        host = try await TestNamespace("sandbox-host")
        overlay = try await TestNamespace("sandbox-overlay")
        balancer = try await TestNamespace("sandbox-lb")
    }

    private func kernel(_ place: TestNamespace, _ state: KernelState) -> LinuxKernel {
        LinuxKernel(
            namespace: place.namespace, scope: .sandbox, sysctls: state.sysctls.keys,
            wanted: LinuxKernel.Wanted(state), underlay: host.namespace)
    }

    private func without(_ state: KernelState, _ change: (inout KernelState) -> Void) -> KernelState {
        var state = state
        change(&state)
        return state
    }

    @Test func `balancers are made, listed by ipvsadm, repaired and taken away`() async throws {
        let states = try SandboxStates(balancer: balancer.name)
        try await KernelContract.reaches(states.overlay, in: kernel(overlay, states.overlay))
        let desired = try states.balancer
        let sandbox = kernel(balancer, desired)

        try await KernelContract.reaches(desired, in: sandbox)

        #expect(
            try await balancer.run("ipvsadm", "-S", "-n").split(separator: "\n").map(String.init).sorted()
                == [
                    "-A -f 257 -s rr", "-A -f 260 -s rr", "-a -f 257 -r 10.0.0.5:0 -m -w 1",
                    "-a -f 257 -r 10.0.0.7:0 -m -w 1",
                ])
        try await KernelContract.repairs(
            desired,
            from: [
                without(desired) { $0.balancers = [] }, without(desired) { $0.balancers.removeLast() },
                without(desired) { $0.balancers[0].destinations.removeFirst() },
                without(desired) { $0.balancers[0].destinations[0].weight = 0 },
                without(desired) { $0.balancers[0].scheduler = "wrr" },
                without(desired) { $0.balancers[0].destinations[0].method = .route },
                without(desired) { $0.firewall.removeLast() },
                without(desired) { $0.sysctls["net.ipv4.vs.conntrack"] = "0" },
            ], in: sandbox)

        try await balancer.run("ipvsadm", "-d", "-f", "257", "-r", "10.0.0.5:0")
        #expect(
            Plan(from: try await sandbox.observe(.balancers), to: desired.only(.balancers)).description
                == "ipvsadm -a -f 257 -r 10.0.0.5:0 -m -w 1")
        try await balancer.run("ipvsadm", "-C")
        try await KernelContract.reaches(desired, in: sandbox)
        let bare = without(desired) { ($0.balancers, $0.firewall) = ([], []) }
        try await KernelContract.reaches(bare, in: sandbox)
        #expect(try await balancer.run("ipvsadm", "-S", "-n") == "")
    }

    @Test func `steps that are taken already are refused with their reason`() async throws {
        let states = try SandboxStates(balancer: balancer.name)
        let desired = try KernelState(balancers: states.balancer.balancers)
        let sandbox = kernel(balancer, desired)
        for step in Plan(from: KernelState(), to: desired).steps {
            try await sandbox.take(step)
            try await KernelContract.refusesTwice(step, in: sandbox)
        }
        let service = desired.balancers[0]
        let steps: [Plan.Step] = [
            .destinationDelete(service.key, service.destinations[0]), .balancerDelete(service.key),
        ]
        for step in steps {
            try await sandbox.take(step)
            try await KernelContract.refusesTwice(step, in: sandbox)
        }
        await #expect(throws: KernelError.self) {
            try await sandbox.take(.destinationSet(service.key, service.destinations[0]))
        }
    }

    @Test func `the preflight misses nothing for networks of Swarm's own data path`() async throws {
        let missing = await Preflight.missingForClassic()
        #expect(missing == nil)
    }
}
