import CausewayKernel
import CausewayModel

/// The live kernel of one network namespace.
///
/// What is observed equals what was desired: what we left to the kernel (a link's address or MTU given as `nil`) is
/// noted in the link's alias and not reported.
package struct LinuxKernel: Kernel {
    /// Which of a namespace's objects are ours.
    package enum Scope: Hashable, Sendable {
        /// The host's: links by prefix, routes by protocol, tables by name, the entry in iptables by its comment.
        case host
        /// A task's: lo and eth0 with what is on them, routes by protocol, tables by name.
        case task
        /// One in which nobody lives: all of its links, its balancers and its iptables.
        case sandbox
    }

    /// What has to be known of the desired state to tell what of a namespace is ours.
    package struct Wanted: Hashable, Sendable {
        /// Links that are ours although their names do not say so.
        package var links: Set<String>
        package var hasFirewall: Bool
        package var hasBalancers: Bool

        package init(_ state: KernelState = KernelState()) {
            links = Set(state.links.keys)
            hasFirewall = !state.firewall.isEmpty
            hasBalancers = !state.balancers.isEmpty
        }
    }

    package let namespace: NetworkNamespace
    package let scope: Scope
    /// The settings to observe: those of the desired state.
    package let sysctls: [String]
    /// What is known of its nftables from one look to the next; without one each look reads all of them.
    package let memory: NftMemory?
    /// Where the namespaces that links lead to have their names.
    package let directory: String
    package let wanted: Wanted
    /// Where the outer packets of Swarm's tunnels travel.
    package let underlay: NetworkNamespace

    package init(
        namespace: NetworkNamespace, scope: Scope, sysctls: some Sequence<String> = [], memory: NftMemory? = nil,
        directory: String = NetworkNamespace.directory, wanted: Wanted = Wanted(),
        underlay: NetworkNamespace = .host
    ) {
        self.namespace = namespace
        self.scope = scope
        self.sysctls = sysctls.sorted()
        self.memory = memory
        self.directory = directory
        self.wanted = wanted
        self.underlay = underlay
    }

    package func observe() async throws(KernelError) -> KernelState { try await observe(.all) }

    package func observe(_ parts: KernelParts) async throws(KernelError) -> KernelState {
        let (sysctls, kernel) = (sysctls, self)
        return try await namespace.performStep { () throws(KernelError) in
            try Observation(kernel).state(parts, sysctls: sysctls)
        }
    }

    package func take(_ step: Plan.Step) async throws(KernelError) {
        let (memory, directory, scope) = (memory, directory, scope)
        let socket = try await underlaySocket(for: step)
        try await namespace.performStep { () throws(KernelError) in
            if try NftStep(step: step, memory: memory).take() { return }
            if try BalancerStep(step: step).take() { return }
            let text = "\(step)"
            if case .firewallChange(let table, let old) = step {
                return try Firewall(isSandbox: scope == .sandbox).change(table, from: old, step: text)
            }
            let taker = StepTaker(text: text, directory: directory, isHost: scope == .host, underlay: socket)
            do throws(NetlinkError) {
                if try taker.takeOverRoute(step), step.kind != .link { return }
            } catch {
                throw error.kernelError(text, advice: step.advice(error.errno))
            }
            try taker.takeOtherwise(step)
        }
    }

    /// Absent for every step that has nothing to do with the underlay.
    private func underlaySocket(for step: Plan.Step) async throws(KernelError) -> NetlinkSocket? {
        guard case .linkAdd(let link) = step, case .overlayVxlan = link.kind else { return nil }
        return try await underlay.performStep { () throws(KernelError) in
            do throws(NetlinkError) { return try NetlinkSocket(.route) } catch {
                throw error.kernelError("ask the namespace of the underlay")
            }
        }
    }
}
