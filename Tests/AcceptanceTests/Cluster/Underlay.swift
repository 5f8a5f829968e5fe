import Foundation
import Testing

/// What can go wrong between the hosts of a lab, done in the namespace of their bridge, where no daemon looks.
enum Underlay {
    private static let table = "test-faults"

    // MARK: blips

    /// Takes a node's link down: it hears nothing and nobody hears it.
    static func cut(_ node: String) async throws { try await ip("link set \(node) down") }

    static func mend(_ node: String) async throws { try await ip("link set \(node) up") }

    /// Loses all that goes to a node; what it sends still arrives.
    static func deafen(_ node: String) async throws {
        try await nft(
            """
            add table netdev \(table)
            add chain netdev \(table) lost { type filter hook egress device \(node) priority 0; }
            add rule netdev \(table) lost drop
            """)
    }

    static func hear() async throws { try await nft("delete table netdev \(table)") }

    // MARK: narrow ways

    /// Between two nodes, in both directions.
    struct Way: Sendable {
        var nodes: (String, String)
        /// The largest packet that gets through.
        var mtu: Int
    }

    /// Loses, without a word, what is too large for a way.
    ///
    /// Each call says all of them anew.
    static func narrow(_ ways: [Way]) async throws {
        let rules = ways.flatMap { way in
            [(way.nodes.0, way.nodes.1), (way.nodes.1, way.nodes.0)].map { from, to in
                "add rule bridge \(table) way iifname \(from) oifname \(to) meta length > \(way.mtu) drop\n"
            }
        }
        try await nft(
            """
            add table bridge \(table)
            delete table bridge \(table)
            add table bridge \(table)
            add chain bridge \(table) way { type filter hook forward priority 0; }
            \(rules.joined())
            """)
    }

    static func widen() async throws { try await nft("add table bridge \(table)\ndelete table bridge \(table)") }

    /// Sets the MTU of every link of the underlay, and has the nodes' links cut what is larger, as a wire would need it.
    ///
    /// Between namespaces a packet that is to be cut later passes whole, however long it is. The hosts' own TCP, on which
    /// the sessions are, finds out by itself what fits, as it has to where nobody says what does not.
    static func setMTU(_ mtu: Int, nodes: [String]) async throws {
        try await ip("link set br0 mtu \(mtu)")
        for node in nodes {
            try await lab.shell(node, "sysctl -qw net.ipv4.tcp_mtu_probing=2 net.ipv4.tcp_base_mss=1024")
            try await ip("link set \(node) mtu \(mtu)")
            try await lab.shell(node, "ip link set eth0 mtu \(mtu) gso_max_segs 1")
        }
    }

    // MARK: a bad NIC

    static let badNIC = "/run/causeway-test-bad-nic"

    /// Puts a card between a node and the bridge that does not know what is inside tunnels.
    static func putBadNIC(_ node: String) async throws -> Spawned {
        let source = Machine.root.appending(path: "Tests/Support/bad-nic.c").path
        try await AcceptanceTests.shell("cc", "-O2", "-Wall", "-Werror", "-o", badNIC, source)
        try await ip("link add relay-out type veth peer name relay-in")
        try await ip("link set relay-out master br0 up")
        // The relay alone takes what arrives there: the underlay's kernel is not to answer for the bridge's address.
        try await ip("link set relay-in arp off up")
        try await ip("link set \(node) nomaster arp off")
        let said = "/run/causeway-test-bad-nic-\(UUID().uuidString)"
        let relay = try Spawned(
            lab.underlay.wrap([badNIC, "--tunnels-only", node, "relay-in"]), out: said, err: said)
        try await eventually("the relay to be ready") {
            try String(contentsOfFile: said, encoding: .utf8).contains("ready") ? true : nil
        }
        return relay
    }

    /// Puts a good one into its place.
    static func removeBadNIC(_ node: String, _ relay: Spawned) async throws {
        await relay.stop(SIGKILL)
        try await ip("link delete relay-out")
        try await ip("link set \(node) master br0 arp on")
    }

    // MARK: strangers

    /// Adds a host to the underlay that no node knows, with a tunnel to one of them; 192.0.2.200.
    static func addStranger(towards node: String, number: Int, inner: String) async throws {
        try await AcceptanceTests.shell("ip", "netns", "add", "stranger")
        try await ip("link add stranger type veth peer name eth0 netns stranger")
        try await ip("link set stranger master br0 up")
        let mac = String(format: "02:ca:75:00:%02x:%02x", number >> 8, number & 255)
        let script = """
            ip link set lo up; ip address add 192.0.2.200/24 dev eth0; ip link set eth0 up
            ip link add cw-vxlan address 02:ca:75:00:0f:01 type vxlan id 4095 dstport 4789 local 192.0.2.200 nolearning
            ip address add \(inner) dev cw-vxlan; ip link set cw-vxlan up
            bridge fdb append \(mac) dev cw-vxlan dst \(LabCluster.address(node)) self permanent
            ip neighbour replace 100.64.0.\(number) lladdr \(mac) dev cw-vxlan nud permanent
            ip route add 10.0.0.0/8 via 100.64.0.\(number)
            """
        try await Command(Machine.Place.namespace("stranger").wrap(["sh", "-ec", script])).run()
    }

    static func removeStranger() async throws { try await AcceptanceTests.shell("ip", "netns", "delete", "stranger") }

    // MARK: helpers

    private static func ip(_ words: String) async throws {
        try await Command(["ip", "-n", "cwlab-net"] + words.split(separator: " ").map(String.init)).run()
    }

    private static func nft(_ text: String) async throws {
        var command = Command(lab.underlay.wrap(["nft", "--file", "-"]))
        command.input = text
        try await command.run()
    }
}
