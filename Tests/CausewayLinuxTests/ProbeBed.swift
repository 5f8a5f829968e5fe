import CausewayAgent
import CausewayLinux
import CausewayModel
import CausewayTestKit
import Foundation
import Glibc
import Logging
import Synchronization
import Testing

/// Two nodes with a tunnel between them, through a router that tells nobody what it drops; and the first node's watch.
///
///     n1 eth0 ---- toward1 router toward2 ---- eth0 n2
final class ProbeBed: Sendable {
    let n1: TestNamespace
    let n2: TestNamespace
    let router: TestNamespace
    let log = ProbeLog()
    private let watch: PeerWatch
    private let running = Mutex<[Task<Void, Never>]>([])
    private let newest = Mutex(PeerView())
    private let helpers = Mutex<[pid_t]>([])

    var view: PeerView { newest.withLock { $0 } }

    /// As many peers as n2 is made to look like.
    private let peers: Int

    /// `badNIC`: what leaves n1 passes a relay that computes no checksum.
    init(underlay: Int = 1500, peers: Int = 1, badNIC: Bool = false) async throws {
        self.peers = peers
        (n1, n2, router) = (
            try await TestNamespace("probe1"), try await TestNamespace("probe2"), try await TestNamespace("probe-r")
        )
        try await router.shell(
            """
            sysctl -qw net.ipv4.ip_forward=1
            nft 'add table inet quiet; add chain inet quiet out { type filter hook output priority 0; }'
            nft 'add rule inet quiet out icmp type destination-unreachable drop'
            nft 'add chain inet quiet way { type filter hook forward priority 0; }'
            """)
        let log = log
        watch = PeerWatch(
            prober: try await PeerProber.open(in: n1.namespace, device: Tunnel.linkName),
            logger: Logger(label: "peers") { _ in log })
        if badNIC { try await putRelay() } else { try await join(n1, "toward1", underlay) }
        try await address(n1, "192.0.2.1", gateway: "192.0.2.126", "toward1")
        try await join(n2, "toward2", underlay)
        try await address(n2, "192.0.2.129", gateway: "192.0.2.254", "toward2")
        try await tunnel(n1, number: 1, "192.0.2.1", to: 2, "192.0.2.129", mtu: underlay - 50)
        try await tunnel(n2, number: 2, "192.0.2.129", to: 1, "192.0.2.1", mtu: underlay - 50)
        let mac = Tunnel.macAddress(ofNode: 2)
        for number in 3..<(peers + 2) {
            try await n2.shell("ip address add 100.64.0.\(number)/16 dev cw-vxlan")
            try await n1.shell("ip neigh replace 100.64.0.\(number) lladdr \(mac) dev cw-vxlan nud permanent")
        }
    }

    private func join(_ node: TestNamespace, _ end: String, _ mtu: Int) async throws {
        try await router.shell(
            """
            ip link add \(end) mtu \(mtu) type veth peer name eth0 netns \(node.name)
            ip link set \(end) up
            """)
        try await node.shell("ip link set eth0 mtu \(mtu); ip link set eth0 up")
    }

    private func address(
        _ node: TestNamespace, _ address: String, gateway: String, _ end: String
    ) async throws {
        try await router.shell("ip address add \(gateway)/25 dev \(end)")
        try await node.shell("ip address add \(address)/25 dev eth0; ip route add default via \(gateway)")
    }

    private func tunnel(
        _ node: TestNamespace, number: Int, _ local: String, to other: Int, _ remote: String, mtu: Int
    ) async throws {
        let (own, theirs) = (Tunnel.macAddress(ofNode: number), Tunnel.macAddress(ofNode: other))
        try await node.shell(
            """
            ip link add cw-vxlan address \(own) type vxlan id 4095 local \(local) dstport 4789 nolearning noudpcsum \
                df set
            ip address add 100.64.0.\(number)/16 dev cw-vxlan
            ip link set cw-vxlan mtu \(mtu) up
            bridge fdb append \(theirs) dev cw-vxlan dst \(remote) self permanent
            ip neigh replace 100.64.0.\(other) lladdr \(theirs) dev cw-vxlan nud permanent
            """)
    }

