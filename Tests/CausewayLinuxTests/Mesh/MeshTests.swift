import CausewayAgent
import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayTestKit
import Foundation
import Testing

@Suite(.enabled(if: TestNamespace.isAllowed, Comment(rawValue: TestNamespace.whyNot)), .serialized)
struct MeshTests {
    /// What `twin` says, one line for each address, without its last word.
    private func ask(
        _ bed: MeshBed, from namespace: String? = nil, _ arguments: String...
    ) async throws -> [String] {
        let held = try Held(bed, arguments, in: namespace ?? bed.client.name)
        defer { held.close() }
        return try await held.answers()
    }

    @Test(arguments: [0, 1, 2])
    func `the task sees the client's own address and port, whichever node was asked`(_ filter: Int) async throws {
        try await MeshBed.run(reversePathFilter: filter) { bed in
            for transport in ["tcp", "udp"] {
                let ports4 = try await ask(bed, transport, "40000", "8080", "198.51.100.1", "198.51.100.2")
                // The same tuple twice on one task: the second connection gets another port, and no other address.
                #expect(ports4.first == "web.1 198.51.100.9 40000", "\(transport) \(filter)")
                #expect(ports4.count == 2 && ports4[1].hasPrefix("web.1 198.51.100.9 "), "\(ports4)")
                let ports6 = try await ask(bed, transport, "40001", "8080", "2001:db8:c::1", "2001:db8:c::2")
                #expect(ports6.first == "web.1 2001:db8:c::9 40001", "\(transport) \(filter)")
                #expect(ports6.count == 2 && ports6[1].hasPrefix("web.1 2001:db8:c::9 "), "\(ports6)")
            }
            #expect(try await bed.counted("foreign") == 0)
            #expect(try await bed.counted("tunnel") > 0)
        }
    }

    @Test func `over an IPv6 underlay it is the same`() async throws {
        try await MeshBed.run(MeshShop(underlay: .ip6), reversePathFilter: 1) { bed in
            let answers = try await ask(bed, "tcp", "40000", "8080", "198.51.100.1", "2001:db8:c::2")
            #expect(answers == ["web.1 198.51.100.9 40000", "web.1 2001:db8:c::9 40000"])
        }
    }

    @Test(arguments: [0, 1, 2])
    func `what the task and its node refuse is heard by the client`(_ filter: Int) async throws {
        try await MeshBed.run(reversePathFilter: filter) { bed in
            // Nobody listens on the target port: the task itself says so.
            for address in ["198.51.100.1", "2001:db8:c::2"] {
                #expect(try await ask(bed, "tcp", "0", "8081", address) == ["refused"])
                #expect(try await ask(bed, "udp", "0", "8081", address) == ["refused"])
            }
            // The way to the task is narrower than the client thinks: its node says so.
            let link = Rtnl.linkPrefix + bed.shop.webTasks[0].id.prefix(10)
            try await bed.nodes[2].shell("ip link set \(link) mtu 1300")
            for address in ["198.51.100.1", "2001:db8:c::2"] {
                let client = try Held(bed, ["udp", "0", "8080", address, "--size", "1390"], in: bed.client.name)
                _ = try await client.answers()
                #expect(try await client.again() == ["too big 1300"])
                client.close()
            }
        }
    }

    @Test func `connections to a task that is gone are reset, and datagrams refused`() async throws {
        try await MeshBed.run(reversePathFilter: 1) { bed in
            let tcp = try Held(bed, ["tcp", "0", "8080", "198.51.100.1", "2001:db8:c::2"], in: bed.client.name)
            let udp = try Held(bed, ["udp", "0", "8080", "198.51.100.1", "2001:db8:c::2"], in: bed.client.name)
            let own = try Held(bed, ["tcp", "0", "8080", "198.51.100.1"], in: bed.nodes[0].name)
            for held in [tcp, udp, own] { _ = try await held.answers() }
            // The entry nodes are told last: the task's node alone knows.
            var shop = bed.shop
            shop.gone = [1]
            try await bed.apply(shop, only: [3])
            #expect(try await tcp.again() == ["reset", "reset"])
            #expect(try await udp.again() == ["refused", "refused"])
            #expect(try await own.again() == ["reset"])
            for held in [tcp, udp, own] { held.close() }
        }
        try await MeshBed.run { bed in
            let tcp = try Held(bed, ["tcp", "0", "8080", "198.51.100.1", "2001:db8:c::2"], in: bed.client.name)
            let own = try Held(bed, ["tcp", "0", "8080", "198.51.100.1"], in: bed.nodes[0].name)
            for held in [tcp, own] { _ = try await held.answers() }
            var shop = bed.shop
            shop.gone = [1]
            try await bed.apply(shop)
            #expect(try await tcp.again() == ["reset", "reset"])
            let last = try await own.again()
            #expect(last == ["reset"])
            for held in [tcp, own] { held.close() }
        }
    }

