import CausewayKernel
import CausewayModel

/// A classic network as one node has it.
struct ClassicNetwork {
    /// A task or a balancer of another node.
    private struct Remote: Hashable {
        var address: IPAddress
        var host: IPAddress
    }

    let id: Swarm.ID
    let name: String
    let isIngress: Bool
    let subnet: CIDR
    let mtu: UInt32
    /// Where this node's own balancer is; absent until it was given an address.
    let balancer: CIDR?
    private let gateway: CIDR
    private let tunnelIdentifier: UInt32
    private let port: UInt16
    private let dataAddress: IPAddress
    private let remotes: Set<Remote>

    /// `nil` for a network without an IPv4 subnet or a tunnel of its own, which no manager makes.
    init?(_ network: Swarm.Network, _ assignment: NodeAssignment, dataAddress: IPAddress, facts: NodeFacts) {
        guard let own = network.subnet(.ip), let number = network.tunnelIdentifier,
            let gateway = CIDR(own.gateway, own.subnet.prefixLength)
        else { return nil }
        let subnet = own.subnet.network
        self.subnet = subnet
        self.gateway = gateway
        (id, name, isIngress) = (network.id, network.spec.name, network.spec.isIngress)
        tunnelIdentifier = number
        port = assignment.tunnel?.port ?? Tunnel.defaultPort
        self.dataAddress = dataAddress
        mtu = TunnelCompiler.linkMTU(over: dataAddress.family, facts)
        let balancers = (assignment.balancers ?? []).filter { $0.networkID == network.id }
        balancer = balancers.first { $0.nodeID == assignment.nodeID }?.address
        // Outer packets are of one family.
        let hosts = Dictionary(
            assignment.peers.filter { $0.dataAddress.family == dataAddress.family }.map { ($0.id, $0.dataAddress) }
        ) { first, _ in first }
        let placed = assignment.places.filter { $0.nodeID != assignment.nodeID }.flatMap { place in
            place.addresses.filter { subnet.contains($0) }.map { ($0, place.nodeID) }
        }
        remotes = Set(
            (placed + balancers.filter { $0.nodeID != assignment.nodeID }.map { ($0.address.address, $0.nodeID) })
                .compactMap { address, node in hosts[node].map { Remote(address: address, host: $0) } })
    }

    /// `cw-1-` and the first ten of its identifier, as Swarm names it behind our prefix.
    var overlayNamespace: String { "\(Rtnl.linkPrefix)1-\(id.prefix(10))" }

    /// `cw-ingress_sbox`, or `cw-lb_` and the first nine of its identifier.
    var sandboxNamespace: String {
        Rtnl.linkPrefix + (isIngress ? "ingress_sbox" : "lb_\(id.prefix(9))")
    }

    /// By what a sandbox knows a service.
    ///
    /// The distance of its virtual address from the subnet's own, behind what Swarm leaves free: the same on every node,
    /// without a memory.
    func mark(of virtual: IPAddress) -> UInt32? {
        guard let own = virtual.v4, let base = subnet.address.v4, subnet.contains(virtual) else { return nil }
        return Self.firstMark + (own.rawValue - base.rawValue)
    }

    private static let firstMark: UInt32 = 256
    private static let bridge = "br0"
    private static let tunnel = "vxlan0"

    /// The namespace of its bridge and its tunnel, with the bridge's side of each local end.
    func overlay(_ ends: [ClassicEnd]) -> KernelState {
        var state = KernelState()
        state.links["lo"] = Rtnl.Link(name: "lo", kind: .loopback)
        state.links[Self.bridge] = Rtnl.Link(name: Self.bridge, kind: .bridge, mtu: mtu)
        state.addresses.insert(Rtnl.Address(link: Self.bridge, address: gateway))
        state.links[Self.tunnel] = Rtnl.Link(
            name: Self.tunnel, kind: .overlayVxlan(id: tunnelIdentifier, local: dataAddress, port: port), mtu: mtu,
            alias: "network \(name)", master: Self.bridge)
        for end in ends {
            state.links[end.link] = Rtnl.Link(
                name: end.link, kind: .veth(peer: end.peer, namespace: end.namespace), mtu: mtu, alias: end.title,
                master: Self.bridge)
        }
        for remote in remotes {
            guard let address = remote.address.v4 else { continue }
            let mac = MACAddress(derivedFrom: address)
            state.neighbors.insert(Rtnl.Neighbor(link: Self.tunnel, destination: remote.address, address: mac))
            state.forwarding.insert(
                Rtnl.ForwardingEntry(link: Self.tunnel, address: mac, destination: remote.host))
        }
        return state
    }
}
