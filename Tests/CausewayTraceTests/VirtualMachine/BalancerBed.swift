import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
import CausewayTestKit
import CausewayTrace
import Foundation
import Glibc
import Testing

/// One node of a Docker Swarm, made by hand as the engine makes it, with a client before it.
///
///     client 192.168.77.100 ── 192.168.77.11 node  docker_gwbridge 172.18.0.1
///                                                    └─ 172.18.0.2 ingress_sbox  10.0.0.2, 10.0.0.4
///     asker 10.0.0.20, web1 10.0.0.5, web2 10.0.0.6 ── br0 in 1-ingress ──┘
///
/// Port 8080 is published, and leads to port 80 of web1 and of web2. 10.0.0.4 is the service's address.
final class BalancerBed: NamespaceBed {
    static let names = ["client", "node", "ingress_sbox", "1-ingress", "asker", "web1", "web2"]
    static let mark = 260

    let folder: String
    let spaces: [String: NetworkNamespace]

    /// Made once: programs start slowly where nothing is accelerated.
    private static let made = Task { try await BalancerBed() }

    /// With the balancer as the engine leaves it, whatever a test before did.
    static func fresh() async throws -> BalancerBed {
        let bed = try await made.value
        try await bed.setBalancer()
        return bed
    }

    private init() async throws {
        folder = "/run/causeway-balancer-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
        var spaces: [String: NetworkNamespace] = [:]
        for name in Self.names { spaces[name] = try await NetworkNamespace.create(name: name, in: folder) }
        self.spaces = spaces
        for name in Self.names {
            try await shell(
                name,
                """
                ip link set lo up
                echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 1 >/proc/sys/net/ipv4/ip_forward
                """)
        }
        try await makeBridges()
        try await makeTasks()
        try await makeNode()
        try await makeSandbox()
    }

    // MARK: what the engine makes

    private func makeBridges() async throws {
        try await shell(
            "client",
            """
            ip link add eth0 type veth peer name eth0 netns \(folder)/node
            ip addr add 192.168.77.100/24 dev eth0; ip link set eth0 up
            """)
        try await shell(
            "node",
            """
            ip addr add 192.168.77.11/24 dev eth0; ip link set eth0 up
            ip link add docker_gwbridge type bridge
            ip addr add 172.18.0.1/16 dev docker_gwbridge; ip link set docker_gwbridge up
            ip link add gw0 type veth peer name eth1 netns \(folder)/ingress_sbox
            ip link set gw0 master docker_gwbridge up
            """)
        try await shell("1-ingress", "ip link add br0 type bridge; ip addr add 10.0.0.1/24 dev br0; ip link set br0 up")
        let ends = ["ingress_sbox": "10.0.0.2", "web1": "10.0.0.5", "web2": "10.0.0.6", "asker": "10.0.0.20"]
        for (number, end) in ends.sorted(by: { $0.key < $1.key }).enumerated() {
            try await shell(
                "1-ingress",
                """
                ip link add veth\(number) type veth peer name eth0 netns \(folder)/\(end.key)
                ip link set veth\(number) master br0 up
                """)
            try await shell(end.key, "ip addr add \(end.value)/24 dev eth0; ip link set eth0 up")
        }
    }

    private func makeTasks() async throws {
        for (name, address) in [("web1", "10.0.0.5"), ("web2", "10.0.0.6")] {
            try await shell(
                name,
                """
                iptables-restore <<'END'
                *nat
                -A PREROUTING -d \(address)/32 -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 80
                -A PREROUTING -d \(address)/32 -p udp -m udp --dport 8080 -j REDIRECT --to-ports 80
                COMMIT
                *filter
                -A INPUT -d \(address)/32 -p tcp -m tcp --dport 80 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
                -A INPUT -d \(address)/32 -p udp -m udp --dport 80 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
                -A INPUT -d \(address)/32 -p sctp -j DROP
                -A INPUT -d \(address)/32 -p tcp -j DROP
                -A OUTPUT -s \(address)/32 -p tcp -m tcp --sport 80 -m conntrack --ctstate ESTABLISHED -j ACCEPT
                -A OUTPUT -s \(address)/32 -p sctp -j DROP
                -A OUTPUT -s \(address)/32 -p tcp -j DROP
                COMMIT
                END
                """)
        }
    }

