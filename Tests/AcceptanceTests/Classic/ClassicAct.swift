import CausewayKernel
import CausewayLinux
import Foundation

/// What somebody else can do to what a classic network has on a node.
enum ClassicAct {
    /// Kinds of places, each with the acts on what is there now.
    static func all(on node: String) async throws -> [[NodeAct]] {
        let view = NodeView(node: node)
        var kinds = [host.map { NodeAct(script: $0) } + others]
        for name in try NetworkNamespace.names(in: view.directory).sorted() where name.hasPrefix("cw-") {
            let said = try await view.shell(name, Self.listing)
            kinds.append(scripts(name, said).map { NodeAct(namespace: name, script: $0) })
        }
        return kinds
    }

    private static func scripts(_ namespace: String, _ said: Command.Said) -> [String] {
        guard Rtnl.isSandbox(namespace) else { return task(said) }
        guard !namespace.hasPrefix("cw-1-") else { return overlay(said) }
        return balancer(said) + (namespace == "cw-ingress_sbox" ? mesh : [])
    }

    private static let listing = """
        bridge fdb show 2>/dev/null | sed 's/^/fdb /'; ip neighbour show nud permanent | sed 's/^/neighbour /'
        ip -oneline link show type veth | sed 's/^[0-9]*: /veth /; s/@.*//'
        ip -4 -oneline address show dev eth0 2>/dev/null | sed 's/^/address /'; ipvsadm -Sn | sed 's/^/ipvs /'
        iptables-save | sed -n 's/^-A INPUT /rule /p'
        """

    private static let host = [
        "iptables -t nat -F DOCKER-INGRESS", "iptables -F DOCKER-INGRESS", "iptables -t nat -D PREROUTING 1",
        "iptables -t nat -F POSTROUTING", "ip link set docker_gwbridge down", "ip address flush dev docker_gwbridge",
        "sysctl -qw net.ipv4.ip_forward=0",
        "ip link delete $(ip -oneline link show master docker_gwbridge | sed 's/^[0-9]*: //; s/@.*//; q')",
    ]

    private static let others = ["iptables -F; iptables -t nat -F", "nft flush ruleset"].map {
        NodeAct(script: $0, hitsOthers: true)
    }

    /// Where br0 and vxlan0 are.
    private static func overlay(_ said: Command.Said) -> [String] {
        let entries = rows(said, "fdb").filter { $0.contains("dst") && $0.contains("vxlan0") }.flatMap { words in
            ["", "; bridge fdb append \(words[0]) dev vxlan0 dst 192.0.2.250 self permanent"].map {
                "bridge fdb delete \(words[0]) dev vxlan0 self" + $0
            }
        }
        let neighbours = rows(said, "neighbour").filter { $0.contains("vxlan0") }.flatMap { words in
            [
                "ip neighbour delete \(words[0]) dev vxlan0",
                "ip neighbour replace \(words[0]) lladdr 02:00:00:00:00:99 dev vxlan0 nud permanent",
            ]
        }
        let ports = rows(said, "veth").flatMap { ["ip link set \($0[0]) nomaster", "ip link delete \($0[0])"] }
        return entries + neighbours + ports + [
            "ip link delete vxlan0", "ip link set vxlan0 down", "ip link set vxlan0 mtu 1300",
            "ip link set vxlan0 nomaster", "ip link delete br0", "ip address flush dev br0",
        ]
    }

    /// Where IPVS is.
    private static func balancer(_ said: Command.Said) -> [String] {
        let lines = rows(said, "ipvs")
        let services = lines.filter { $0[0] == "-A" }.map { "ipvsadm -D \($0[1]) \($0[2])" }
        let destinations = lines.filter { $0[0] == "-a" }.flatMap { words in
            let which = words[1...4].joined(separator: " ")
            return ["ipvsadm -d \(which)", "ipvsadm -e \(which) -m -w 0", "ipvsadm -e \(which) -m -w 7"]
        }
        let virtual = rows(said, "address").flatMap { $0.filter { $0.hasSuffix("/32") } }
        return services + destinations + virtual.map { "ip address delete \($0) dev eth0" } + [
            "ipvsadm -C", "iptables -t mangle -F", "iptables -t nat -F", "iptables -t nat -F POSTROUTING",
            "ip link set eth0 down", "sysctl -qw net.ipv4.vs.conntrack=0",
        ]
    }

    /// Where published ports come in.
    private static let mesh = ["ip link set eth1 down", "ip route delete default", "iptables -t mangle -F PREROUTING"]

    private static func task(_ said: Command.Said) -> [String] {
        // One that publishes nothing has no rules of a classic network's.
        let rules = rows(said, "rule").isEmpty ? [] : ["iptables -t nat -F PREROUTING", "iptables -F"]
        return rules + ["ip route delete default", "ip link set eth1 down", "ip address flush dev eth0"]
    }

    /// The words of the lines that begin with `kind`.
    private static func rows(_ said: Command.Said, _ kind: String) -> [[String]] {
        said.lines.map { $0.split(separator: " ").map(String.init) }.filter { $0.count > 1 && $0[0] == kind }
            .map { Array($0.dropFirst()) }
    }
}
