import CausewayKernel
import CausewayModel
import Testing

/// The namespaces of one overlay network as Swarm has them, small.
struct SandboxStates {
    private let balancerName: String
    private let local: IPAddress
    private let remote: IPAddress

    init(balancer: String) throws {
        balancerName = balancer
        local = try #require(IPAddress("192.0.2.1"))
        remote = try #require(IPAddress("192.0.2.2"))
    }

    private func address(_ text: String) throws -> CIDR { try #require(CIDR(text)) }

    private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private func mac(_ last: UInt32) -> MACAddress {
        MACAddress(derivedFrom: IPv4Address(rawValue: 0x0a00_0000 + last))
    }

    /// `1-…`: a bridge, the tunnel, and the end of the balancer's link.
    var overlay: KernelState {
        get throws {
            let links = [
                Rtnl.Link(name: "lo", kind: .loopback), Rtnl.Link(name: "br0", kind: .bridge, mtu: 1450),
                Rtnl.Link(
                    name: "vxlan0", kind: .overlayVxlan(id: 4096, local: local, port: 4789), mtu: 1450, master: "br0"),
                Rtnl.Link(
                    name: "veth0", kind: .veth(peer: "eth0", namespace: balancerName), mtu: 1450, master: "br0"),
            ]
            return KernelState(
                links: Dictionary(uniqueKeysWithValues: links.map { ($0.name, $0) }),
                addresses: [Rtnl.Address(link: "br0", address: try address("10.0.0.1/24"))],
                neighbors: [Rtnl.Neighbor(link: "vxlan0", destination: try ip("10.0.0.7"), address: mac(7))],
                forwarding: [
                    Rtnl.ForwardingEntry(link: "vxlan0", address: mac(7), destination: remote),
                    Rtnl.ForwardingEntry(link: "vxlan0", address: mac(8), destination: remote),
                ])
        }
    }

    /// `lb_…`, but for what needs IPVS.
    var withoutBalancers: KernelState {
        get throws {
            let links = [
                Rtnl.Link(name: "lo", kind: .loopback),
                Rtnl.Link(name: "eth0", kind: .vethPeer, address: mac(4), mtu: 1450),
            ]
            let chain = IPTables.Chain(
                name: "INPUT",
                rules: [9, 12, 14].map {
                    IPTables.Rule("-d 10.0.0.\($0)/32 -j MARK --set-xmark 0x10\($0 % 8)/0xffffffff")
                })
            return KernelState(
                links: Dictionary(uniqueKeysWithValues: links.map { ($0.name, $0) }),
                addresses: [
                    Rtnl.Address(link: "eth0", address: try address("10.0.0.4/24")),
                    Rtnl.Address(link: "eth0", address: try address("10.0.0.9/32")),
                ], sysctls: ["net.ipv4.ip_forward": "1"],
                firewall: [IPTables.Table(family: .ip, name: "mangle", chains: [chain])])
        }
    }

    var balancer: KernelState {
        get throws {
            var state = try withoutBalancers
            state.sysctls["net.ipv4.vs.conntrack"] = "1"
            state.sysctls["net.ipv4.vs.expire_nodest_conn"] = "1"
            state.balancers = [
                IPVS.Service(
                    key: .mark(0x101), scheduler: "rr",
                    destinations: [
                        IPVS.Destination(address: try ip("10.0.0.5"), port: 0, method: .masquerade, weight: 1),
                        IPVS.Destination(address: try ip("10.0.0.7"), port: 0, method: .masquerade, weight: 1),
                    ]),
                IPVS.Service(key: .mark(0x104), scheduler: "rr"),
            ]
            state.firewall.append(
                IPTables.Table(
                    family: .ip, name: "nat",
                    chains: [
                        IPTables.Chain(
                            name: "POSTROUTING",
                            rules: [IPTables.Rule("-d 10.0.0.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.0.4")])
                    ]))
            return state
        }
    }

    /// The gateway bridge with Swarm's rules for one published port.
    var host: KernelState {
        get throws {
            func chain(_ name: String, _ rules: String...) -> IPTables.Chain {
                IPTables.Chain(name: name, rules: rules.map { IPTables.Rule($0) })
            }
            return KernelState(
                links: ["docker_gwbridge": Rtnl.Link(name: "docker_gwbridge", kind: .bridge)],
                addresses: [Rtnl.Address(link: "docker_gwbridge", address: try address("172.18.0.1/16"))],
                firewall: [
                    IPTables.Table(
                        family: .ip, name: "filter",
                        chains: [
                            chain(
                                "DOCKER-INGRESS", "-p tcp -m tcp --dport 8080 -j ACCEPT",
                                "-p tcp -m state --state RELATED,ESTABLISHED -m tcp --sport 8080 -j ACCEPT", "-j RETURN"
                            ),
                            chain(
                                "FORWARD", "-j DOCKER-INGRESS",
                                "-o docker_gwbridge -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                                "-i docker_gwbridge ! -o docker_gwbridge -j ACCEPT",
                                "-i docker_gwbridge -o docker_gwbridge -j DROP"),
                        ]),
                    IPTables.Table(
                        family: .ip, name: "nat",
                        chains: [
                            chain(
                                "DOCKER-INGRESS",
                                "-p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:8080", "-j RETURN"),
                            chain("OUTPUT", "-m addrtype --dst-type LOCAL -j DOCKER-INGRESS"),
                            chain(
                                "POSTROUTING", "-o docker_gwbridge -m addrtype --src-type LOCAL -j MASQUERADE",
                                "-s 172.18.0.0/16 ! -o docker_gwbridge -j MASQUERADE"),
                            chain("PREROUTING", "-m addrtype --dst-type LOCAL -j DOCKER-INGRESS"),
                        ]),
                ])
        }
    }
}
