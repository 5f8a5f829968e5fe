/// Something that is made wrong on a node for real, and what the doctor has to say of it.
struct PlantedFault: Sendable, CustomStringConvertible {
    var check: String
    var script: String
    /// Takes away what is not Causeway's; the daemon puts its own back.
    var undo: String
    /// In the cause.
    var says: String
    /// The namespace in which the thing is, or its owner's name: in a piece of evidence's place.
    var hop: String
    var owner: String?
    /// Whether both nodes' inventories are needed to see it.
    var needsBoth: Bool

    init(
        _ check: String, _ script: String, undo: String = "true", says: String, at hop: String = "host n1",
        owner: String? = nil, needsBoth: Bool = false
    ) {
        self.check = check
        self.script = script
        self.undo = undo
        self.says = says
        self.hop = hop
        self.owner = owner
        self.needsBoth = needsBoth
    }

    var description: String { "\(check): \(script)" }
}

/// Who is where on `n1`, as faults need it.
struct DoctorTown: Sendable {
    /// A service of two tasks, on 8080.
    var web: LabCluster.Place
    var client: LabCluster.Place
    /// Of `web`'s task here: on the network, and on ingress.
    var address: String
    var ingress: String
    var clientAddress: String

    static let folder = "\(LabCluster.folder)/n1/netns"

    static func namespace(_ task: LabCluster.Place) -> String { "cw-\(task.name).\(task.id.prefix(8))" }
    static func inside(_ task: LabCluster.Place) -> String { "nsenter --net=\(folder)/\(namespace(task))" }
    static func link(_ task: LabCluster.Place) -> String { "cw-\(task.id.prefix(10))" }

    var faults: [PlantedFault] { switches + filters + tunnels + entries + addresses + backends }

    private var switches: [PlantedFault] {
        let inside = Self.inside(web)
        return [
            PlantedFault("ip-forward", "sysctl -qw net.ipv4.ip_forward=0", says: "does not forward IPv4"),
            PlantedFault(
                "ip-forward", "sysctl -qw net.ipv6.conf.all.forwarding=0", says: "does not forward IPv6"),
            PlantedFault(
                "ip-forward", "sysctl -qw net.ipv4.conf.eth0.forwarding=0",
                undo: "sysctl -qw net.ipv4.conf.eth0.forwarding=1", says: "comes in by eth0"),
            PlantedFault(
                "rp-filter",
                """
                ip link add eth7 type veth peer name eth8; ip link set eth7 up; ip link set eth8 up
                ip address add 198.18.7.1/24 dev eth7
                ip route add 198.18.7.0/25 dev eth0; ip route add 198.18.7.128/25 dev eth0
                sysctl -qw net.ipv4.conf.eth7.rp_filter=1
                """,
                undo: "ip route del 198.18.7.0/25 dev eth0; ip route del 198.18.7.128/25 dev eth0; ip link del eth7",
                says: "come in by eth7 are dropped"),
            PlantedFault(
                "src-valid-mark",
                "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.cw-vxlan.src_valid_mark=0",
                undo: "sysctl -qw net.ipv4.conf.all.rp_filter=0", says: "as they come out of cw-vxlan"),
            PlantedFault("src-valid-mark", "sysctl -qw net.ipv4.fwmark_reflect=0", says: "go the wrong way"),
            PlantedFault(
                "route-localnet", "sysctl -qw net.ipv4.conf.eth0.route_localnet=1",
                undo: "sysctl -qw net.ipv4.conf.eth0.route_localnet=0", says: "127.0.0.1"),
            PlantedFault(
                "task-ipv6", "\(inside) sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1",
                says: "has IPv6 switched off", at: web.name),
            PlantedFault(
                "br-netfilter",
                """
                sysctl -qw net.bridge.bridge-nf-call-iptables=1
                ip link add br7 type bridge; ip link set br7 up
                for i in 1 2; do ip link add tap$i type veth peer name far$i; ip link set tap$i master br7; done
                iptables -P FORWARD DROP
                """,
                undo: "ip link del br7; ip link del tap1; ip link del tap2; iptables -P FORWARD ACCEPT",
                says: "the ports of br7 are dropped"),
        ]
    }

