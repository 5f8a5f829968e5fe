import CausewayKernel

/// Something that somebody else does to what is ours.
struct Act: Sendable, CustomStringConvertible {
    var script: String
    /// Whether it takes rules away: these have to be back within 100 ms.
    var isAboutRules = false
    /// Whether it takes away what is others', too.
    var hitsOthers = false

    var description: String { script }

    /// What can be done to a task in `namespace`, with its link `link` and its address `address`.
    static func all(namespace: String, link: String, address: String) -> [Act] {
        rules(namespace) + links(namespace, link, address) + settings(namespace)
    }

    private static func rules(_ namespace: String) -> [Act] {
        [
            Act(script: "nft flush ruleset", isAboutRules: true, hitsOthers: true),
            Act(script: "nft delete table inet causeway", isAboutRules: true),
            Act(script: "nft flush table inet causeway", isAboutRules: true),
            Act(script: "nft flush chain inet causeway prerouting", isAboutRules: true),
            Act(script: "nft insert rule inet causeway forward drop", isAboutRules: true),
            Act(script: "nft flush set inet causeway targets4", isAboutRules: true),
            Act(script: "nft flush map inet causeway published4_64", isAboutRules: true),
            Act(script: "nft add set inet causeway stray '{ type ipv4_addr; }'", isAboutRules: true),
            Act(script: "ip netns exec \(namespace) nft flush ruleset", isAboutRules: true),
            Act(script: "iptables -F", hitsOthers: true),
            Act(script: "iptables -F FORWARD", hitsOthers: true),
            Act(script: "iptables -F DOCKER-USER", hitsOthers: true),
            Act(script: "iptables -P FORWARD DROP", hitsOthers: true),
        ]
    }

    private static func links(_ namespace: String, _ link: String, _ address: String) -> [Act] {
        [
            Act(script: "ip link set \(link) down"),
            Act(script: "ip link set \(link) mtu 1280"),
            Act(script: "ip link delete \(link)"),
            Act(script: "ip link set \(link) down; ip link set \(link) name stray0"),
            Act(script: "ip route flush table 213"),
            Act(script: "ip route delete \(address) table 213"),
            Act(script: "ip neighbour flush dev \(link) nud permanent"),
            Act(script: "ip neighbour replace \(address) lladdr 02:00:00:00:00:99 dev \(link) nud permanent"),
            Act(script: "ip -n \(namespace) link delete eth0"),
            Act(script: "ip -n \(namespace) link set eth0 down; ip -n \(namespace) link set eth0 name eth7"),
            Act(script: "ip -n \(namespace) address flush dev eth0"),
            Act(script: "ip -n \(namespace) address delete \(address)/32 dev eth0"),
            Act(script: "ip -n \(namespace) route flush table main"),
            Act(script: "ip -n \(namespace) neighbour flush dev eth0 nud permanent"),
        ]
    }

    private static func settings(_ namespace: String) -> [Act] {
        [
            Act(script: "sysctl -qw net.ipv4.ip_forward=0"),
            Act(script: "sysctl -qw net.ipv6.conf.all.forwarding=0"),
            Act(script: "ip netns exec \(namespace) sysctl -qw net.ipv6.conf.eth0.accept_ra=1"),
            Act(script: "ip netns exec \(namespace) sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1"),
            Act(script: "ip netns delete \(namespace)"),
            Act(script: "ip netns delete \(namespace); ip netns add \(namespace)"),
        ]
    }
}
