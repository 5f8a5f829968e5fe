import CausewayKernel
import CausewayModel

/// What joins this node to the others: one VXLAN link, and for each peer what leads to it and to its tasks.
struct TunnelCompiler: Sendable {
    /// What VXLAN puts before a packet: Ethernet inside, VXLAN, UDP, and IPv4 or IPv6.
    private static let overhead: [IPFamily: UInt32] = [.ip: 50, .ip6: 70]
    /// No link is too narrow for IPv6.
    private static let leastMTU: UInt32 = 1280

    /// Of a peer, what its pieces are made from.
    struct Way: Hashable, Sendable {
        var peer: Peer
        /// Absent where it is the link's.
        var mtu: UInt32?
    }

    let tunnel: Tunnel
    let number: Int
    let dataAddress: IPAddress
    let linkMTU: UInt32

    /// `nil` for a node that is alone.
    init?(_ assignment: NodeAssignment, facts: NodeFacts) {
        guard let tunnel = assignment.tunnel, let dataAddress = assignment.dataAddress, !assignment.peers.isEmpty else {
            return nil
        }
        self.tunnel = tunnel
        number = assignment.nodeNumber
        self.dataAddress = dataAddress
        linkMTU = Self.linkMTU(over: dataAddress.family, facts)
    }

    /// What fits into a packet of the outer family, bytes.
    static func linkMTU(over family: IPFamily, _ facts: NodeFacts) -> UInt32 {
        let overhead = overhead[family] ?? 70
        return max(leastMTU, facts.mtu > overhead ? facts.mtu - overhead : 0)
    }

    /// The ways to the peers that can be reached, by node: outer packets are of one family.
    func ways(_ peers: [Peer], _ facts: NodeFacts) -> [Swarm.ID: Way] {
        var ways: [Swarm.ID: Way] = [:]
        for peer in peers where peer.number != number && peer.dataAddress.family == dataAddress.family {
            let mtu = facts.paths[peer.id]?.mtu.map { max(Self.leastMTU, $0) }
            ways[peer.id] = Way(peer: peer, mtu: mtu.flatMap { $0 < linkMTU ? $0 : nil })
        }
        return ways
    }

    /// The link with its own addresses, and the settings that its way back needs.
    func ground(offload: Bool) -> KernelState {
        var state = KernelState()
        state.links[Tunnel.linkName] = Rtnl.Link(
            name: Tunnel.linkName, kind: .vxlan(id: Tunnel.networkIdentifier, local: dataAddress, port: tunnel.port),
            address: Tunnel.macAddress(ofNode: number), mtu: linkMTU, alias: "tunnel to the other nodes",
            checksumOffload: offload ? nil : false)
        for address in addresses(ofNode: number) {
            state.addresses.insert(Rtnl.Address(link: Tunnel.linkName, address: CIDR(host: address)))
        }
        state.sysctls = [
            // What comes out of the tunnel is checked by the way that its answer takes, and that depends on the mark.
            "net.ipv4.conf.\(Tunnel.linkName).src_valid_mark": "1",
            // What the host itself says about a packet (RST, unreachable, too big) goes the way the packet came.
            "net.ipv4.fwmark_reflect": "1", "net.ipv6.fwmark_reflect": "1",
        ]
        return state
    }

    func addresses(ofNode number: Int) -> [IPAddress] {
        IPFamily.allCases.compactMap { tunnel.address(ofNode: number, $0) }
    }

    // MARK: peers

    /// What leads to a peer, and back to the clients for whom it is the entry.
    func part(of way: Way) -> KernelState {
        var state = KernelState()
        let mac = Tunnel.macAddress(ofNode: way.peer.number)
        state.forwarding = [
            Rtnl.ForwardingEntry(link: Tunnel.linkName, address: mac, destination: way.peer.dataAddress)
        ]
        for address in addresses(ofNode: way.peer.number) {
            state.neighbors.insert(Rtnl.Neighbor(link: Tunnel.linkName, destination: address, address: mac))
            // Its own address as the source: the peer knows it, whatever else this host has.
            state.routes.insert(
                Rtnl.Route(
                    destination: CIDR(host: address), link: Tunnel.linkName,
                    source: tunnel.address(ofNode: number, address.family), table: Rtnl.taskTable,
                    scope: address.family == .ip ? .link : .global, mtu: way.mtu))
            guard let all = CIDR(address.family == .ip ? "0.0.0.0/0" : "::/0") else { continue }
            state.routes.insert(route(to: all, by: address, way, table: PolicyRules.table(ofPeer: way.peer.number)))
        }
        return state
    }

    /// The routes to a task, or a container, of a peer.
    func routes(to place: PlacedAddresses, by way: Way) -> Set<Rtnl.Route> {
        Set(
            place.addresses.compactMap { address in
                tunnel.address(ofNode: way.peer.number, address.family).map {
                    route(to: CIDR(host: address), by: $0, way, table: Rtnl.taskTable)
                }
            })
    }

    private func route(to destination: CIDR, by gateway: IPAddress, _ way: Way, table: UInt32) -> Rtnl.Route {
        Rtnl.Route(
            destination: destination, gateway: gateway, link: Tunnel.linkName, table: table, isOnLink: true,
            mtu: way.mtu)
    }

    /// What a peer puts into the sets.
    func tablePart(of peer: Peer) -> TablePart {
        var part = TablePart()
        let zone = Nft.Value.number(UInt64(peer.number))
        part.add(
            TunnelSets.nodeOf, [.name(Tunnel.macAddress(ofNode: peer.number).description)], data: [zone],
            comment: "node \(peer.hostname)")
        part.add(TunnelSets.markOf, [zone], data: [.number(UInt64(PolicyRules.mark(ofPeer: peer.number)))])
        let names = SetNames(peer.dataAddress.family)
        part.add(names.peers, [.address(peer.dataAddress)], comment: "node \(peer.hostname)")
        if let inside = tunnel.address(ofNode: peer.number, peer.dataAddress.family) {
            part.add(names.selves, [.address(peer.dataAddress), .address(inside)])
        }
        return part
    }
}

/// The sets of the tunnel, which are there only while there is one.
enum TunnelSets {
    /// The entry node by its Ethernet address inside the tunnel.
    static let nodeOf = "node_of"
    /// The mark of packets whose entry is a node.
    static let markOf = "mark_of"

    static var sets: [Nft.Set] {
        [
            Nft.Set(name: nodeOf, key: [.etherAddress], data: [.zone]),
            Nft.Set(name: markOf, key: [.zone], data: [.mark]),
        ]
            + IPFamily.allCases.flatMap { family in
                let type: Nft.DataType = family == .ip ? .ipv4Address : .ipv6Address
                return [
                    Nft.Set(name: SetNames(family).peers, key: [type]),
                    Nft.Set(name: SetNames(family).selves, key: [type, type]),
                ]
            }
    }
}

extension SetNames {
    /// Data addresses of the other nodes.
    var peers: String { "peers\(suffix)" }
    /// A node's data address with its address inside the tunnel.
    var selves: String { "selves\(suffix)" }
}
