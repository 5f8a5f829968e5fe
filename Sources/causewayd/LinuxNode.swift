import CausewayAgent
import CausewayKernel
import CausewayLinux
import CausewayModel
import Logging
import Synchronization

/// The host this daemon runs on, as the agent needs it.
final class LinuxNode: Node {
    private let journal: SysctlJournal
    private let held = Mutex<[PublishedPort: PortReservation]>([:])
    private let wantedSysctls: [String]
    private let logger: Logger

    init(stateDirectory: String, logger: Logger) {
        journal = SysctlJournal(path: "\(stateDirectory)/sysctls.json")
        wantedSysctls = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]
        self.logger = logger
    }

    // MARK: namespaces

    func namespaces() async throws(KernelError) -> [String] {
        try NetworkNamespace.names().filter { $0.hasPrefix(Rtnl.linkPrefix) }.sorted()
    }

    func createNamespace(_ name: String) async throws(KernelError) {
        _ = try await NetworkNamespace.create(name: name)
    }

    func deleteNamespace(_ name: String) async throws(KernelError) {
        try NetworkNamespace.delete(name: name)
    }

    func path(ofNamespace name: String) -> String { NetworkNamespace(name: name).path }

    func kernel(_ namespace: NamespaceReference) async throws(KernelError) -> any Kernel {
        switch namespace {
        case .host:
            LinuxKernel(namespace: .host, scope: .host, sysctls: wantedSysctls + (try journal.names()))
        case .task(let name):
            LinuxKernel(namespace: NetworkNamespace(name: name), scope: .task, sysctls: TaskSysctls.names)
        }
    }

    // MARK: the host

    func facts() async -> NodeFacts { HostFacts.nodeFacts(logger: logger) }

    func hold(_ port: PublishedPort) async throws(PortTaken) {
        do throws(KernelError) {
            let reservation = try HostFacts.reservePort(port.protocol, port.port)
            held.withLock { $0[port] = reservation }
        } catch {
            throw PortTaken(port: port, holder: error.detail)
        }
    }

    func release(_ port: PublishedPort) async {
        held.withLock { $0.removeValue(forKey: port) }?.close()
    }

    func forgetDatagramFlows(to address: IPAddress) async throws(KernelError) {
        _ = try await Conntrack.deleteFlows(protocol: .udp, towards: address)
    }

    func recordSysctls(_ names: [String]) async throws(KernelError) { try journal.record(names) }

    func restoreSysctls() async throws(KernelError) { try journal.restore() }

    func changes() -> AsyncStream<Void> { KernelMonitor.changes(in: .host) }
}
