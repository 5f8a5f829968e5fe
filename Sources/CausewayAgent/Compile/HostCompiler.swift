import CausewayKernel
import CausewayModel

/// What the host's own namespace holds of ours: a link, a route and a neighbour for each task, and one table.
struct HostCompiler {
    let assignment: NodeAssignment
    let facts: NodeFacts

    /// What does not belong to a task; without the table.
    func ground() -> KernelState {
        var state = KernelState()
        state.links[Rtnl.goneLink] = Rtnl.Link(
            name: Rtnl.goneLink, kind: .bridge, mtu: facts.mtu, alias: "addresses of networks that no task has")
        state.routes = subnets
        state.rules = PolicyRules.all(peers: [])
        state.sysctls = sysctls
        state.forwardAccepts = [.ip, .ip6]
        return state
    }

    /// The links, routes and neighbours of a task.
    func part(of place: TaskPlace) -> KernelState {
        var state = KernelState()
        guard !place.direct.isEmpty else { return state }
        state.links[place.link] = Rtnl.Link(
            name: place.link, kind: .veth(peer: "eth0", namespace: place.namespace),
            address: TaskPlace.gatewayMACAddress, mtu: facts.mtu, isUp: true, alias: place.title)
        for address in place.addresses {
            state.routes.insert(
                Rtnl.Route(
                    destination: CIDR(host: address), link: place.link, table: Rtnl.taskTable,
                    scope: scope(of: address.family)))
            state.neighbors.insert(
                Rtnl.Neighbor(link: place.link, destination: address, address: place.macAddress))
        }
        return state
    }

    /// rtnetlink gives a route without a gateway link scope in IPv4, and global scope in IPv6.
    private func scope(of family: IPFamily) -> Rtnl.Route.Scope { family == .ip ? .link : .global }

    /// What no task holds is nowhere: a packet to it must not follow the default route out of the host.
    ///
    /// It goes to a link without an end, so that it passes our rules, which answer it as a host would that has no such
    /// program. Should that link be away, the kernel says that there is no such host.
    private var subnets: Set<Rtnl.Route> {
        Set(
            assignment.networks.filter { !$0.spec.isClassic }.flatMap(\.subnets).map(\.subnet.network).flatMap {
                subnet in
                [
                    Rtnl.Route(
                        destination: subnet, link: Rtnl.goneLink, table: Rtnl.taskTable, metric: 512,
                        scope: scope(of: subnet.family)),
                    Rtnl.Route(kind: .unreachable, destination: subnet, table: Rtnl.taskTable, metric: 1024),
                ]
            })
    }

    private var sysctls: [String: String] {
        var sysctls = ["net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"]
        for link in facts.routerAdvertisementLinks {
            sysctls["net.ipv6.conf.\(link.replacing(".", with: "/")).accept_ra"] = "2"
        }
        return sysctls
    }
}