    private func makeNode() async throws {
        try await shell(
            "node",
            """
            sysctl -qw net.ipv4.conf.docker_gwbridge.route_localnet=1
            iptables-restore <<'END'
            *nat
            :DOCKER-INGRESS - [0:0]
            -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER-INGRESS
            -A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER-INGRESS
            -A POSTROUTING -o docker_gwbridge -m addrtype --src-type LOCAL -j MASQUERADE
            -A POSTROUTING -s 172.18.0.0/16 ! -o docker_gwbridge -j MASQUERADE
            -A DOCKER-INGRESS -p udp -m udp --dport 8080 -j DNAT --to-destination 172.18.0.2:8080
            -A DOCKER-INGRESS -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:8080
            -A DOCKER-INGRESS -j RETURN
            COMMIT
            *filter
            :FORWARD DROP [0:0]
            :DOCKER-INGRESS - [0:0]
            -A FORWARD -j DOCKER-INGRESS
            -A FORWARD -o docker_gwbridge -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
            -A FORWARD -i docker_gwbridge ! -o docker_gwbridge -j ACCEPT
            -A FORWARD -i docker_gwbridge -o docker_gwbridge -j DROP
            -A DOCKER-INGRESS -p udp -m udp --dport 8080 -j ACCEPT
            -A DOCKER-INGRESS -p tcp -m tcp --dport 8080 -j ACCEPT
            -A DOCKER-INGRESS -p tcp -m state --state RELATED,ESTABLISHED -m tcp --sport 8080 -j ACCEPT
            -A DOCKER-INGRESS -j RETURN
            COMMIT
            END
            """)
    }

    private func makeSandbox() async throws {
        try await shell(
            "ingress_sbox",
            """
            ip addr add 10.0.0.4/32 dev eth0
            ip addr add 172.18.0.2/16 dev eth1; ip link set eth1 up; ip route add default via 172.18.0.1
            """)
    }

    private func setBalancer() async throws {
        try await shell(
            "ingress_sbox",
            """
            iptables-restore <<'END'
            *mangle
            -A PREROUTING -p tcp -m tcp --dport 8080 -j MARK --set-xmark 0x104/0xffffffff
            -A PREROUTING -p udp -m udp --dport 8080 -j MARK --set-xmark 0x104/0xffffffff
            -A INPUT -d 10.0.0.4/32 -j MARK --set-xmark 0x104/0xffffffff
            COMMIT
            *nat
            -A POSTROUTING -d 10.0.0.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.0.2
            COMMIT
            END
            ipvsadm -R <<'END'
            \(Self.balancer("-m"))
            END
            sysctl -qw net.ipv4.vs.conntrack=1 net.ipv4.vs.expire_nodest_conn=1 net.ipv4.vs.conn_reuse_mode=0
            sysctl -qw net.ipv4.vs.expire_quiescent_template=1
            """)
    }

    /// For `ipvsadm -R`, which takes all at once.
    static func balancer(_ method: String, weight: Int = 1) -> String {
        """
        -C
        -A -f \(mark) -s rr
        -a -f \(mark) -r 10.0.0.5:0 \(method) -w \(weight)
        -a -f \(mark) -r 10.0.0.6:0 \(method) -w \(weight)
        """
    }

    // MARK: asking

    /// The state of all of them, as the lens reads it.
    func inventory() async throws -> Inventory {
        try await InventoryReader(
            enginePath: "/nonexistent", directories: [folder], hostname: "bed", readsUnnamed: false
        ).read()
    }

    /// Sends packets from a namespace and follows them.
    func trace(
        _ transport: Packet.Transport = .tcp, to target: String, _ port: UInt16, from name: String = "client",
        count: Int = 1, eyes: TraceSession.Eyes = .best
    ) async throws -> TraceRun.Result {
        let tracer = try PathTracer([try await inventory()])
        let packet = Packet(
            transport, from: .v4(IPv4Address(rawValue: 0)), Question.clientPort,
            to: try #require(IPAddress(target)), port)
        let subject = TraceRun.Subject(tracer, packet, from: .process(namespace: try space(name).inode))
        return try await TraceRun(
            subject, count: count, directories: [folder], eyes: eyes, patience: .milliseconds(900)
        ).send()
    }
}
