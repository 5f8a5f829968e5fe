import CausewayKernel
import CausewayModel

/// What Swarm's own data path stands on, and ours does not.
extension Trial {
    static var classic: [Trial] {
        [
            trial(
                "IPVS: a service by mark, in turn (rr), masqueraded",
                remedy: "load the modules: modprobe -a ip_vs ip_vs_rr"
            ) {
                () throws(KernelError) in
                let destination = IPVS.Destination(
                    address: .v4(IPv4Address(rawValue: 0x0a00_0005)), port: 0, method: .masquerade, weight: 1)
                let service = IPVS.Service(key: .mark(256), scheduler: "rr", destinations: [destination])
                try giveAddress()
                _ = try BalancerStep(step: .balancerAdd(service)).take()
            },
            trial("connection tracking of what IPVS balances", remedy: "use a kernel with CONFIG_IP_VS_NFCT") {
                () throws(KernelError) in
                guard try Sysctl.read("net.ipv4.vs.conntrack") != nil else {
                    throw KernelError(
                        step: "sysctl net.ipv4.vs.conntrack", reason: .notFound, detail: "there is no such setting")
                }
            },
            rule(
                "iptables' match for IPVS", module: "xt_ipvs", table: "nat", chain: "POSTROUTING",
                "-d 10.0.0.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.0.2"),
            rule(
                "marks in iptables", module: "xt_mark", table: "mangle", chain: "PREROUTING",
                "-p tcp -m tcp --dport 8080 -j MARK --set-xmark 0x100/0xffffffff"),
            rule(
                "redirection in iptables", module: "xt_REDIRECT", table: "nat", chain: "PREROUTING",
                "-d 10.0.0.5/32 -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 80"),
        ]
    }

    /// IPVS refuses every destination where the namespace has no table of local addresses yet.
    private static func giveAddress() throws(KernelError) {
        let own = Rtnl.Address(link: "lo", address: CIDR(host: .v4(IPv4Address(rawValue: 0x0a00_0002))))
        let text = "\(Plan.Step.addressAdd(own))"
        do throws(NetlinkError) {
            _ = try StepTaker(text: text).takeOverRoute(.addressAdd(own))
        } catch {
            throw error.kernelError(text)
        }
    }

    private static func trial(
        _ name: String, remedy: String, _ body: @escaping @Sendable () throws(KernelError) -> Void
    ) -> Trial {
        Trial(name, disables: Preflight.classic, remedy: remedy, isEssential: false, body)
    }

    private static func rule(_ name: String, module: String, table: String, chain: String, _ text: String) -> Trial {
        trial(name, remedy: "install iptables, and load the module: modprobe \(module)") { () throws(KernelError) in
            let table = IPTables.Table(
                family: .ip, name: table, chains: [IPTables.Chain(name: chain, rules: [IPTables.Rule(text)])])
            try Firewall(isSandbox: true).change(
                table, from: nil, step: "iptables -t \(table.name) -A \(chain) \(text)")
        }
    }
}