    private var filters: [PlantedFault] {
        [
            PlantedFault(
                "forward-drop", "iptables -P FORWARD DROP; iptables -F FORWARD", undo: "iptables -P FORWARD ACCEPT",
                says: "8080/tcp of service dr-web", owner: "a bare policy"),
            PlantedFault(
                "forward-drop",
                "iptables -N ufw-reject-forward; iptables -A ufw-reject-forward -j REJECT; iptables -A FORWARD -j ufw-reject-forward",
                undo:
                    "iptables -D FORWARD -j ufw-reject-forward; iptables -F ufw-reject-forward; iptables -X ufw-reject-forward",
                says: "ufw drops", owner: "ufw"),
            PlantedFault(
                "forward-drop",
                """
                nft 'add table inet firewalld; add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; }'
                nft 'add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited'
                """, undo: "nft delete table inet firewalld", says: "firewalld drops", owner: "firewalld"),
            PlantedFault(
                "forward-drop",
                """
                nft 'add table ip mine; add chain ip mine out { type filter hook forward priority 5; }'
                nft 'add rule ip mine out tcp dport 80 drop comment "no plain http"'
                """, undo: "nft delete table ip mine", says: "8080/tcp of service dr-web", owner: "somebody's own rule"),
            PlantedFault(
                "published-port",
                """
                nft 'add table inet mine; add chain inet mine early { type filter hook prerouting priority -350; }'
                nft 'add rule inet mine early tcp dport 8080 drop'
                """, undo: "nft delete table inet mine", says: "8080/tcp of service dr-web",
                owner: "somebody's own rule"),
            PlantedFault(
                "port-taken",
                """
                nft 'add table ip mine; add chain ip mine steal { type nat hook prerouting priority -101; }'
                nft 'add rule ip mine steal tcp dport 8080 redirect to :9999'
                busybox httpd -f -p 9999 >/dev/null 2>&1 & echo $! >/run/causeway-doctor-httpd
                """, undo: "nft delete table ip mine; kill $(cat /run/causeway-doctor-httpd)",
                says: "is answered by host n1", owner: "somebody's own rule"),
            PlantedFault(
                "open-beyond-firewall",
                "iptables -A INPUT -p tcp --dport 8080 -j DROP", undo: "iptables -D INPUT -p tcp --dport 8080 -j DROP",
                says: "can be reached although the host's firewall refuses it"),
            PlantedFault(
                "vxlan-blocked",
                "iptables -N ufw-user-input; iptables -A ufw-user-input -p udp --dport 4789 -j DROP; iptables -I INPUT -j ufw-user-input",
                undo: "iptables -D INPUT -j ufw-user-input; iptables -F ufw-user-input; iptables -X ufw-user-input",
                says: "tunnel packets from 192.0.2.2", owner: "ufw"),
            PlantedFault(
                "vxlan-blocked", "iptables -I OUTPUT -p udp --dport 4789 -j DROP",
                undo: "iptables -D OUTPUT -p udp --dport 4789 -j DROP", says: "tunnel packets to 192.0.2.2",
                owner: "somebody's own rule"),
            PlantedFault(
                "two-iptables", "iptables-legacy -A INPUT -i lo -j ACCEPT; iptables-nft -A INPUT -i lo -j ACCEPT",
                undo: "iptables-legacy -F; iptables-nft -D INPUT -i lo -j ACCEPT",
                says: "in the old interface at once"),
        ]
    }

    private var tunnels: [PlantedFault] {
        [
            PlantedFault(
                "mtu", "ip link set eth0 mtu 1400", undo: "ip link set eth0 mtu 1500",
                says: "1350 fit through eth0 to 192.0.2.2"),
            PlantedFault(
                "mtu", "ip link set \(Self.link(web)) mtu 1280", says: "is dropped above 1280 bytes", at: web.name),
            PlantedFault(
                "vtep-address",
                // In this order: what goes with the first address of a subnet are all others.
                "ip address del 192.0.2.1/24 dev eth0; ip address add 192.0.2.77/24 dev eth0",
                undo: """
                    ip address del 192.0.2.77/24 dev eth0; ip address add 192.0.2.1/24 dev eth0
                    ip route replace default via 192.0.2.254 dev eth0
                    """, says: "sends from 192.0.2.1, which no link of the host has"),
            PlantedFault("link-down", "ip link set cw-vxlan down", says: "cw-vxlan of host n1 is down"),
            PlantedFault(
                "fdb-missing", "bridge fdb del 02:ca:75:00:00:02 dev cw-vxlan dst 192.0.2.2 self",
                says: "does not know behind which node"),
            PlantedFault(
                "fdb-stale",
                """
                bridge fdb del 02:ca:75:00:00:02 dev cw-vxlan dst 192.0.2.2 self
                bridge fdb append 02:ca:75:00:00:02 dev cw-vxlan dst 192.0.2.99 self permanent
                """, says: "to 192.0.2.99, where it is not", needsBoth: true),
            PlantedFault(
                "fdb-stale", "bridge fdb append 02:ca:75:00:00:63 dev cw-vxlan dst 192.0.2.99 self permanent",
                says: "02:ca:75:00:00:63, which is no neighbour's"),
        ]
    }