    @Test(arguments: [0, 1])
    func `a virtual address leads to other nodes, and the server sees the calling task`(_ filter: Int) async throws {
        try await MeshBed.run(reversePathFilter: filter) { bed in
            let caller = TaskPlace.namespaceName(of: bed.shop.callerTasks[0])
            for transport in ["tcp", "udp"] {
                let answers = try await ask(
                    bed, from: caller, transport, "40002", "80", MeshShop.virtual4, MeshShop.virtual6)
                #expect(answers == ["web.1 10.0.1.101 40002", "web.1 fd12:3456:789a:2::101 40002"])
            }
            // Directly, and through a published port of its own node.
            let direct = try await ask(bed, from: caller, "tcp", "40003", "80", "10.0.1.5")
            #expect(direct == ["web.1 10.0.1.101 40003"])
            let published = try await ask(bed, from: caller, "tcp", "40004", "8080", "198.51.100.1")
            #expect(published == ["web.1 10.0.1.101 40004"])
        }
    }

    @Test(arguments: [0, 1, 2])
    func `every node's own programs reach a published port at every node`(_ filter: Int) async throws {
        try await MeshBed.run(reversePathFilter: filter) { bed in
            let own = try await ask(bed, from: bed.nodes[0].name, "tcp", "0", "8080", "198.51.100.1", "2001:db8:c::1")
            #expect(
                own.map { $0.split(separator: " ").prefix(2).joined(separator: " ") } == [
                    "web.1 198.51.100.1", "web.1 2001:db8:c::1",
                ])
            // From the task's own node, by another one: no host takes its own address from outside, so that the entry's
            // is seen.
            let back = try await ask(bed, from: bed.nodes[2].name, "tcp", "0", "8080", "192.0.2.1")
            #expect(back.first?.hasPrefix("web.1 100.64.0.1 ") == true, "\(back)")
        }
    }

    @Test func `a stranger's tunnel packets are dropped and counted`() async throws {
        try await MeshBed.run { bed in
            let task = try #require(bed.shop.webTasks.first)
            let inside = TestedNamespace(NetworkNamespace(name: TaskPlace.namespaceName(of: task)))
            try await inside.shell(
                """
                nft 'add table inet seen; add chain inet seen c { type filter hook input priority 0; }'
                nft 'add rule inet seen c ip saddr 10.0.1.101 counter'
                """)
            // It has a node's Ethernet address inside and its own outside, then a node's outside and its own inside.
            try await forge(bed, outer: "192.0.2.66", mac: Tunnel.macAddress(ofNode: 1).description)
            try await forge(bed, outer: "192.0.2.1", mac: "02:ca:75:00:00:42")
            let seen = try await inside.shell("nft list table inet seen")
            #expect(seen.contains("counter packets 0 bytes 0"), "\(seen)")
            let table = try await bed.nodes[2].shell("nft list table inet causeway")
            for comment in ["a tunnel packet from no node of the cluster", "from no node of the cluster"] {
                let line = try #require(table.split(separator: "\n").first { $0.contains("comment \"\(comment)\"") })
                #expect(!line.contains("packets 0 "), "\(line)")
            }
            // The real one is heard.
            #expect(try await ask(bed, "tcp", "0", "8080", "198.51.100.1").first?.hasPrefix("web.1") == true)
        }
    }

    private func forge(_ bed: MeshBed, outer: String, mac: String) async throws {
        let stranger = try await TestNamespace("mesh-x")
        let end = "wire-\(stranger.name.suffix(7))"
        try await bed.wire.shell(
            "ip link add \(end) type veth peer name eth0 netns \(stranger.name); ip link set \(end) master wire up")
        try await stranger.shell(
            """
            ip address add \(outer)/24 dev eth0; ip link set eth0 up
            ip link add v type vxlan id 4095 local \(outer) remote 192.0.2.3 dstport 4789
            ip link set v address \(mac); ip link set v up; ip address add 10.0.1.101/32 dev v
            ip route add 10.0.1.5/32 dev v
            ip neigh add 10.0.1.5 lladdr \(Tunnel.macAddress(ofNode: 3)) dev v nud permanent
            busybox ping -c 1 -W 1 10.0.1.5 || true
            """)
        try await bed.wire.shell("ip link delete \(end)")
        try stranger.close()
    }

    @Test func `a node's address in the tunnel answers pings and refuses all else`() async throws {
        try await MeshBed.run(reversePathFilter: 1) { bed in
            _ = try bed.start([bed.program("whoami"), "22"], in: bed.nodes[2].name)
            try await waitUntil("port 22") { try await bed.nodes[2].shell("ss -Hltn 'sport = :22'").contains(":22") }
            try await bed.nodes[0].shell(
                "busybox ping -c 1 -W 1 100.64.0.3; busybox ping -6 -c 1 -W 1 fd12:3456:789a::1:3")
            for port in ["9", "22", "8080"] {
                for transport in ["tcp", "udp"] {
                    let answers = try await ask(
                        bed, from: bed.nodes[0].name, transport, "0", port, "100.64.0.3", "fd12:3456:789a::1:3")
                    #expect(answers == ["refused", "refused"], "\(transport) \(port)")
                }
            }
        }
    }

    @Test func `what was measured of a way bounds its packets`() async throws {
        try await MeshBed.run { bed in
            var facts = NodeFacts()
            facts.paths = ["node3": PeerPath(mtu: 1350), "node1": PeerPath(mtu: 1350)]
            facts.tunnelOffload = false
            let open = try Held(bed, ["tcp", "0", "8080", "198.51.100.1"], in: bed.client.name)
            _ = try await open.answers()
            try await bed.apply(facts: facts)
            #expect(try await open.again().first?.hasPrefix("web.1") == true)
            open.close()
            let client = try Held(bed, ["udp", "0", "8080", "198.51.100.1", "--size", "1400"], in: bed.client.name)
            _ = try await client.answers()
            #expect(try await client.again() == ["too big 1350"])
            client.close()
            for node in bed.nodes {
                #expect(try await node.namespace.perform { try ChecksumOffload.isOn(Tunnel.linkName) } == false)
            }
            // TCP is told before it sends anything.
            let held = try Held(bed, ["tcp", "40007", "8080", "198.51.100.1"], in: bed.client.name)
            _ = try await held.answers()
            let sockets = try await bed.client.shell("ss -Htin 'sport = :40007'")
            #expect(sockets.contains("mss:1298"), "\(sockets)")
            held.close()
            facts.tunnelOffload = true
            try await bed.apply(facts: facts)
            for node in bed.nodes {
                #expect(try await node.namespace.perform { try ChecksumOffload.isOn(Tunnel.linkName) } == true)
            }
        }
    }
}

/// A running `twin`.
struct Held {
    private let process: Process
    private let output: FileHandle
    private let input: FileHandle

    init(_ bed: MeshBed, _ arguments: [String], in namespace: String) throws {
        (process, output, input) = try bed.start([bed.program("twin")] + arguments, in: namespace)
    }

    /// The lines up to the word `held`.
    func answers() async throws -> [String] {
        var bytes: [UInt8] = []
        while !String(decoding: bytes, as: UTF8.self).hasSuffix("held\n") {
            let more = output.availableData
            if more.isEmpty { break }
            bytes += more
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init).filter { $0 != "held" }
    }

    func again() async throws -> [String] {
        try input.write(contentsOf: Data("again\n".utf8))
        return try await answers()
    }

    func close() {
        try? input.close()
        process.terminate()
    }
}
