import CausewayAgent
import CausewayKernel
import CausewayModel

/// A host without a kernel: namespaces are fakes, joined as the real ones are.
actor FakeNode: Node {
    let host = FakeKernel()
    private(set) var kernels: [String: FakeKernel] = [:]
    private var listening: Set<UInt16> = []
    private(set) var forgotten: [IPAddress] = []
    var hasLeftovers = false
    private var told: AsyncStream<NodeChange>.Continuation?

    func namespaces() async throws(KernelError) -> [String] { kernels.keys.sorted() }

    func createNamespace(_ name: String) async throws(KernelError) {
        let kernel = FakeKernel(
            KernelState(links: ["lo": Rtnl.Link(name: "lo", kind: .loopback, isUp: false)]))
        await host.connect(name, to: kernel)
        for (other, known) in kernels {
            await known.connect(name, to: kernel)
            await kernel.connect(other, to: known)
        }
        kernels[name] = kernel
    }

    func deleteNamespace(_ name: String) async throws(KernelError) { kernels[name] = nil }

    nonisolated func path(ofNamespace name: String) -> String { "/run/netns/\(name)" }

    func kernel(
        _ namespace: NamespaceReference, for desired: KernelState
    ) async throws(KernelError) -> any Kernel {
        switch namespace {
        case .host: return ClaimedKernel(kernel: host, hasFirewall: !desired.firewall.isEmpty)
        case .task(let name):
            guard let kernel = kernels[name] else {
                throw KernelError(step: "enter \(name)", reason: .noNamespace)
            }
            return kernel
        }
    }

    func facts() async throws(KernelError) -> NodeFacts {
        NodeFacts(nameServers: [.v4(IPv4Address("192.0.2.53")!)])
    }

    func listeners(in namespace: String) async throws(KernelError) -> Set<UInt16> { listening }

    /// Makes somebody listen, in every namespace.
    func listen(_ ports: Set<UInt16>) { listening = ports }

    func forgetDatagramFlows(to addresses: Set<IPAddress>) async throws(KernelError) { forgotten += addresses.sorted() }

    func recordSysctls(_ names: [String]) async throws(KernelError) {}

    func restoreSysctls() async throws(KernelError) {}

    func hasLeftovers() async throws(KernelError) -> Bool { hasLeftovers }

    func changes() async throws(KernelError) -> AsyncStream<NodeChange> {
        let (stream, continuation) = AsyncStream.makeStream(of: NodeChange.self)
        told = continuation
        return stream
    }

    func quietChanges(_ desired: DesiredNode) async -> [NodeChange] { [] }

    /// As if an earlier process had written something down.
    func leaveBehind() { hasLeftovers = true }

    /// Tells the agent where to look.
    func tell(_ change: NodeChange) { told?.yield(change) }
}

/// A keeper that only remembers what it was told.
actor FakeKeeper: SocketKeeping {
    private(set) var kept = KeptSockets()

    func keep(_ wanted: KeptSockets) async throws -> UnkeptSockets {
        kept = wanted
        return UnkeptSockets()
    }
}

/// An assignment source that the test feeds.
actor FakeSource: AssignmentSource {
    private let stream: AsyncStream<NodeAssignment>
    private let feed: AsyncStream<NodeAssignment>.Continuation
    private(set) var applied: [UInt64] = []
    private(set) var observed: [[PeerObservation]] = []

    init() { (stream, feed) = AsyncStream.makeStream(of: NodeAssignment.self) }

    func assignments() async -> AsyncStream<NodeAssignment> { stream }

    func report(_ reports: [TaskReport]) async throws {}

    func applied(revision: UInt64) async throws { applied.append(revision) }

    func observed(_ peers: [PeerObservation]) async throws { observed.append(peers) }

    func send(_ assignment: NodeAssignment) { feed.yield(assignment) }

    /// Returns once the agent says that it has applied `revision`.
    func waitApplied(_ revision: UInt64) async throws {
        for _ in 0..<2_000 where !applied.contains(revision) { try await Task.sleep(for: .milliseconds(2)) }
    }
}

/// The host's, where iptables are looked at only if the desired state has any: else they are others'.
private struct ClaimedKernel: Kernel {
    let kernel: FakeKernel
    let hasFirewall: Bool

    func observe() async throws(KernelError) -> KernelState {
        var state = try await kernel.observe()
        if !hasFirewall { state.firewall = [] }
        return state
    }

    func take(_ step: Plan.Step) async throws(KernelError) { try await kernel.take(step) }
}