    // MARK: the bad NIC

    /// n1's eth0 ends at the relay, whose other link goes to the router.
    ///
    /// Without ARP: the relay's links are in the router's namespace, whose kernel would answer on them for the router's
    /// address too, and n1 would sometimes go to it past the relay.
    private func putRelay() async throws {
        try await router.shell(
            """
            ip link add relay-in type veth peer name eth0 netns \(n1.name)
            ip link add relay-out type veth peer name toward1
            for link in relay-in relay-out; do ip link set $link arp off up; done
            ip link set toward1 up
            """)
        try await n1.shell("ip link set eth0 up")
        let source = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Support/bad-nic.c").path
        let folder = "/run/\(router.name)"
        try await router.shell(
            """
            mkdir -p \(folder)
            cc -O2 -Wall -Werror -o \(folder)/bad-nic \(source)
            \(folder)/bad-nic relay-in relay-out >\(folder)/said 2>&1 & echo $! >\(folder)/pid
            until grep -q ready \(folder)/said; do kill -0 $(cat \(folder)/pid); sleep 0.01; done
            """)
        let text = try await router.shell("cat \(folder)/pid").trimmingCharacters(in: .whitespacesAndNewlines)
        if let pid = pid_t(text) { helpers.withLock { $0.append(pid) } }
    }

    /// Puts a good NIC into the bad one's place.
    func repairNIC() async throws {
        endHelpers()
        try await router.shell(
            """
            ip link del relay-out
            ip link del relay-in
            """)
        try await join(n1, "toward1", 1500)
        try await address(n1, "192.0.2.1", gateway: "192.0.2.126", "toward1")
    }

    private func endHelpers() {
        helpers.withLock { pids in
            for pid in pids { kill(pid, SIGKILL) }
            pids = []
        }
    }

    // MARK: running

    /// Watches the peer, and does with the link what is wanted of it.
    func start() async {
        await follow(dataAddress: "192.0.2.129")
        let (watch, n1) = (watch, n1)
        let following = Task { [weak self] in
            var isOn = true
            for await view in watch.views {
                if view.tunnelOffload != isOn {
                    isOn = view.tunnelOffload
                    try? await n1.namespace.perform { [isOn] in try ChecksumOffload.set(isOn, of: Tunnel.linkName) }
                }
                self?.newest.withLock { $0 = view }
            }
        }
        running.withLock { $0 = [following, Task { await watch.run() }] }
    }

    /// Says where the peer is; another address is another way to it, as far as the watch knows.
    func follow(dataAddress: String) async {
        var assignment = NodeAssignment(
            revision: 1, nodeID: "n1", nodeNumber: 1, hostname: "n1", uniqueLocalPrefix: CIDR("fd00::/48")!)
        assignment.tunnel = Tunnel(pool: Tunnel.defaultPool!, uniqueLocalPrefix: CIDR("fd00::/48")!)
        assignment.peers = (2..<(peers + 2)).map {
            Peer(id: "n\($0)", hostname: "n\($0)", number: $0, dataAddress: .v4(IPv4Address(dataAddress)!))
        }
        _ = await watch.follow(assignment)
    }

    /// How long it takes until something is true; fails after `limit`.
    @discardableResult
    func time(
        until what: String, within limit: Duration, sourceLocation: SourceLocation = #_sourceLocation,
        _ isTrue: (PeerView) -> Bool
    ) async throws -> Duration {
        let start = ContinuousClock.now
        while !isTrue(view) {
            guard ContinuousClock.now - start < limit else {
                Issue.record(
                    "not \(what) within \(limit): \(view.observations) \(log.lines)", sourceLocation: sourceLocation)
                break
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        let time = ContinuousClock.now - start
        print("\(what): \(time)")
        return time
    }

    deinit {
        for task in running.withLock({ $0 }) { task.cancel() }
        endHelpers()
    }
}

/// Keeps what is logged.
final class ProbeLog: LogHandler, Sendable {
    private let kept = Mutex<[String]>([])
    var lines: [String] { kept.withLock { $0 } }

    subscript(metadataKey _: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }

    func log(event: LogEvent) { kept.withLock { $0.append("\(event.message)") } }
}
