import CausewayKernel
import CausewayTestKit
import Testing

/// The fake is held to the contract that the live kernel keeps, with the same states.
@Suite struct `Fake kernel` {
    private let states = ContractStates(taskNamespace: "fake-task")
    private let host = FakeKernel()
    private let task = FakeKernel(KernelState(links: ["lo": Rtnl.Link(name: "lo", kind: .loopback, isUp: false)]))

    @Test func `what is desired is observed after the plan, and a second plan is empty`() async throws {
        await host.connect("fake-task", to: task)

        try await KernelContract.reaches(try states.host, in: host)
        try await KernelContract.reaches(try states.task, in: task)
    }

    @Test func `steps that are taken already are refused with their reason`() async throws {
        await host.connect("fake-task", to: task)
        try await KernelContract.reaches(try states.host, in: host)

        for step in Plan(from: KernelState(), to: try states.host).steps {
            switch step {
            case .tableReplace, .sysctlSet, .linkSet: continue
            default: try await KernelContract.refusesTwice(step, in: host)
            }
        }
    }
}
