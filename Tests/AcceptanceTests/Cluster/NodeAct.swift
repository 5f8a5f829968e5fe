import Foundation

/// Something that somebody else does to what is ours on a node of a cluster.
struct NodeAct: Sendable, CustomStringConvertible {
    /// One of the node's namespaces; `nil` is its own.
    var namespace: String?
    var script: String
    /// Whether it takes away what is others', too.
    var hitsOthers = false

    var description: String { namespace.map { "\($0): \(script)" } ?? script }

    func run(on node: String) async throws {
        guard let namespace else {
            try await lab.shell(node, script)
            return
        }
        try await NodeView(node: node).shell(namespace, script)
    }

    /// Kinds of acts, each with what it can be done to now on this node.
    static func all(on node: String) async throws -> [[NodeAct]] {
        let kinds = [
            try await forwarding(node), try await neighbours(node), try await routes(node), try await rules(node),
            tables, devices, others,
        ]
        return kinds.filter { !$0.isEmpty }
    }

    private static func forwarding(_ node: String) async throws -> [NodeAct] {
        try await lab.shell(node, "bridge fdb show dev cw-vxlan").lines.filter { $0.contains(" dst ") }.flatMap {
            line in
            let words = line.split(separator: " ")
            guard let at = words.firstIndex(of: "dst") else { return [NodeAct]() }
            let (mac, address) = (words[0], words[at + 1])
            return [
                NodeAct(script: "bridge fdb delete \(mac) dev cw-vxlan dst \(address) self"),
                NodeAct(
                    script: "bridge fdb delete \(mac) dev cw-vxlan dst \(address) self; "
                        + "bridge fdb append \(mac) dev cw-vxlan dst 192.0.2.250 self permanent"),
                NodeAct(script: "bridge fdb append 02:ca:75:00:0e:0e dev cw-vxlan dst 192.0.2.251 self permanent"),
            ]
        }
    }

    private static func neighbours(_ node: String) async throws -> [NodeAct] {
        try await lab.shell(node, "ip neighbour show nud permanent; ip -6 neighbour show nud permanent").lines
            .filter { $0.contains(" dev cw-") }.flatMap { line in
                let words = line.split(separator: " ")
                return [
                    NodeAct(script: "ip neighbour delete \(words[0]) dev \(words[2])"),
                    NodeAct(
                        script:
                            "ip neighbour replace \(words[0]) lladdr 02:00:00:00:00:99 dev \(words[2]) nud permanent"),
                ]
            }
    }

    private static func routes(_ node: String) async throws -> [NodeAct] {
        var acts = [NodeAct(script: "ip route flush table all proto 213")]
        for family in ["-4", "-6"] {
            acts += try await lab.shell(node, "ip \(family) route show table all proto 213").lines.map {
                NodeAct(script: "ip \(family) route delete \($0.trimmingCharacters(in: .whitespaces)) proto 213")
            }
        }
        return acts
    }

    private static func rules(_ node: String) async throws -> [NodeAct] {
        var acts: [NodeAct] = []
        for family in ["-4", "-6"] {
            acts += try await lab.shell(node, "ip \(family) -details rule show").lines
                .filter { $0.contains("proto 213") }.map { line in
                    NodeAct(script: "ip \(family) rule delete pref \(line.prefix { $0 != ":" })")
                }
        }
        return acts
    }

    private static let tables = [
        NodeAct(script: "nft flush ruleset", hitsOthers: true),
        NodeAct(script: "nft delete table inet causeway"),
        NodeAct(script: "nft flush table inet causeway"),
        NodeAct(script: "nft flush chain inet causeway prerouting"),
        NodeAct(script: "nft insert rule inet causeway forward drop"),
        NodeAct(script: "nft flush set inet causeway targets4"),
        NodeAct(script: "nft flush map inet causeway published4_64"),
    ]

    private static let devices = [
        NodeAct(script: "ip link delete cw-vxlan"),
        NodeAct(script: "ip link set cw-vxlan down"),
        NodeAct(script: "ip link set cw-vxlan mtu 1280"),
        NodeAct(script: "ip link set cw-vxlan down; ip link set cw-vxlan address 02:00:00:00:00:98"),
        NodeAct(script: "ip link set cw-vxlan down; ip link set cw-vxlan name renamed"),
        NodeAct(script: "ip address flush dev cw-vxlan"),
        // Ours may be back before another can take its name.
        NodeAct(
            script: "ip link delete cw-vxlan; "
                + "ip link add cw-vxlan type vxlan id 77 dstport 4789 local 192.0.2.250 2>/dev/null || true"),
    ]

    private static let others = [
        NodeAct(script: "iptables -F", hitsOthers: true),
        NodeAct(script: "iptables -P FORWARD DROP", hitsOthers: true),
        NodeAct(script: "sysctl -qw net.ipv4.ip_forward=0"),
        NodeAct(script: "sysctl -qw net.ipv6.conf.all.forwarding=0"),
    ]
}
