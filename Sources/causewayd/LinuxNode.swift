import CausewayAgent
import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayRuntime
import Glibc
import Logging
import Synchronization

/// The host this daemon runs on, as the agent needs it.
final class LinuxNode: Node {
    private let journal: SysctlJournal
    /// Once we have told such a link to listen although the host forwards, it does not look like one any more.
    private let advertisementLinks = Mutex<Set<String>>([])
    private let places: PlaceFiles
    /// Where the tasks' namespaces have their names.
    private let directory: String
    /// The namespaces behind the names, by their numbers in nsfs.
    private let inodes = Mutex<[String: UInt64]>([:])
    /// Before the first look of this process a namespace that has no name may be one of an earlier process.
    private let isSettled = Atomic<Bool>(false)
    private let monitor = Mutex<KernelMonitor?>(nil)
    private let sysctls = SysctlWatch()
    /// What is known of the host's nftables.
    private let nftables = NftMemory()
    private let logger: Logger

    init(stateDirectory: String, namespaceDirectory: String, places: PlaceFiles, logger: Logger) {
        self.places = places
        directory = namespaceDirectory
        journal = SysctlJournal(path: "\(stateDirectory)/sysctls.json")
        self.logger = logger
    }

    // MARK: namespaces

    func namespaces() async throws(KernelError) -> [String] {
        try NetworkNamespace.names(in: directory).filter { $0.hasPrefix(Rtnl.linkPrefix) }.sorted()
    }

    /// One whose processes live on although its name is gone gets its name back.
    func createNamespace(_ name: String) async throws(KernelError) {
        // Nobody may enter it before it is complete again.
        do { try places.unmarkReady(name) } catch {
            throw KernelError(step: "netns add \(name)", reason: .other, detail: "\(error)")
        }
        let known = inodes.withLock { $0[name] }
        if known != nil || !isSettled.load(ordering: .relaxed),
            try await NetworkNamespace.adopt(name: name, inode: known, in: directory)
        {
            logger.warning("gave a namespace its name back", metadata: ["namespace": "\(name)"])
            return try await watch(name)
        }
        let namespace = try await NetworkNamespace.create(name: name, in: directory)
        try await watch(name)
        // Before its link is there: what a link starts with it takes from `default`, and keeps.
        try await namespace.performStep { () throws(KernelError) in
            for (name, value) in TaskSysctls.defaults.sorted(by: { $0.key < $1.key }) { try Sysctl.write(name, value) }
        }
    }

    func deleteNamespace(_ name: String) async throws(KernelError) {
        forget(name)
        try NetworkNamespace.delete(name: name, in: directory)
    }

    func path(ofNamespace name: String) -> String { namespace(name).path }

    private func namespace(_ name: String) -> NetworkNamespace { NetworkNamespace(name: name, in: directory) }

    func kernel(
        _ namespace: NamespaceReference, for desired: KernelState
    ) async throws(KernelError) -> any Kernel {
        let wanted = LinuxKernel.Wanted(desired)
        return switch namespace {
        case .host:
            LinuxKernel(
                namespace: .host, scope: .host, sysctls: try journal.names(), memory: nftables, directory: directory,
                wanted: wanted)
        case .task(let name):
            LinuxKernel(
                namespace: self.namespace(name), scope: Rtnl.isSandbox(name) ? .sandbox : .task,
                sysctls: Set(TaskSysctls.values.keys).union(desired.sysctls.keys), directory: directory, wanted: wanted)
        }
    }

    func listeners(in namespace: String) async throws(KernelError) -> Set<UInt16> {
        try await self.namespace(namespace).performStep { () throws(KernelError) in
            do throws(NetlinkError) {
                return Set(try SocketDiagnostics().listeners().map(\.port))
            } catch {
                throw error.kernelError("read the sockets of namespace \(namespace)")
            }
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
            searchDomains: host.searchDomains, gatewayBridges: GatewayBridge.choices(host.routes),
            filtersBridges: access("/proc/sys/net/bridge", F_OK) == 0)
    }

    func forgetDatagramFlows(to addresses: Set<IPAddress>) async throws(KernelError) {
        try await Conntrack().deleteFlows(protocol: .udp, towards: addresses)
    }

