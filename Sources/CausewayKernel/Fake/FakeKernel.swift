import CausewayModel

/// A namespace without a kernel, as strict as Linux: it refuses what Linux refuses, and forgets what Linux forgets.
///
/// For tests and for trying plans out. Namespaces that are joined by veth pairs are connected with
/// ``connect(_:to:)``: then the other end comes and goes there too.
package actor FakeKernel: Kernel {
    /// What this namespace holds, as it was given; an IPv6 route without a metric has 1024, as in Linux.
    package private(set) var state: KernelState
    /// Every step that was taken, in order.
    package private(set) var steps: [Plan.Step] = []
    private var peers: [String: FakeKernel] = [:]
    private var refusal: (@Sendable (Plan.Step) -> KernelError?)?

    package init(_ state: KernelState = KernelState()) {
        self.state = state
        self.state.routes = Swift.Set(state.routes.map(\.normalised))
    }

    /// Lets the other ends of veth pairs in `namespace` come and go in `kernel`.
    package func connect(_ namespace: String, to kernel: FakeKernel) {
        peers[namespace] = kernel
    }

    /// Refuses each step for which `refusal` returns an error, until it is set anew.
    package func refuse(_ refusal: (@Sendable (Plan.Step) -> KernelError?)?) {
        self.refusal = refusal
    }

    /// Changes the state behind everybody's back, as an operator's own commands do.
    package func meddle(_ change: @Sendable (inout KernelState) -> Void) {
        change(&state)
    }

    package func observe() async throws(KernelError) -> KernelState { state }

    package func take(_ step: Plan.Step) async throws(KernelError) {
        if let error = refusal?(step) { throw error }
        try StepCheck(state: state, step: step).check()
        switch step {
        case .linkAdd(let link):
            if case .veth(let peer, let namespace) = link.kind, let other = peers[namespace] {
                try await other.appear(peer, with: step)
            }
        case .linkDelete(let link):
            if case .veth(let peer, let namespace) = state.links[link.name]?.kind, let other = peers[namespace] {
                await other.disappear(peer)
            }
        default: break
        }
        state.apply(step)
        steps.append(step)
    }

    private func appear(_ name: String, with step: Plan.Step) throws(KernelError) {
        guard state.links[name] == nil else {
            throw KernelError(
                step: step.description, reason: .alreadyExists, errno: 17, detail: "\(name) is there in the namespace",
                advice: "delete the link that owns it first")
        }
        state.links[name] = Rtnl.Link(name: name, kind: .vethPeer, isUp: false)
    }

    private func disappear(_ name: String) { state.removeLink(name) }
}
