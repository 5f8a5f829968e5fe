import CausewayKernel
import CausewayModel

/// What a task's own namespace holds: one link, one address for each network, routes to the host and nothing else.
///
/// What classic networks add to it is ``ClassicTask``'s.
struct TaskCompiler {
    let place: TaskPlace
    let facts: NodeFacts

    func state() -> KernelState {
        var state = KernelState()
        state.links["lo"] = Rtnl.Link(name: "lo", kind: .loopback)
        if !place.direct.isEmpty {
            state.links["eth0"] = Rtnl.Link(
                name: "eth0", kind: .vethPeer, address: place.macAddress, mtu: facts.mtu, isUp: true)
        }
        for address in place.addresses {
            state.addresses.insert(Rtnl.Address(link: "eth0", address: CIDR(host: address)))
        }
        for family in Set(place.addresses.map(\.family)) {
            guard let gateway = TaskPlace.gateways[family] else { continue }
            state.neighbors.insert(
                Rtnl.Neighbor(link: "eth0", destination: gateway, address: TaskPlace.gatewayMACAddress))
            state.routes.formUnion(routes(family, via: gateway))
        }
        state.tables = [nameTableRedirect]
        state.sysctls = TaskSysctls.values
        return state
    }

    /// One route a network, so that a packet to it has the task's address there as its source; and a default route.
    private func routes(_ family: IPFamily, via gateway: IPAddress) -> [Rtnl.Route] {
        func route(to destination: CIDR, from source: IPAddress) -> Rtnl.Route {
            Rtnl.Route(destination: destination, gateway: gateway, link: "eth0", source: source, isOnLink: true)
        }
        let own = place.direct.compactMap { attachment in
            attachment.addresses.first { $0.family == family }.map { (attachment.network, $0) }
        }
        var routes = own.filter { !$0.0.spec.isIngress }.map { route(to: $0.1.network, from: $0.1.address) }
        // Attachments are sorted by name with ingress last: it is the source of last resort.
        if let first = own.first(where: { !$0.0.spec.isInternal }), let all = Self.everything(family) {
            routes.append(route(to: all, from: first.1.address))
        }
        return routes
    }

    private static func everything(_ family: IPFamily) -> CIDR? { CIDR(family == .ip ? "0.0.0.0/0" : "::/0") }

    /// 127.0.0.11:53 leads to the resolver's own port: a task may itself listen on 0.0.0.0:53.
    private var nameTableRedirect: Nft.Table {
        let resolver = IPAddress.v4(IPv4Address(rawValue: 0x7f00_000b))
        let rules = ["udp", "tcp"].map { transport in
            Nft.Rule([
                .match(.payload("ip", "daddr"), .equal, .value(.address(resolver))),
                .match(.payload(transport, "dport"), .equal, .value(.number(53))),
                .dnat(
                    Nft.NAT(
                        family: nil, address: .value(.address(resolver)),
                        port: .value(.number(UInt64(NameTable.listenPort))))),
            ])
        }
        return Nft.Table(
            family: .ip, name: KernelState.tableName,
            chains: [Nft.Chain(name: "output", base: .init(.nat, .output, priority: -100), rules: rules)])
    }
}

/// Settings of a task's namespace.
package enum TaskSysctls {
    /// What a link of a new namespace starts with: no link-local address, and so nothing to announce.
    package static let defaults = ["net.ipv6.conf.default.addr_gen_mode": "1"]

    /// The task's only neighbour is known beforehand: nothing has to be discovered, announced or defended.
    package static let values = [
        "net.ipv6.conf.eth0.accept_ra": "0",
        "net.ipv6.conf.eth0.accept_dad": "0",
        "net.ipv6.conf.eth0.addr_gen_mode": "1",
        "net.ipv6.conf.eth0.disable_ipv6": "0",
        "net.ipv6.conf.lo.disable_ipv6": "0",
    ]
}
