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

        func owns(link name: String) -> Bool {
            switch self {
            case .host: name.hasPrefix(Rtnl.linkPrefix)
            case .task: name == "lo" || name == "eth0"
            }
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

    package init(
        namespace: NetworkNamespace, scope: Scope, sysctls: some Sequence<String> = [], memory: NftMemory? = nil,
        directory: String = NetworkNamespace.directory
    ) {
        self.namespace = namespace
        self.scope = scope
        self.sysctls = sysctls.sorted()
        self.memory = memory
        self.directory = directory
    }

    package func observe() async throws(KernelError) -> KernelState { try await observe(.all) }

    package func observe(_ parts: KernelParts) async throws(KernelError) -> KernelState {
        let (scope, sysctls, path, memory, directory) = (scope, sysctls, namespace.path, memory, directory)
        return try await namespace.performStep { () throws(KernelError) in
            try Observation(scope: scope, namespace: path, memory: memory, directory: directory)
                .state(parts, sysctls: sysctls)
        }
    }

    package func take(_ step: Plan.Step) async throws(KernelError) {
        let (memory, directory) = (memory, directory)
        try await namespace.performStep { () throws(KernelError) in
            if try NftStep(step: step, memory: memory).take() { return }
            let text = "\(step)"
            do throws(NetlinkError) {
                if try StepTaker(text: text, directory: directory).takeOverRoute(step), step.kind != .link {
                    return
                }
            } catch {
                throw error.kernelError(text, advice: step.advice(error.errno))
            }
            try StepTaker(text: text, directory: directory).takeOtherwise(step)
        }
    }
}
