import CausewayKernel
import CausewayModel

/// What the host's namespace holds for classic networks: docker_gwbridge with its ports, and Docker's rules for it.
struct ClassicHost {
    let bridge: GatewayNetwork
    let facts: NodeFacts
    /// The sandbox of a classic published-port mesh.
    let ingress: ClassicSandbox?
    /// Those with an end on the bridge.
    let tasks: [ClassicTask]

    var isNeeded: Bool { ingress != nil || !tasks.isEmpty }

    func state() -> KernelState {
        var state = KernelState()
        // Nothing is set of it that would have to be noted at it: one of somebody else's has to stay his.
        state.links[Rtnl.gatewayBridge] = Rtnl.Link(name: Rtnl.gatewayBridge, kind: .bridge)
        state.addresses.insert(Rtnl.Address(link: Rtnl.gatewayBridge, address: bridge.address))
        if let ingress {
            insert("\(Rtnl.linkPrefix)gingress", peer: "eth1", in: ingress.namespace, "published ports", &state)
        }
        for task in tasks {
            insert(task.gatewayPort, peer: task.gatewayLink, in: task.place.namespace, task.place.title, &state)
        }
        // A connection from 127.0.0.1 is led to the sandbox too.
        if ingress != nil { state.sysctls["net.ipv4.conf.\(Rtnl.gatewayBridge).route_localnet"] = "1" }
        // Else what one task sends another by the bridge would not meet the rule that forbids it.
        if facts.filtersBridges { state.sysctls["net.bridge.bridge-nf-call-iptables"] = "1" }
        return state
    }

    private func insert(
        _ name: String, peer: String, in namespace: String, _ title: String, _ state: inout KernelState
    ) {
        state.links[name] = Rtnl.Link(
            name: name, kind: .veth(peer: peer, namespace: namespace), mtu: facts.mtu, alias: title,
            master: Rtnl.gatewayBridge)
    }

    // MARK: rules

    func firewall() -> [IPTables.Table] {
        let (name, chain) = (Rtnl.gatewayBridge, IPTables.ingressChain)
        func withMesh(_ rules: String...) -> [String] { ingress == nil ? [] : rules }
        let toMesh = withMesh("-m addrtype --dst-type LOCAL -j \(chain)")
        let leaving =
            withMesh("-o \(name) -m addrtype --src-type LOCAL -j MASQUERADE") + [
                "-s \(bridge.address.network) ! -o \(name) -j MASQUERADE"
            ]
        let forward =
            withMesh("-j \(chain)") + [
                "-o \(name) -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                // In the place of Docker's isolation of bridges, which does not know this one.
                "-i \(name) -o docker0 -j DROP", "-i docker0 -o \(name) -j DROP",
                "-i \(name) ! -o \(name) -j ACCEPT", "-i \(name) -o \(name) -j DROP",
            ]
        return [
            .classic(
                "nat", ["PREROUTING": toMesh, "OUTPUT": toMesh, "POSTROUTING": leaving],
                ingress: ingress == nil ? nil : translations + ["-j RETURN"]),
            .classic("filter", ["FORWARD": forward], ingress: ingress == nil ? nil : acceptances + ["-j RETURN"]),
        ].settled
    }

    /// Of each published port to the sandbox, and of each host-mode port to its task here.
    private var translations: [String] {
        guard let own = ingress?.gateway?.address else { return [] }
        let mesh = ports.map { port in
            "\(port.match("dport", port.publishedPort)) -j DNAT --to-destination \(own):\(port.publishedPort ?? 0)"
        }
        return mesh
            + hostPorts.map { port, address in
                "\(port.match("dport", port.publishedPort)) -j DNAT --to-destination \(address):\(port.targetPort)"
            }
    }

    private var acceptances: [String] {
        let mesh = ports.flatMap { port in
            [
                "\(port.match("dport", port.publishedPort)) -j ACCEPT",
                "-p \(port.protocol.rawValue) -m state --state RELATED,ESTABLISHED -m \(port.protocol.rawValue) "
                    + "--sport \(port.publishedPort ?? 0) -j ACCEPT",
            ]
        }
        return mesh
            + hostPorts.map { port, address in
                "-d \(address)/32 \(port.match("dport", port.targetPort)) -j ACCEPT"
            }
    }

    private var ports: [Swarm.PortConfig] { ingress?.ports ?? [] }

    private var hostPorts: [(Swarm.PortConfig, IPAddress)] {
        tasks.flatMap { task in
            task.place.ports.filter { $0.publishMode == .host && ($0.publishedPort ?? 0) > 0 }
                .compactMap { port in task.gateway.map { (port, $0.address) } }
        }
    }
}
