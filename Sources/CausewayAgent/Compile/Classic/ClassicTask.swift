import CausewayKernel
import CausewayModel

/// What classic networks add to a task's namespace: a link for each, and one to docker_gwbridge.
///
/// Links are in Swarm's order (20.10 to 27): networks with a way out before internal ones, then by name, the bridge
/// last. The link of networks of data path `direct` stays the first where there is one.
struct ClassicTask {
    let place: TaskPlace
    /// One for each network.
    let ends: [ClassicEnd]
    /// On docker_gwbridge; absent where the way out is another, or there must not be any.
    let gateway: CIDR?
    /// The host's end of the pair to docker_gwbridge.
    let gatewayPort: String
    private let attachments: [TaskPlace.Attachment]
    private let bridge: GatewayNetwork?
    private let mtu: UInt32
    private let bridgeMTU: UInt32

    init(place: TaskPlace, bridge: GatewayNetwork?, mtu: UInt32, bridgeMTU: UInt32) {
        self.place = place
        self.bridge = bridge
        self.mtu = mtu
        self.bridgeMTU = bridgeMTU
        let attachments = place.attachments.filter(\.isClassic).sorted { a, b in
            (a.network.spec.isInternal ? 1 : 0, a.network.spec.name, a.network.id)
                < (b.network.spec.isInternal ? 1 : 0, b.network.spec.name, b.network.id)
        }
        self.attachments = attachments
        let first = place.direct.isEmpty ? 0 : 1
        ends = attachments.enumerated().map { index, attachment in
            ClassicEnd(
                network: attachment.network.id, link: "veth\(place.id.prefix(10))", peer: "eth\(first + index)",
                namespace: place.namespace, title: place.title)
        }
        let hasWayOut = place.direct.contains { !$0.network.spec.isInternal }
        let wantsWayOut = attachments.contains { !$0.network.spec.isInternal }
        gateway =
            wantsWayOut && !hasWayOut
            ? place.gatewayNumber.flatMap { bridge?.address(at: UInt64($0)) } : nil
        gatewayPort = "\(Rtnl.linkPrefix)g\(place.id.prefix(10))"
    }

    /// The last link.
    var gatewayLink: String { "eth\((place.direct.isEmpty ? 0 : 1) + attachments.count)" }

    func state() -> KernelState {
        var state = KernelState()
        for (end, attachment) in zip(ends, attachments) {
            guard let own = attachment.addresses.first(where: { $0.family == .ip }) else { continue }
            state.links[end.peer] = Rtnl.Link(
                name: end.peer, kind: .vethPeer, address: ClassicSandbox.macAddress(own), mtu: mtu)
            state.addresses.insert(Rtnl.Address(link: end.peer, address: own))
        }
        if let gateway, let bridge, let all = CIDR("0.0.0.0/0") {
            state.links[gatewayLink] = Rtnl.Link(
                name: gatewayLink, kind: .vethPeer, address: ClassicSandbox.macAddress(gateway), mtu: bridgeMTU)
            state.addresses.insert(Rtnl.Address(link: gatewayLink, address: gateway))
            state.routes.insert(Rtnl.Route(destination: all, gateway: bridge.address.address, link: gatewayLink))
        }
        return state
    }

    /// From its published ports to its own, and nothing else in by a classic ingress network.
    ///
    /// As in Swarm, nothing at all for a task that publishes no port there.
    func firewall() -> [IPTables.Table] {
        let ports = place.ports.filter { $0.publishMode == .ingress && ($0.publishedPort ?? 0) > 0 }
        guard !ports.isEmpty, let ingress = attachments.first(where: \.network.spec.isIngress),
            let own = ingress.addresses.first(where: { $0.family == .ip })?.address
        else { return [] }
        let redirects = ports.map { port in
            "-d \(own)/32 \(port.match("dport", port.publishedPort)) -j REDIRECT --to-ports \(port.targetPort)"
        }
        // Each goes to the head of its chain; several published ports may lead to one.
        var targets: [Swarm.PortConfig] = []
        for port in ports.reversed()
        where !targets.contains(where: { $0.protocol == port.protocol && $0.targetPort == port.targetPort }) {
            targets.append(port)
        }
        let others = ["sctp", "udp", "tcp"]
        let inward =
            targets.map { port in
                "-d \(own)/32 \(port.match("dport", port.targetPort)) -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT"
            } + others.map { "-d \(own)/32 -p \($0) -j DROP" }
        let outward =
            targets.map { port in
                "-s \(own)/32 \(port.match("sport", port.targetPort)) -m conntrack --ctstate ESTABLISHED -j ACCEPT"
            } + others.map { "-s \(own)/32 -p \($0) -j DROP" }
        return [
            .classic("filter", ["INPUT": inward, "OUTPUT": outward]), .classic("nat", ["PREROUTING": redirects]),
        ].settled
    }
}
