import CausewayKernel
import CausewayModel

/// What the agent needs of the host beyond one namespace's kernel.
///
/// The live one is in `CausewayLinux`'s terms; tests bring their own.
package protocol Node: Sendable {
    /// The namespaces that are ours, by name; sorted.
    func namespaces() async throws(KernelError) -> [String]
    func createNamespace(_ name: String) async throws(KernelError)
    func deleteNamespace(_ name: String) async throws(KernelError)
    /// Where a namespace can be entered: a path for setns(2).
    func path(ofNamespace name: String) -> String
    /// The kernel of one of our namespaces, or of the host's own.
    ///
    /// What is desired of it says what of it is ours, where names and marks alone do not.
    func kernel(_ namespace: NamespaceReference, for desired: KernelState) async throws(KernelError) -> any Kernel
    /// The TCP ports on which somebody listens in one of our namespaces.
    func listeners(in namespace: String) async throws(KernelError) -> Set<UInt16>
    /// What the compiler has to know of the host.
    func facts() async throws(KernelError) -> NodeFacts
    /// Forgets the UDP flows that lead to any of some addresses, so that the next datagram chooses anew.
    func forgetDatagramFlows(to addresses: Set<IPAddress>) async throws(KernelError)
    /// Writes down what a sysctl of the host was before we first set it.
    func recordSysctls(_ names: [String]) async throws(KernelError)
    /// Puts back what was written down.
    func restoreSysctls() async throws(KernelError)
    /// Whether anything was written down that has not been put back: then something here is, or was, ours.
    func hasLeftovers() async throws(KernelError) -> Bool
    /// Where somebody may have changed something of ours, from now on; what we change ourselves need not be among it.
    func changes() async throws(KernelError) -> AsyncStream<NodeChange>
    /// Where somebody has changed something of which the kernel tells nobody: sysctls, names of namespaces, iptables of
    /// the old kind.
    ///
    /// Asked every second, so it has to be cheap.
    func quietChanges(_ desired: DesiredNode) async -> [NodeChange]
}

extension Node {
    /// For what is ours by its name.
    package func kernel(_ namespace: NamespaceReference) async throws(KernelError) -> any Kernel {
        try await kernel(namespace, for: KernelState())
    }
}

package enum NamespaceReference: Hashable, Sendable, CustomStringConvertible {
    case host
    case task(String)

    /// `host`, or the name that ip-netns(8) lists.
    package var description: String {
        switch self {
        case .host: "host"
        case .task(let name): name
        }
    }
}

/// Where to look, because somebody may have changed something.
package struct NodeChange: Hashable, Sendable {
    /// Absent when it is not known: then in every namespace.
    package var place: NamespaceReference?
    package var parts: KernelParts

    package init(_ place: NamespaceReference?, _ parts: KernelParts) {
        self.place = place
        self.parts = parts
    }
}

/// A port of the host that is somebody else's.
package struct PortTaken: Error, Hashable, Sendable, CustomStringConvertible {
    package var port: PublishedPort
    /// Who holds it, if that can be told: `sshd (pid 812)`.
    package var holder: String

    package init(port: PublishedPort, holder: String) {
        self.port = port
        self.holder = holder
    }

    package var description: String {
        "cannot publish \(port.protocol.rawValue) port \(port.port) for service \(port.service): "
            + "\(holder.isEmpty ? "another process" : holder) listens there; stop it, or publish another port"
    }
}

/// The sockets of a node that outlive the agent: resolvers of tasks, and published ports.
package struct KeptSockets: Hashable, Sendable {
    package struct Resolver: Hashable, Sendable {
        /// Where the task's namespace can be entered: a path for setns(2).
        package var namespacePath: String
        package var table: NameTable

        package init(namespacePath: String, table: NameTable) {
            self.namespacePath = namespacePath
            self.table = table
        }
    }

    package var resolvers: [Swarm.ID: Resolver] = [:]
    package var ports: Set<PublishedPort> = []

    package init() {}
}

/// What of the wanted sockets could not be had; the rest is there.
package struct UnkeptSockets: Hashable, Sendable {
    package var ports: Set<PortTaken> = []
    /// Why a task has no resolver.
    package var resolvers: [Swarm.ID: String] = [:]

    package init() {}
}

/// Keeps sockets for the agent, in a process of its own or in this one.
package protocol SocketKeeping: Sendable {
    /// Makes exactly this what is kept; what is kept already stays open, without a gap.
    ///
    /// What could not be had is tried again the next time that this is asked.
    func keep(_ wanted: KeptSockets) async throws -> UnkeptSockets
}
