import CausewayKernel
import CausewayTestKit

@testable import CausewayLinux

/// The namespaces that Swarm's sandboxes are tried in: one for the host, one for a network's bridge, one for its balancer.
struct SandboxBed {
    let host: TestNamespace
    let overlay: TestNamespace
    let balancer: TestNamespace

    init() async throws {
        host = try await TestNamespace("sandbox-host")
        overlay = try await TestNamespace("sandbox-overlay")
        balancer = try await TestNamespace("sandbox-lb")
    }

    var states: SandboxStates {
        get throws { try SandboxStates(balancer: balancer.name) }
    }

    func sandbox(_ place: TestNamespace, _ state: KernelState) -> LinuxKernel {
        LinuxKernel(
            namespace: place.namespace, scope: .sandbox, sysctls: state.sysctls.keys,
            wanted: LinuxKernel.Wanted(state), underlay: host.namespace)
    }

    func hostKernel(_ state: KernelState) -> LinuxKernel {
        LinuxKernel(namespace: host.namespace, scope: .host, wanted: LinuxKernel.Wanted(state))
    }

    /// The state as somebody might have changed it.
    func without(_ state: KernelState, _ change: (inout KernelState) -> Void) -> KernelState {
        var state = state
        change(&state)
        return state
    }
}
