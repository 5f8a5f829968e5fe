import CLinux
import CausewayKernel
import CausewayModel
import Glibc

/// Links, routes, neighbours and policy rules.
extension Trial {
    static var links: [Trial] {
        [
            Trial("veth pairs", disables: "every task's network", remedy: "load the module: modprobe veth") {
                () throws(KernelError) in
                try take(
                    .linkAdd(Rtnl.Link(name: near, kind: .veth(peer: "far", namespace: "/proc/thread-self/ns/net"))))
                try take(.addressAdd(Rtnl.Address(link: near, address: CIDR(host: own))))
            },
            Trial(
                "routes through a gateway on no subnet (onlink)", disables: "every task's network",
                remedy: "use a kernel with CONFIG_IP_ADVANCED_ROUTER"
            ) { () throws(KernelError) in
                try take(
                    .routeAdd(
                        Rtnl.Route(
                            destination: anywhere, gateway: gateway, link: near, source: own, isOnLink: true)))
                try take(.routeAdd(Rtnl.Route(kind: .unreachable, destination: subnet, metric: 1024)))
            },
            Trial("permanent neighbours", disables: "every task's network", remedy: "") { () throws(KernelError) in
                try take(
                    .neighborAdd(
                        Rtnl.Neighbor(
                            link: near, destination: gateway, address: MACAddress(derivedFrom: IPv4Address(rawValue: 1))
                        )))
            },
            Trial(
                "IPv6 addresses", disables: "published ports and networks over IPv6",
                remedy: "start the kernel without ipv6.disable=1", isEssential: false
            ) { () throws(KernelError) in
                try take(.addressAdd(Rtnl.Address(link: near, address: CIDR(host: own6))))
            },
            Trial("bridges", disables: "every task's network", remedy: "load the module: modprobe bridge") {
                () throws(KernelError) in
                try take(.linkAdd(Rtnl.Link(name: "nowhere", kind: .bridge)))
            },
            Trial(
                "policy rules by mark", disables: "every task's network",
                remedy: "use a kernel with CONFIG_IP_MULTIPLE_TABLES"
            ) { () throws(KernelError) in
                try take(
                    .ruleAdd(
                        NamespaceState.PolicyRule(
                            family: .ip, priority: 1000, mark: 0x0001_0000, markMask: KernelState.markMask,
                            table: Rtnl.taskTable, protocol: Rtnl.causewayProtocol)))
            },
            Trial(
                "VXLAN devices", disables: "networks across several nodes", remedy: "load the module: modprobe vxlan",
                isEssential: false
            ) { () throws(KernelError) in
                try take(.linkAdd(Rtnl.Link(name: "tunnel", kind: .vxlan(id: 4095, local: own, port: 4789))))
            },
        ]
    }

    private static let near = "near"
    private static let own = IPAddress.v4(IPv4Address(rawValue: 0x0a00_0005))
    private static let own6 = IPAddress.v6(IPv6Address(high: 0xfd00 << 48, low: 5))
    private static let gateway = IPAddress.v4(IPv4Address(rawValue: 0xa9fe_0101))
    private static let anywhere = CIDR(host: .v4(IPv4Address(rawValue: 0))).shortened(to: 0)
    private static let subnet = CIDR(host: .v4(IPv4Address(rawValue: 0x0a09_0000))).shortened(to: 24)

    private static func take(_ step: Plan.Step) throws(KernelError) {
        let text = "\(step)"
        do throws(NetlinkError) {
            _ = try StepTaker(text: text).takeOverRoute(step)
        } catch {
            throw error.kernelError(text)
        }
    }
}

extension CIDR {
    fileprivate func shortened(to length: Int) -> CIDR { CIDR(address, length) ?? self }
}
