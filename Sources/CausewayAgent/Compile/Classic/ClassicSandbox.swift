import CausewayKernel
import CausewayModel

/// The namespace in which a node balances one classic network.
struct ClassicSandbox {
    /// A service that has somebody to be led to.
    private struct Balanced {
        var virtual: IPAddress
        var mark: UInt32
        var ports: [Swarm.PortConfig]
        var destinations: [IPVS.Destination]
    }

    let network: ClassicNetwork
    let namespace: String
    /// On docker_gwbridge; only of the published-port mesh.
    let gateway: CIDR?
    /// Published ports that lead somewhere, in their order.
    var ports: [Swarm.PortConfig] { services.flatMap(\.ports) }
    private let balancer: CIDR
    private let services: [Balanced]
    private let bridge: GatewayNetwork?
    private let bridgeMTU: UInt32

    /// `nil` while the node has no address for it.
    init?(_ network: ClassicNetwork, _ services: [ServiceEndpoint], bridge: GatewayNetwork?, bridgeMTU: UInt32) {
        guard let balancer = network.balancer else { return nil }
        self.network = network
        self.balancer = balancer
        self.bridge = bridge
        self.bridgeMTU = bridgeMTU
        namespace = network.sandboxNamespace
        gateway = network.isIngress ? bridge?.address(at: Swarm.GatewayNumbers.ingress) : nil
        self.services = services.compactMap { Self.balanced($0, network) }.sorted { $0.mark < $1.mark }
    }

    private static func balanced(_ service: ServiceEndpoint, _ network: ClassicNetwork) -> Balanced? {
        guard let given = service.virtualIPs.first(where: { $0.networkID == network.id }),
            let virtual = given.addresses.first(where: { $0.family == .ip })?.address,
            let mark = network.mark(of: virtual)
        else { return nil }
        var weights: [IPAddress: UInt32] = [:]
        for backend in service.backends {
            for attachment in backend.networks where attachment.networkID == network.id {
                for address in attachment.addresses where address.family == .ip {
                    // One that drains keeps its connections, and gets no new ones.
                    weights[address.address] = max(weights[address.address] ?? 0, backend.isActive ? 1 : 0)
                }
            }
        }
        guard !weights.isEmpty else { return nil }
        let ports = service.ports.filter { $0.publishMode == .ingress && ($0.publishedPort ?? 0) > 0 }
        return Balanced(
            virtual: virtual, mark: mark, ports: network.isIngress ? ports : [],
            destinations: weights.sorted { $0.key < $1.key }.map {
                // Port 0 keeps the port that was asked for.
                IPVS.Destination(address: $0.key, port: 0, method: .masquerade, weight: $0.value)
            })
    }

    var end: ClassicEnd {
        ClassicEnd(
            network: network.id, link: "veth0", peer: "eth0", namespace: namespace,
            title: "balancer of network \(network.name)")
    }

    func state() -> KernelState {
        var state = KernelState()
        state.links["lo"] = Rtnl.Link(name: "lo", kind: .loopback)
        state.links["eth0"] = Rtnl.Link(
            name: "eth0", kind: .vethPeer, address: Self.macAddress(balancer), mtu: network.mtu)
        state.addresses.insert(Rtnl.Address(link: "eth0", address: balancer))
        for service in services {
            state.addresses.insert(Rtnl.Address(link: "eth0", address: CIDR(host: service.virtual)))
        }
        if let gateway, let bridge, let all = CIDR("0.0.0.0/0") {
            state.links["eth1"] = Rtnl.Link(
                name: "eth1", kind: .vethPeer, address: Self.macAddress(gateway), mtu: bridgeMTU)
            state.addresses.insert(Rtnl.Address(link: "eth1", address: gateway))
            state.routes.insert(Rtnl.Route(destination: all, gateway: bridge.address.address, link: "eth1"))
        }
        state.sysctls = Self.sysctls
        state.balancers = services.map {
            IPVS.Service(key: .mark($0.mark), scheduler: "rr", destinations: $0.destinations)
        }
        state.firewall = firewall()
        return state
    }

    static func macAddress(_ address: CIDR) -> MACAddress? { address.address.v4.map { MACAddress(derivedFrom: $0) } }

    /// Marked by published port as it comes in, and by virtual address as it is delivered; what IPVS sends on leaves
    /// with the balancer's address, so that the answer comes back to it.
    private func firewall() -> [IPTables.Table] {
        guard !services.isEmpty else { return [] }
        let byPort = services.flatMap { service in
            service.ports.map { port in
                "\(port.match("dport", port.publishedPort)) -j MARK --set-xmark \(Self.text(service.mark))"
            }
        }
        let byAddress = services.map { "-d \($0.virtual)/32 -j MARK --set-xmark \(Self.text($0.mark))" }
        let source = "-d \(network.subnet) -m ipvs --ipvs -j SNAT --to-source \(balancer.address)"
        return [
            .classic("mangle", ["PREROUTING": byPort, "INPUT": byAddress]), .classic("nat", ["POSTROUTING": [source]]),
        ].settled
    }

    private static func text(_ mark: UInt32) -> String { "0x\(String(mark, radix: 16))/0xffffffff" }

    /// What Swarm sets in each namespace that balances, and that it forwards, which Swarm's inherits.
    static let sysctls = [
        "net.ipv4.ip_forward": "1",
        // For the translation of its source, and of its answers.
        "net.ipv4.vs.conntrack": "1",
        // What goes to a task that is gone is scheduled anew, or refused, at once.
        "net.ipv4.vs.expire_nodest_conn": "1",
        "net.ipv4.vs.expire_quiescent_template": "1",
        "net.ipv4.vs.conn_reuse_mode": "0",
    ]
}

extension Swarm.PortConfig {
    /// `-p tcp -m tcp --dport 8080`, as iptables-save writes it.
    func match(_ option: String, _ port: UInt16?) -> String {
        "-p \(`protocol`.rawValue) -m \(`protocol`.rawValue) --\(option) \(port ?? 0)"
    }
}