    func recordSysctls(_ names: [String]) async throws(KernelError) { try journal.record(names) }

    func restoreSysctls() async throws(KernelError) { try journal.restore() }

    func hasLeftovers() async throws(KernelError) -> Bool { try !journal.names().isEmpty }
}

// MARK: what others change

extension LinuxNode {
    func changes() async throws(KernelError) -> AsyncStream<NodeChange> {
        let monitor = try await KernelMonitor.host()
        self.monitor.withLock { $0 = monitor }
        for name in try await namespaces() { try await watch(name) }
        let (stream, continuation) = AsyncStream.makeStream(of: NodeChange.self)
        let forwarding = Task {
            for await change in monitor.changes { continuation.yield(NodeChange(change)) }
            continuation.finish()
        }
        continuation.onTermination = { _ in forwarding.cancel() }
        return stream
    }

    private func watch(_ name: String) async throws(KernelError) {
        let namespace = namespace(name)
        let inode = try namespace.inode
        inodes.withLock { $0[name] = inode }
        try await monitor.withLock { $0 }?.watch(name, namespace)
    }

    private func forget(_ name: String) {
        inodes.withLock { $0[name] = nil }
        monitor.withLock { $0 }?.forget(name)
    }

    func quietChanges(_ desired: DesiredNode) async -> [NodeChange] {
        isSettled.store(true, ordering: .relaxed)
        sysctls.keep(
            Set(desired.namespaces.keys.map { path(ofNamespace: $0) } + [NetworkNamespace.host.path]))
        var changes: [NodeChange] = []
        for (name, state) in desired.namespaces.sorted(by: { $0.key < $1.key }) {
            guard hasItsName(name) else {
                changes.append(NodeChange(.task(name), .all))
                continue
            }
            if await !agrees(namespace(name), state.sysctls) { changes.append(NodeChange(.task(name), .sysctls)) }
            if await !balances(namespace(name), state) { changes.append(NodeChange(.task(name), .balancers)) }
        }
        if await !agrees(.host, desired.host.sysctls) { changes.append(NodeChange(.host, .sysctls)) }
        if await isLegacyFilterChanged(desired.host.forwardAccepts) { changes.append(NodeChange(.host, .forward)) }
        return changes
    }

    /// Whether the namespace behind a name is the one that we put there; another one's file is taken away.
    private func hasItsName(_ name: String) -> Bool {
        let inode: UInt64
        do throws(KernelError) { inode = try namespace(name).inode } catch { return false }
        guard let known = inodes.withLock({ $0[name] }), known != inode else { return true }
        do throws(KernelError) {
            try NetworkNamespace.delete(name: name, in: directory)
        } catch {
            logger.error("cannot take back the name of a namespace", metadata: ["error": "\(error)"])
        }
        return false
    }

    private func agrees(_ namespace: NetworkNamespace, _ wanted: [String: String]) async -> Bool {
        do throws(KernelError) {
            return try await sysctls.agrees(namespace, with: wanted)
        } catch {
            // The look that follows meets the same obstacle, and says so.
            return false
        }
    }

    /// IPVS tells nobody of a change.
    private func balances(_ namespace: NetworkNamespace, _ wanted: KernelState) async -> Bool {
        guard !wanted.balancers.isEmpty else { return true }
        do throws(KernelError) {
            let kernel = LinuxKernel(namespace: namespace, scope: .sandbox, wanted: LinuxKernel.Wanted(wanted))
            return Plan(from: try await kernel.observe(.balancers), to: wanted.only(.balancers)).isEmpty
        } catch {
            // The look that follows meets the same obstacle, and says so.
            return false
        }
    }

    private func isLegacyFilterChanged(_ wanted: Set<IPFamily>) async -> Bool {
        do throws(KernelError) {
            return try await LegacyFilter.isOpen(wanted) == false
        } catch {
            logger.error("cannot look at iptables of the old kind", metadata: ["error": "\(error)"])
            return false
        }
    }
}

extension NodeChange {
    fileprivate init(_ change: KernelMonitor.Change) {
        switch change.place {
        case .host: self.init(.host, change.parts)
        case .namespace(let name): self.init(.task(name), change.parts)
        case .everywhere: self.init(nil, change.parts)
        }
    }
}