    private var entries: [PlantedFault] {
        let (inside, link) = (Self.inside(web), Self.link(web))
        return [
            PlantedFault(
                "neighbor-missing", "ip neigh del 100.64.0.2 dev cw-vxlan", says: "no neighbour entry for 100.64.0.2"),
            PlantedFault(
                "neighbor-missing", "\(inside) ip neigh del 169.254.1.1 dev eth0",
                says: "no neighbour entry for 169.254.1.1", at: web.name),
            PlantedFault(
                "neighbor-stale", "ip neigh replace \(address) lladdr 02:00:00:00:00:99 dev \(link) nud permanent",
                says: "at 02:00:00:00:00:99", owner: web.name),
            PlantedFault(
                "neighbor-failed",
                "ip route add 198.18.0.0/24 via 192.0.2.250; busybox ping -c 1 -W 4 198.18.0.1 || true",
                undo: "ip route del 198.18.0.0/24; ip neigh flush dev eth0 nud failed",
                says: "the gateway 192.0.2.250 does not answer"),
            PlantedFault(
                "task-route", "ip route del \(address) dev \(link) table 213",
                says: "does not lead \(address) to task \(web.name)",
                owner: web.name),
            PlantedFault("link-down", "ip link set \(link) down", says: "is down", owner: web.name),
            PlantedFault(
                "leftover-link", "ip link add veth77 type veth peer name veth78", undo: "ip link del veth77",
                says: "veth77 is left over", owner: "Docker"),
            PlantedFault(
                "leftover-namespace",
                "touch \(Self.folder)/cw-old.1.zzzzzzzz; nsenter -t 1 -m unshare --net=\(Self.folder)/cw-old.1.zzzzzzzz true",
                undo: "nsenter -t 1 -m umount \(Self.folder)/cw-old.1.zzzzzzzz; rm -f \(Self.folder)/cw-old.1.zzzzzzzz",
                says: "cw-old.1.zzzzzzzz is left over", at: "old.1", owner: "Causeway"),
        ]
    }

    private var addresses: [PlantedFault] {
        [
            PlantedFault(
                "duplicate-address", "\(Self.inside(client)) ip address add \(address)/32 dev eth0",
                says: "have one address, \(address)", at: client.name, owner: client.name),
            PlantedFault(
                "subnet-overlap", "ip route add 10.0.0.0/15 via 192.0.2.254", undo: "ip route del 10.0.0.0/15",
                says: "overlap"),
        ]
    }

    private var backends: [PlantedFault] {
        let slots = (0..<64)
        func all(_ target: String) -> String {
            let elements = slots.map { "tcp . 8080 . \($0) : \(target) . 80" }.joined(separator: ", ")
            return
                "nft flush map inet causeway published4_64; nft 'add element inet causeway published4_64 { \(elements) }'"
        }
        return [
            PlantedFault(
                "stale-backend", all("10.0.0.250"), says: "8080/tcp of service dr-web leads to 10.0.0.250",
                owner: "Causeway"),
            PlantedFault(
                "missing-backend", all("10.0.0.250"), says: "does not lead to task \(web.name)", owner: "Causeway"),
            PlantedFault(
                "no-backend", "nft flush map inet causeway published4_64; nft flush map inet causeway published6_64",
                says: "8080/tcp of service dr-web leads to no task", owner: "service dr-web"),
            PlantedFault(
                "no-backend", "nft flush map inet causeway backends4_64", says: "of service dr-web leads to no task",
                owner: "service dr-web"),
            PlantedFault(
                "way-out", "nft flush chain inet causeway postrouting", says: "leaves with its own address"),
            PlantedFault(
                "resolver", "\(Self.inside(web)) nft flush ruleset", says: "no name resolves in task \(web.name)",
                at: web.name),
            PlantedFault(
                "closed-port",
                "\(Self.inside(web)) nft add table ip mine; "
                    + "\(Self.inside(web)) nft 'add chain ip mine in { type nat hook prerouting priority -100; }'; "
                    + "\(Self.inside(web)) nft 'add rule ip mine in tcp dport 80 redirect to :81'",
                undo: "\(Self.inside(web)) nft delete table ip mine", says: "nothing listens on", at: web.name,
                owner: "service dr-web"),
        ]
    }
}
