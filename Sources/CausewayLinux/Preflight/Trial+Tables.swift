import CausewayKernel

/// What our nftables say, piece by piece.
extension Trial {
    static var tables: [Trial] {
        let kernel = "use a kernel with nftables for inet (CONFIG_NF_TABLES_INET), and load its modules"
        return [
            table("nftables, family inet", remedy: kernel, "type filter hook forward priority -5;", "counter accept"),
            table(
                "balancing by numgen in maps (typeof)", remedy: "load the module: modprobe nft_numgen",
                sets: "map m { typeof meta l4proto . th dport . numgen random mod 64 : ip daddr . th dport; "
                    + "elements = { tcp . 80 . 5 : 10.0.0.5 . 80 } }",
                "type nat hook prerouting priority -100;",
                "dnat ip to meta l4proto . th dport . numgen random mod 64 map @m"),
            table(
                "concatenated sets with intervals", disables: "separate networks, published ports for some sources",
                remedy: "use Linux 5.6 or newer",
                sets: "set s { type inet_proto . inet_service . ipv4_addr; flags interval; "
                    + "elements = { tcp . 80 . 10.0.0.0/8 } }",
                "type filter hook input priority -5;", "meta l4proto . th dport . ip saddr @s accept"),
            table(
                "translation in output", disables: "published ports for the host itself",
                remedy: "load the module: modprobe nft_chain_nat", "type nat hook output priority -100;",
                "fib daddr type local tcp dport 80 dnat ip to 10.0.0.5:80"),
            table(
                "masquerading", disables: "the way of tasks to the outside",
                remedy: "load the module: modprobe nft_masq",
                "type nat hook postrouting priority 100;", "oifname != \"cw-*\" masquerade"),
            table(
                "fib look-ups", disables: "published ports", remedy: "load the module: modprobe nft_fib_inet",
                "type filter hook prerouting priority -300;", "fib daddr type local accept"),
            table(
                "reject before routing", disables: "an answer at once where no task is",
                remedy: "use Linux 5.9 or newer, and load nft_reject_inet", "type filter hook prerouting priority -90;",
                "meta l4proto tcp reject with tcp reset"),
            table(
                "connection states and marks", remedy: "load the module: modprobe nf_conntrack",
                "type filter hook forward priority -5;",
                "ct state established ct status dnat meta mark set meta mark | 0x0fff0000"),
            table(
                "conntrack zones", disables: "one client through two nodes at once", remedy: kernel, isEssential: false,
                "type filter hook prerouting priority -300;", "ct original zone set 5"),
            table(
                "notrack", disables: "cheap tunnels between nodes", remedy: kernel, isEssential: false,
                "type filter hook prerouting priority -300;", "udp dport 4789 notrack"),
        ]
    }

    /// A table with one base chain and one rule.
    private static func table(
        _ name: String, disables: String = "every service", remedy: String, isEssential: Bool = true,
        sets: String = "", _ base: String, _ rule: String
    ) -> Trial {
        Trial(name, disables: disables, remedy: remedy, isEssential: isEssential) { () throws(KernelError) in
            let text = "table inet preflight {\n\(sets)\nchain c {\n\(base)\n\(rule)\n}\n}\n"
            try Nftables.run(text, step: rule)
            try Nftables.run("delete table inet preflight\n", step: "delete table inet preflight")
        }
    }
}
