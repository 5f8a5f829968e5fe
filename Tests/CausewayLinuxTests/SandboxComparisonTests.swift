import CausewayKernel
import CausewayModel
import CausewayTestKit
import Foundation
import Testing

/// The comparison of two clusters' sandboxes: blind for what a cluster chooses, and for nothing else.
@Suite struct SandboxComparisonTests {
    /// Everything that another cluster would have chosen otherwise.
    private static let others: [(String, String)] = [
        ("10.0.0.", "172.31.200."), ("10.0.1.", "10.99.7."), ("192.168.77.", "198.51.100."), ("172.18.", "172.29."),
        ("02:42:0a:00:00:", "02:42:ac:1f:c8:"), ("02:42:0a:00:01:", "02:42:0a:63:07:"),
        ("02:42:ac:12:", "02:42:ac:1d:"), ("0A0000", "AC1FC8"), ("0A0001", "0A6307"), ("hosta", "amsterdam"),
        ("hostb", "brno"), ("\"web", "\"shop"), ("/web.", "/shop."), ("web", "shop"), ("4096", "70001"),
        ("4097", "70002"), ("0x104/", "0x1f7/"), ("FWM  00000104", "FWM  000001F7"), ("260", "503"),
        ("veth7d12a6c", "vethfeedbee"), ("4zh0gkbiba", "zzzzzzzzzz"), ("0wqu25uvv", "yyyyyyyyy"),
    ]
    private static let back = [
        "shop": "web", "probe-amsterdam": "probe-hosta", "probe-brno": "probe-hostb",
    ]

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "CausewayPathTests/Fixtures/docker-swarm-20.10").resolvingSymlinksInPath()

    /// The recorded Docker Swarm's two nodes, with other words in every file.
    private static func swarm(_ names: [(String, String)] = []) throws -> [Inventory] {
        func rename(_ text: String) -> String { names.reduce(text) { $0.replacingOccurrences(of: $1.0, with: $1.1) } }
        return try ["hosta", "hostb"].map { host in
            let root = folder.appending(path: host)
            var files: [String: [UInt8]] = [:]
            let all = try #require(FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil))
            for case let file as URL in all where !file.hasDirectoryPath {
                let name = String(file.resolvingSymlinksInPath().path.dropFirst(root.path.count + 1))
                files[rename(name)] = Array(rename(String(decoding: try Data(contentsOf: file), as: UTF8.self)).utf8)
            }
            return try Recording(files: files, fallbackName: rename(host)).inventory()
        }
    }

    @Test func `a cluster that chose otherwise is the same`() throws {
        let comparison = SandboxComparison(
            try Self.swarm(), try Self.swarm(Self.others), renaming: Self.back)

        #expect(comparison.differences.isEmpty, "\(comparison)")
    }

    /// What all the lines are made of: nothing is alike only because nothing was read.
    @Test func `every namespace of the swarm's is there, in roles' names`() throws {
        let shape = SandboxShape(try Self.swarm())

        #expect(
            Set(shape.places.keys.filter { $0.hasPrefix("node1 ") }) == [
                "node1 host", "node1 overlay of ingress", "node1 overlay of network1", "node1 balancer of ingress",
                "node1 balancer of network1", "node1 web@node1", "node1 web#2@node1", "node1 api@node1",
                "node1 rr@node1", "node1 glob@node1", "node1 probe-hosta@node1",
            ])
        let sandbox = try #require(shape.places["node1 balancer of ingress"])
        #expect(
            sandbox["iptables mangle PREROUTING"]
                == ["-p tcp -m tcp --dport 8080 -j MARK --set-xmark mark(web)/0xffffffff"])
        #expect(
            sandbox["iptables mangle INPUT"] == ["-d vip.web.ingress/32 -j MARK --set-xmark mark(web)/0xffffffff"])
        #expect(
            sandbox["iptables nat POSTROUTING"]?.contains(
                "-d ingress -m ipvs --ipvs -j SNAT --to-source balancer@node1.ingress") == true)
        #expect(
            sandbox["balancer"] == [
                "mark(web) rr", "mark(web) to web#2@node1.ingress:0 masquerade weight 1",
                "mark(web) to web#2@node2.ingress:0 masquerade weight 1",
                "mark(web) to web@node1.ingress:0 masquerade weight 1",
                "mark(web) to web@node2.ingress:0 masquerade weight 1",
            ])
        #expect(sandbox["addresses"]?.contains("vip.web.ingress/32 dev eth0") == true, "\(sandbox)")
        #expect(sandbox["routes"] == ["default via gateway.gwbridge dev eth1"])
        let overlay = try #require(shape.places["node1 overlay of ingress"])
        #expect(
            overlay["neighbours"]?.contains("balancer@node2.ingress is mac(balancer@node2.ingress) dev vxlan0")
                == true, "\(overlay)")
        #expect(overlay["forwarding"]?.contains("mac(web@node2.ingress) by node2 dev vxlan0") == true, "\(overlay)")
        #expect(
            shape.places["node1 host"]?["iptables nat DOCKER-INGRESS"] == [
                "-p tcp -m tcp --dport 8080 -j DNAT --to-destination balancer@node1.gwbridge:8080", "-j RETURN",
            ])
    }

    /// A change to one namespace of one node, and the one thing that is to be said of it.
    struct Planted: Sendable, CustomTestStringConvertible {
        var what: String
        var host = 0
        /// The namespace's name begins so.
        var space: String
        var change: @Sendable (inout NamespaceState) -> Void
        /// How many lines differ, and a part of one.
        var count: Int
        var said: String

        var testDescription: String { what }

        init(
            _ what: String, host: Int = 0, in space: String, count: Int = 1, said: String,
            _ change: @escaping @Sendable (inout NamespaceState) -> Void
        ) {
            (self.what, self.host, self.space, self.change) = (what, host, space, change)
            (self.count, self.said) = (count, said)
        }
    }

    private static func edit(
        _ space: inout NamespaceState, _ table: String, _ chain: String, _ change: (inout [IPTables.Rule]) -> Void
    ) {
        for at in space.iptables.indices where space.iptables[at].name == table {
            for place in space.iptables[at].chains.indices where space.iptables[at].chains[place].name == chain {
                change(&space.iptables[at].chains[place].rules)
            }
        }
    }

    private static let planted: [Planted] = [
        Planted(
            "a destination drains", in: "ingress_sbox", count: 2,
            said: "+ node1 balancer of ingress, balancer: mark(web) to web"
        ) { $0.ipvs[0].destinations[0].weight = 0 },
        Planted(
            "a destination is missing", in: "ingress_sbox",
            said: "- node1 balancer of ingress, balancer: mark(web) to web"
        ) { $0.ipvs[0].destinations.removeLast() },
        Planted("a destination is routed", in: "ingress_sbox", count: 2, said: " route weight 1") {
            $0.ipvs[0].destinations[0].method = .route
        },
        Planted(
            "another scheduler", in: "ingress_sbox", count: 2,
            said: "+ node1 balancer of ingress, balancer: mark(web) wrr"
        ) {
            $0.ipvs[0].scheduler = "wrr"
        },
        Planted("the SNAT is missing", in: "ingress_sbox", said: "-m ipvs --ipvs -j SNAT") {
            edit(&$0, "nat", "POSTROUTING") { $0.removeAll { $0.text.contains("ipvs") } }
        },
        Planted("the mark rule is missing", in: "ingress_sbox", said: "--dport 8080 -j MARK") {
            edit(&$0, "mangle", "PREROUTING") { $0.removeAll() }
        },
        Planted(
            "a jump is at another place", in: "host", count: 2, said: "iptables filter FORWARD: -j DOCKER-INGRESS"
        ) {
            edit(&$0, "filter", "FORWARD") { rules in
                let jump = rules.first { $0.target == .jump("DOCKER-INGRESS") }!
                rules.removeAll { $0 == jump }
                rules.append(jump)
            }
        },
        Planted("the port leads elsewhere", in: "host", count: 2, said: "--to-destination gateway.gwbridge:8080") {
            edit(&$0, "nat", "DOCKER-INGRESS") { rules in
                rules[0] =
                    IPTables.Table.read(
                        save: "*nat\n-A X -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.1:8080",
                        family: .ip)[0].chains[0].rules[0]
            }
        },
        Planted("an address is missing", host: 1, in: "ingress_sbox", said: "- node2 balancer of ingress, addresses") {
            $0.addresses.removeAll { $0.address.isHost && $0.link == "eth0" }
        },
        Planted("a neighbour is missing", in: "1-4zh0gkbiba", said: "- node1 overlay of ingress, neighbours") {
            $0.neighbors.remove(at: $0.neighbors.firstIndex { $0.state == "permanent" }!)
        },
        Planted("a frame goes to nobody", in: "1-4zh0gkbiba", count: 2, said: "by 192.168.77.99 dev vxlan0") {
            let at = $0.forwarding.firstIndex { $0.isLearned != true }!
            $0.forwarding[at].destination = IPAddress("192.168.77.99")!
        },
        Planted("another MTU", in: "1-4zh0gkbiba", count: 2, said: "mtu 1500") {
            let at = $0.links.firstIndex { $0.link.name == "br0" }!
            $0.links[at].link.mtu = 1500
        },
        Planted("a tunnel that does not answer", in: "1-4zh0gkbiba", count: 2, said: "noproxy") {
            let at = $0.links.firstIndex { $0.tunnel != nil }!
            $0.links[at].tunnel?.answersNeighbors = false
        },
        Planted("a port is off the bridge", in: "1-4zh0gkbiba", count: 4, said: "veth0") {
            let at = $0.links.firstIndex { $0.link.name == "veth0" }!
            $0.links[at].controller = nil
        },
        Planted("forwarding is off", in: "ingress_sbox", count: 2, said: "net.ipv4.ip_forward = 0") {
            $0.sysctls["net.ipv4.ip_forward"] = "0"
        },
        Planted("no way out", in: "ingress_sbox", said: "default via gateway.gwbridge dev eth1") {
            $0.routes.removeAll { $0.destination.prefixLength == 0 }
        },
    ]

    @Test(arguments: planted)
    private func `a planted difference is found`(_ planted: Planted) throws {
        let swarm = try Self.swarm()
        var other = swarm
        let at = try #require(
            other[planted.host].namespaces.firstIndex { $0.name.hasPrefix(planted.space) })
        planted.change(&other[planted.host].namespaces[at])

        let comparison = SandboxComparison(swarm, other)

        #expect(comparison.differences.count == planted.count, "\(comparison)")
        #expect(comparison.description.contains(planted.said), "\(comparison)")
    }

    @Test func `a namespace that one has not is said once`() throws {
        let swarm = try Self.swarm()
        var other = swarm
        other[1].namespaces.removeAll { $0.name == "lb_0wqu25uvv" }

        let missing = SandboxComparison(swarm, other).differences.filter { $0.section == "namespace" }

        #expect(missing.map(\.description) == ["- node2 balancer of network1, namespace: is there"])
    }
}
