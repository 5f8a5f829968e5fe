import CausewayAgent
import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayRuntime
import Logging
import Synchronization

/// The host this daemon runs on, as the agent needs it.
final class LinuxNode: Node {
    private let journal: SysctlJournal
    private let held = Mutex<[PublishedPort: PortReservation]>([:])
    /// Once we have told such a link to listen although the host forwards, it does not look like one any more.
    private let advertisementLinks = Mutex<Set<String>>([])
    private let places: PlaceFiles
    /// What is known of the host's nftables.
    private let nftables = NftMemory()
    private let logger: Logger

    init(stateDirectory: String, places: PlaceFiles, logger: Logger) {
        self.places = places
        journal = SysctlJournal(path: "\(stateDirectory)/sysctls.json")
        self.logger = logger
    }

    // MARK: namespaces

    func namespaces() async throws(KernelError) -> [String] {
        try NetworkNamespace.names().filter { $0.hasPrefix(Rtnl.linkPrefix) }.sorted()
    }

    func createNamespace(_ name: String) async throws(KernelError) {
        // Nobody may enter it before it is complete again.
        do { try places.unmarkReady(name) } catch {
            throw KernelError(step: "netns add \(name)", reason: .other, detail: "\(error)")
        }
        let namespace = try await NetworkNamespace.create(name: name)
        // Before its link is there: what a link starts with it takes from `default`, and keeps.
        try await namespace.performStep { () throws(KernelError) in
            for (name, value) in TaskSysctls.defaults.sorted(by: { $0.key < $1.key }) { try Sysctl.write(name, value) }
        }
    }

    func deleteNamespace(_ name: String) async throws(KernelError) {
        try NetworkNamespace.delete(name: name)
    }

    func path(ofNamespace name: String) -> String { NetworkNamespace(name: name).path }

    func kernel(_ namespace: NamespaceReference) async throws(KernelError) -> any Kernel {
        switch namespace {
        case .host:
            LinuxKernel(namespace: .host, scope: .host, sysctls: try journal.names(), memory: nftables)
        case .task(let name):
            LinuxKernel(namespace: NetworkNamespace(name: name), scope: .task, sysctls: TaskSysctls.values.keys)
        }
    }

    // MARK: the host

    func facts() async throws(KernelError) -> NodeFacts {
        let host = try await HostFacts.read()
        let links = advertisementLinks.withLock { known in
            known.formUnion(host.routerAdvertisementLinks)
            return known.sorted()
        }
        return NodeFacts(
            mtu: host.mtu, routerAdvertisementLinks: links, nameServers: host.nameServers,
            searchDomains: host.searchDomains)
    }

    func hold(_ port: PublishedPort) async throws(PortTaken) {
        do throws(KernelError) {
            let reservation = try await PortReservation.reserve(port.protocol, port: port.port)
            held.withLock { $0[port] = reservation }
        } catch {
            throw PortTaken(port: port, holder: error.detail)
        }
    }

    func release(_ port: PublishedPort) async {
        _ = held.withLock { $0.removeValue(forKey: port) }
    }

    func forgetDatagramFlows(to address: IPAddress) async throws(KernelError) {
        try await Conntrack().deleteFlows(protocol: .udp, towards: address)
    }

    func recordSysctls(_ names: [String]) async throws(KernelError) { try journal.record(names) }

    func restoreSysctls() async throws(KernelError) { try journal.restore() }

    func changes() async throws(KernelError) -> AsyncStream<Void> { try await KernelMonitor.wakeups(.host) }
}
