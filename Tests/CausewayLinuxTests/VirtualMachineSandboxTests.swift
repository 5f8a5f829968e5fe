import CausewayKernel
import CausewayModel
import CausewayTestKit
import Testing

@testable import CausewayLinux

/// What of Swarm's sandboxes needs IPVS, on a kernel that has it.
@Suite(.enabled(if: VirtualMachine.isHere, "\(VirtualMachine.whyNot)"), .serialized)
struct VirtualMachineSandboxTests {
    let bed: SandboxBed

    init() async throws { bed = try await SandboxBed() }

    @Test func `balancers are made, listed by ipvsadm, repaired and taken away`() async throws {
        let states = try bed.states
        try await KernelContract.reaches(states.overlay, in: bed.sandbox(bed.overlay, states.overlay))
        let desired = try states.balancer
        let sandbox = bed.sandbox(bed.balancer, desired)

        try await KernelContract.reaches(desired, in: sandbox)

        #expect(
            try await bed.balancer.run("ipvsadm", "-S", "-n").split(separator: "\n").map(String.init).sorted()
                == [
                    "-A -f 257 -s rr", "-A -f 260 -s rr", "-a -f 257 -r 10.0.0.5:0 -m -w 1",
                    "-a -f 257 -r 10.0.0.7:0 -m -w 1",
                ])
        try await KernelContract.repairs(
            desired,
            from: [
                bed.without(desired) { $0.balancers = [] }, bed.without(desired) { $0.balancers.removeLast() },
                bed.without(desired) { $0.balancers[0].destinations.removeFirst() },
                bed.without(desired) { $0.balancers[0].destinations[0].weight = 0 },
                bed.without(desired) { $0.balancers[0].scheduler = "wrr" },
                bed.without(desired) { $0.balancers[0].destinations[0].method = .route },
                bed.without(desired) { $0.firewall.removeLast() },
                bed.without(desired) { $0.sysctls["net.ipv4.vs.conntrack"] = "0" },
            ], in: sandbox)

        try await bed.balancer.run("ipvsadm", "-d", "-f", "257", "-r", "10.0.0.5:0")
        #expect(
            Plan(from: try await sandbox.observe(.balancers), to: desired.only(.balancers)).description
                == "ipvsadm -a -f 257 -r 10.0.0.5:0 -m -w 1")
        try await bed.balancer.run("ipvsadm", "-C")
        try await KernelContract.reaches(desired, in: sandbox)
        let bare = bed.without(desired) { ($0.balancers, $0.firewall) = ([], []) }
        try await KernelContract.reaches(bare, in: sandbox)
        #expect(try await bed.balancer.run("ipvsadm", "-S", "-n") == "")
    }

    @Test func `steps that are taken already are refused with their reason`() async throws {
        let states = try bed.states
        let desired = try KernelState(balancers: states.balancer.balancers)
        let sandbox = bed.sandbox(bed.balancer, desired)
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
