import CausewayAgent
import CausewayKernel
import CausewayModel

/// A node as the lens would see it, once its desired state is made: with what the kernel adds by itself.
struct ClassicInventory {
    private var spaces: [NamespaceState] = []
    private var inodes: [String: UInt64] = ["": 1]
    private var owners: [Inventory.Owner] = []
    private let hostname: String

    init(_ hostname: String, _ desired: DesiredNode, address: String, tasks: [Swarm.Task]) {
        self.hostname = hostname
        let names = desired.namespaces.keys.sorted()
        for (number, name) in names.enumerated() { inodes[name] = UInt64(number + 2) }
        let all = desired.namespaces.merging(["": desired.host]) { first, _ in first }
        for name in [""] + names { spaces.append(space(name, all)) }
        addOutside(address)
        for task in tasks {
            guard let name = desired.namespaceOfTask[task.id], let inode = inodes[name],
                let index = spaces.firstIndex(where: { $0.inode == inode })
            else { continue }
            for port in task.ports {
                spaces[index].sockets.append(
                    NamespaceState.Socket(
                        protocol: port.protocol, address: IPAddress("0.0.0.0")!, port: port.targetPort))
            }
            owners.append(
                Inventory.Owner(
                    containerID: task.id, containerName: task.name, namespaceInode: inode, serviceID: task.serviceID,
                    serviceName: task.serviceName, taskID: task.id, taskName: task.name))
        }
    }

    var inventory: Inventory {
        Inventory(
            hostname: hostname, machine: hostname, takenAt: Timestamp(seconds: 0), namespaces: spaces, owners: owners)
    }

    private func space(_ name: String, _ all: [String: KernelState]) -> NamespaceState {
        let state = all[name] ?? KernelState()
        var space = NamespaceState(
            name: name.isEmpty ? "host" : name, path: "/run/netns/\(name)", inode: inodes[name] ?? 0)
        for link in state.links.values.sorted(by: { $0.name < $1.name }) {
            space.links.append(self.link(link, in: name, all))
        }
        space.addresses = Array(state.addresses) + [Rtnl.Address(link: "lo", address: CIDR("127.0.0.1/8")!)]
        space.routes =
            state.routes
            + state.addresses.filter { !$0.address.isHost }.map {
                Rtnl.Route(
                    destination: $0.address.network, link: $0.link, source: $0.address.address, scope: .link,
                    protocol: 2)
            }
        space.neighbors = state.neighbors.map { NamespaceState.Neighbor(neighbor: $0, state: "permanent") }
        space.forwarding = Array(state.forwarding)
        space.tables = state.tables
        space.iptables = state.firewall.map { table in
            var table = table
            for index in table.chains.indices where table.chains[index].isBuiltIn {
                table.chains[index].policy = "ACCEPT"
            }
            return table
        }
        space.ipvs = state.balancers
        space.sysctls = state.sysctls
        space.hasIPVS = true
        if !state.rules.isEmpty {
            space.rules =
                state.rules
                + [(0, 255), (32766, 254), (32767, 253)].map {
                    NamespaceState.PolicyRule(family: .ip, priority: $0.0, table: $0.1)
                }
        }
        return space
    }

    /// Links are numbered by their place among their namespace's names.
    private func index(of link: String, in name: String, _ all: [String: KernelState]) -> UInt32? {
        all[name]?.links.keys.sorted().firstIndex(of: link).map { UInt32($0 + 10) }
    }

    private func link(
        _ link: Rtnl.Link, in name: String, _ all: [String: KernelState]
    ) -> NamespaceState.Link {
        var shown = link
        let number = index(of: link.name, in: name, all) ?? 0
        if shown.address == nil, link.kind != .loopback {
            shown.address = MACAddress(bytes: [0x02, 0xff, 0, UInt8(inodes[name] ?? 0), 0, UInt8(number)])
        }
        var result = NamespaceState.Link(index: number, link: shown, controller: link.master)
        if link.master != nil { result.port = NamespaceState.BridgePort() }
        switch link.kind {
        case .bridge: result.bridge = NamespaceState.Bridge()
        case .overlayVxlan(let id, let local, let port):
            result.link.kind = .vxlan(id: id, local: local, port: port)
            result.tunnel = NamespaceState.Tunnel(answersNeighbors: true, underlay: 1)
        case .veth(let peer, let namespace):
            result.peerIndex = index(of: peer, in: namespace, all)
            result.peerNamespace = inodes[namespace]
        case .vethPeer:
            for (owner, state) in all {
                for other in state.links.values where other.kind == .veth(peer: link.name, namespace: name) {
                    result.peerIndex = index(of: other.name, in: owner, all)
                    result.peerNamespace = inodes[owner]
                }
            }
        default: break
        }
        return result
    }

    /// The host's own link to the others.
    private mutating func addOutside(_ address: String) {
        let own = CIDR("\(address)/24")!
        spaces[0].links.append(
            NamespaceState.Link(
                index: 2,
                link: Rtnl.Link(
                    name: "eth0", kind: .other(""), address: own.address.v4.map { MACAddress(derivedFrom: $0) })))
        spaces[0].addresses.append(Rtnl.Address(link: "eth0", address: own))
        spaces[0].routes.append(
            Rtnl.Route(
                destination: own.network, link: "eth0", source: own.address, scope: .link, protocol: 2))
        if let all = CIDR("0.0.0.0/0") {
            spaces[0].routes.append(
                Rtnl.Route(destination: all, gateway: own.network.address.advanced(by: 1), link: "eth0", protocol: 3))
        }
    }
}
