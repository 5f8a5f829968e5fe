import CausewayKernel
import CausewayModel
import Synchronization

/// What a check may know: the hosts' inventories, and what the daemon of the first one says.
package struct Patient: Sendable {
    let inventories: [Inventory]
    /// All hosts' inventories, joined.
    let world: World
    let tracer: PathTracer
    /// `nil`: none was asked, or none answers.
    let daemon: DaemonReport?
    /// Whether a daemon would have been asked, had it been there: not of a snapshot.
    let wasAsked: Bool
    /// `nil`: no name was asked for.
    package var names: [NameAnswer]?
    private let walked = Walked()

    package init(
        _ inventories: [Inventory], daemon: DaemonReport? = nil, wasAsked: Bool = false, names: [NameAnswer]? = nil
    ) {
        self.wasAsked = wasAsked
        self.inventories = inventories
        let join = InventoryJoin(inventories)
        world = World(join, home: join.hosts.first?.position ?? 0)
        tracer = PathTracer(world)
        self.daemon = daemon
        self.names = names
    }

    /// Where packets to published ports and virtual addresses end; walked when it is first asked for.
    var ways: Ways { walked.ways { Ways(inventories, world) } }

    private final class Walked: Sendable {
        private let kept = Mutex<Ways?>(nil)

        func ways(_ walk: () -> Ways) -> Ways {
            kept.withLock { kept in
                let ways = kept ?? walk()
                kept = ways
                return ways
            }
        }
    }

    /// The hosts' own namespaces.
    var hosts: [Int] { world.hosts.map(\.position) }

    /// The hosts' own namespaces, and those that are theirs: of containers, of tasks, of Docker Swarm.
    ///
    /// What else lives on a machine (a lab, somebody's browser) is not judged.
    var all: [Int] { world.inventory.namespaces.indices.filter { world.isHost($0) || isMember($0) } }

    private func isMember(_ position: Int) -> Bool {
        let space = world[position]
        return space.name.hasPrefix(Rtnl.linkPrefix) || space.name.hasPrefix("1-") || isSandbox(position)
            || space.path.contains("docker/netns/") || world.identity(position).name != nil
    }

    /// All but the hosts' own.
    var inner: [Int] { all.filter { !world.isHost($0) } }

    /// Those of tasks and containers.
    var inhabited: [Int] { inner.filter { world.identity($0).name != nil } }

    func place(_ position: Int) -> Place { world.place(position) }

    func inner(of host: Int) -> [Int] { inner.filter { world.host(of: $0) == host } }

    // MARK: what is here

    /// Whether Causeway's table, or a link of Causeway's, is there.
    func isCauseway(_ host: Int) -> Bool {
        world[host].tables.contains { $0.name == KernelState.tableName }
            || world[host].links.contains { $0.link.name.hasPrefix(Rtnl.linkPrefix) }
    }

    /// Whether Docker Swarm's namespaces are there.
    func isSwarm(_ host: Int) -> Bool { inner(of: host).contains { isSandbox($0) || isOverlay($0) } }

    /// `ingress_sbox` and `lb_NETWORK`: a balancer's namespace, Docker Swarm's or ours of data path `classic`.
    func isSandbox(_ position: Int) -> Bool {
        let name = world[position].bareName
        return name.hasSuffix("ingress_sbox") || name.hasPrefix("lb_") || name.hasPrefix("lb-")
    }

    /// `1-NETWORK`: the namespace of an overlay network's bridge and tunnel.
    func isOverlay(_ position: Int) -> Bool {
        !world.isHost(position) && world[position].links.contains { $0.vxlan != nil }
    }

    /// Whether the host forwards packets at all: it has something behind it.
    func forwards(_ host: Int) -> Bool {
        isCauseway(host) || !inner(of: host).filter { isSandbox($0) || world.identity($0).name != nil }.isEmpty
    }

    /// VXLAN links, with the namespace that they are in and the host whose network carries their packets.
    ///
    /// One whose packets travel elsewhere is somebody else's.
    var tunnels: [TunnelEnd] {
        all.flatMap { position in
            world[position].links.compactMap { link -> TunnelEnd? in
                guard let vxlan = link.vxlan else { return nil }
                let host = link.tunnel?.underlay.flatMap { world.position(ofInode: $0) } ?? world.host(of: position)
                guard world.isHost(host) else { return nil }
                return TunnelEnd(position: position, host: host, link: link, vxlan: vxlan)
            }
        }
    }

    /// The value that counts for a link: the higher of its own and that for all.
    func effective(_ position: Int, _ setting: String, _ link: String) -> Int? {
        let part = String(link.map { $0 == "." ? "/" : $0 })
        let values = ["all", part].compactMap { world.sysctl(position, "net.ipv4.conf.\($0).\(setting)") }
        return values.max()
    }

    func sysctl(_ position: Int, _ name: String) -> Evidence {
        Evidence(.sysctl, "\(name) = \(world[position].sysctls[name] ?? "?")", at: place(position))
    }

    /// A command in a namespace, as it is typed on its host.
    func command(_ position: Int, _ words: String) -> String {
        guard !world.isHost(position) else { return words }
        return "nsenter --net=\(world[position].path) \(words)"
    }

    /// A check of the kernel's facts of each host: what is missing is said only when nothing was found.
    func each(_ positions: [Int], missing: String, _ body: (Int) -> [Finding]?) -> Examination {
        var findings: [Finding] = []
        var isMissing = false
        for position in positions {
            if let more = body(position) { findings += more } else { isMissing = true }
        }
        return findings.isEmpty && isMissing ? .notSeen(missing) : .of(findings)
    }
}

/// One end of a tunnel.
struct TunnelEnd {
    let position: Int
    /// The host whose network carries its packets.
    let host: Int
    let link: NamespaceState.Link
    let vxlan: (id: UInt32, local: IPAddress?, port: UInt16)

    var name: String { link.link.name }
}

extension NamespaceState.Link {
    var vxlan: (id: UInt32, local: IPAddress?, port: UInt16)? {
        if case .vxlan(let id, let local, let port) = link.kind { (id, local, port) } else { nil }
    }

    var isBridge: Bool { link.kind == .bridge }
}
