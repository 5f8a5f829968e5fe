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
    func kernel(_ namespace: NamespaceReference) async throws(KernelError) -> any Kernel
    /// What the compiler has to know of the host.
    func facts() async throws(KernelError) -> NodeFacts
    /// Holds a port of the host, so that nobody else listens there. Holding it already is no error.
    func hold(_ port: PublishedPort) async throws(PortTaken)
    func release(_ port: PublishedPort) async
    /// Forgets the UDP flows that lead to an address, so that the next datagram chooses anew.
    func forgetDatagramFlows(to address: IPAddress) async throws(KernelError)
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

/// Answers tasks' questions for names, each with its own table.
package protocol NameServing: Sendable {
    /// Serves a task from now on, in its namespace; a task that is served already gets the new table.
    func serve(_ task: Swarm.ID, namespacePath: String, table: NameTable) async throws
    func stop(_ task: Swarm.ID) async
}
