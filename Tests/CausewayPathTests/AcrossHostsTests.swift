import CausewayKernel
import CausewayModel
import Foundation
import Testing

@testable import CausewayPath

@Suite struct AcrossHostsTests {
    @Test func `a packet is followed through the tunnel, and its answer back by the node that was asked`() throws {
        let trace = try TwoHosts().cross()

        #expect(trace.isCertain)
        #expect(trace.outward.visits.map(\.place.heading) == ["host n1", "host n2", "task web.2 on n2"])
        #expect(trace.reply?.visits.map(\.place.heading) == ["task web.2 on n2", "host n2", "host n1"])
        #expect(trace.reply?.verdict.text == "leaves eth0 as 192.0.2.2:8080 > 203.0.113.9:40000 tcp")
        #expect(
            "\(trace.counts)"
                == "2 hosts, 3 namespaces, 3 IP stacks, no bridges, 2 NAT tables, 2 filter tables, 1 balancer, 2 tunnels"
        )
    }

    @Test func `the tunnel's hops have the outer addresses, and the answer the rule that steers it`() throws {
        let trace = try TwoHosts().cross()
        let into = try #require(trace.outward.hops.first { $0.stage.kind == .encapsulate })
        let back = try #require(trace.reply?.hops.first { !$0.rules.isEmpty && $0.stage.kind == .route })
        let zone = try #require(trace.outward.hops.first { $0.action.contains("zone") })
        let marks = trace.reply?.hops.filter { $0.place.title == "n2" && $0.action.contains("mark 0x10000") }

        #expect(into.packet.header == "192.0.2.2 > 192.0.2.3:4789 udp")
        #expect(into.action == "into VXLAN 4095: 02:ca:75:00:00:02 is behind 192.0.2.3")
        #expect(zone.action == "conntrack zone 1, accept")
        #expect(marks?.count == 1)
        #expect(back.place.title == "n2")
        #expect(back.action == "default via 100.64.0.1 dev cw-vxlan")
        #expect(back.rules.map(\.text) == ["21400: from all fwmark 0x10000/0xfff0000 lookup 2130001"])
    }

    @Test func `a task of one node calls another by its virtual address`() throws {
        let trace = try TwoHosts().ask(Question(target: "web", from: "task:client.1"), choice: 1)

        #expect(trace.outward.verdict.place.title == "web.2")
        #expect(trace.outward.hops.last?.packet.source == IPAddress("10.0.1.20"))
        #expect(trace.reply?.verdict.text == "the socket that asked, 10.0.1.20:40000")
    }

    @Test func `the node that is asked is chosen by name`() throws {
        let trace = try TwoHosts().ask(Question(target: "web:8080"), at: "n2")

        #expect(trace.outward.packet.destination == IPAddress("192.0.2.3"))
        #expect(trace.outward.verdict.place.heading == "task web.1 on n1")
        #expect(throws: PathError.unknownHost("n3", known: ["n1", "n2"])) {
            try TwoHosts().ask(Question(target: "web:8080"), at: "n3")
        }
    }

    @Test func `a task's node needs no route to the client, even if it checks sources strictly`() throws {
        var pair = TwoHosts()
        pair.second.host.routes.removeAll { $0.destination.prefixLength == 0 && $0.table == 254 }
        pair.second.host.sysctls["net.ipv4.conf.all.rp_filter"] = "1"
        #expect(try pair.cross().verdict.outcome == .delivered)

        pair.second.host.sysctls["net.ipv4.conf.cw-vxlan.src_valid_mark"] = "0"
        let trace = try pair.cross()
        #expect(trace.verdict.reason == .reversePathFilter)
        #expect(trace.verdict.place.title == "n2")
    }

    @Test func `without the rule for the mark the answer leaves by the wrong node`() throws {
        var pair = TwoHosts()
        pair.second.host.rules.removeAll { $0.mark == 1 << 16 }

        #expect(
            try pair.cross().verdict.text
                == "leaves eth0 as 10.0.0.6:80 > 203.0.113.9:40000 tcp, but 203.0.113.9:40000 waits for 192.0.2.2:8080")
    }

    @Test func `one host's inventory alone ends where the packet leaves it`() throws {
        let alone = try PathTracer([TwoHosts().inventories[0]])
        let answer = try alone.resolve(Question(target: "web:8080"))
        // The task on the other node has no name here, and stands first.
        let trace = try alone.trace(answer.packet, from: answer.entry)

        #expect(trace.verdict.outcome == .sent)
        #expect(
            trace.verdict.text == "leaves eth0 for 192.0.2.3, of which there is no inventory, with "
                + "203.0.113.9:40000 > 10.0.0.6:80 tcp inside")
    }

    @Test func `a trace across hosts survives JSON, and is drawn within the lines`() throws {
        let trace = try TwoHosts().cross()

        #expect(try JSONDecoder().decode(Trace.self, from: JSONEncoder().encode(trace)) == trace)
        #expect(trace.description.split(separator: "\n").allSatisfy { $0.count <= 100 })
        for text in ["192.0.2.2 &gt; 192.0.2.3:4789", "host n2", "task web.2 on n2", "fwmark 0x10000/0xfff0000"] {
            #expect(SVGRenderer().render(trace).contains(text))
        }
    }
}

@Suite struct BrokenTunnelTests {
    private func verdict(_ change: (inout TwoHosts) -> Void) throws -> Verdict {
        var pair = TwoHosts()
        change(&pair)
        return try pair.cross().verdict
    }

    @Test func `a missing forwarding entry is where the packet ends`() throws {
        let verdict = try verdict { $0.first.host.forwarding = [] }

        #expect(verdict.reason == .noRemote)
        #expect(verdict.text == "no forwarding entry of cw-vxlan says behind which host 02:ca:75:00:00:02 is")
    }

    @Test func `a missing neighbour is where the packet ends`() throws {
        let verdict = try verdict { $0.first.host.neighbors.removeAll { $0.neighbor.link == "cw-vxlan" } }

        #expect(verdict.reason == .neighborFailed)
    }

    @Test func `a network identifier that the other node does not have is said`() throws {
        let verdict = try verdict { pair in
            pair.second.host.links[2].link.kind = .vxlan(id: 4096, local: nil, port: 4789)
        }

        #expect(verdict.reason == .unknownIdentifier)
        #expect(verdict.text == "no VXLAN device that is up has the number 4095 here (cw-vxlan: VXLAN 4096)")
    }

    @Test func `a node that does not know the other drops its tunnel packets`() throws {
        let verdict = try verdict { pair in
            pair.editSecond = { table in
                table.sets = table.sets.map { $0.name == "peers4" ? Nft.Set(name: "peers4", key: [.ipv4Address]) : $0 }
            }
        }

        #expect(verdict.reason == .netfilter)
        #expect(verdict.place.title == "n2")
        #expect(verdict.text.contains("a tunnel packet from no node of the cluster"))
    }

    @Test func `a frame from an unknown station is dropped`() throws {
        let verdict = try verdict { pair in
            pair.editSecond = { table in
                table.sets = table.sets.map { set in
                    set.name == "node_of" ? Nft.Set(name: "node_of", key: [.etherAddress], data: [.other]) : set
                }
            }
        }

        #expect(verdict.text.contains("from no node of the cluster"))
    }

    @Test func `a firewall in front of the tunnel's port is said`() throws {
        let verdict = try verdict { pair in
            pair.second.host.iptables = [
                IPTables.Table(
                    family: .ip, name: "filter",
                    chains: [
                        IPTables.Chain(
                            name: "INPUT", policy: "ACCEPT",
                            rules: [
                                IPTables.Rule(
                                    text: "-p udp --dport 4789 -j DROP",
                                    matches: [.protocol(17), .destinationPort(4789...4789)], target: .drop)
                            ])
                    ])
            ]
        }

        #expect(verdict.reason == .netfilter)
        #expect(verdict.text.contains("--dport 4789"))
    }

    @Test func `a packet that is too long for the tunnel is answered`() throws {
        var pair = TwoHosts()
        for index in pair.first.host.links.indices {
            pair.first.host.links[index].link.mtu = pair.first.host.links[index].link.name == "eth0" ? 1500 : 1450
        }

        #expect(try pair.cross(length: 1450).outward.verdict.outcome == .delivered)
        let trace = try pair.cross(length: 1451)
        let verdict = trace.verdict
        #expect(verdict.reason == .tooBig)
        #expect(verdict.answer == "icmp frag-needed (MTU 1450)", "\(trace.remarks)")
    }

    @Test func `an outer packet that does not fit is not certain to arrive`() throws {
        var pair = TwoHosts()
        pair.first.host.links[1].link.mtu = 1400

        let trace = try pair.cross(length: 1400)

        #expect(!trace.isCertain)
        #expect(trace.verdict.uncertain.first?.contains("fragments") == true)
    }
}

@Suite struct InventoryJoinTests {
    @Test func `namespaces of two kernels with one number stay apart`() throws {
        let join = InventoryJoin(TwoHosts().inventories)

        #expect(join.hosts.map(\.name) == ["n1", "n2"])
        #expect(Set(join.inventory.namespaces.map(\.inode)).count == join.inventory.namespaces.count)
        #expect(join.inventory.owners.count == 3)
    }

    @Test func `inventories of one kernel tell of each namespace once`() throws {
        var (one, other) = (demo().inventory, demo().inventory)
        (one.machine, other.machine, other.hostname) = ("boot", "boot", "n2")
        // The second host is a namespace that the first one knows by its number alone.
        one.namespaces.append(NamespaceState(name: "net:[77]", path: "", inode: 77))
        other.namespaces.insert(NamespaceState(name: "host", path: "", inode: 77), at: 0)
        other.namespaces[1].name = "net:[1]"

        let join = InventoryJoin([one, other])

        #expect(join.inventory.namespaces.count == one.namespaces.count)
        #expect(join.hosts.map(\.position) == [0, one.namespaces.count - 1])
        #expect(join.hosts.map { join.inventory.namespaces[$0.position].name } == ["host", "host"])
        #expect(join.inventory.owners.count == one.owners.count)
    }

    @Test func `a snapshot of an earlier release is read, and its tunnels lead away`() throws {
        var inventory = TwoHosts().inventories[0]
        inventory.machine = nil
        inventory.schema = 1
        var text = String(decoding: try JSONEncoder().encode(inventory), as: UTF8.self)
        // Of those that were added since, a namespace may have something in the first alone.
        for name in ["forwarding", "stations", "ipvs"] {
            text.replace(try Regex(",\"\(name)\":\\[[^\\]]*\\]"), with: "")
            text.replace(try Regex("\"\(name)\":\\[[^\\]]*\\],"), with: "")
            #expect(!text.contains("\"\(name)\":["))
        }
        let old = try JSONDecoder().decode(Inventory.self, from: Data(text.utf8))

        let trace = try old.ask(Question(target: "web:8080"))

        #expect(trace.verdict.text == "into the tunnel cw-vxlan (VXLAN 4095), to another host")
    }
}

@Suite struct VirtualHostsTests {
    /// A lab's node sees that its uplink has another end, and not where.
    @Test func `an uplink whose other end was not read leads to the other host`() throws {
        var pair = TwoHosts()
        for path in [\TwoHosts.first, \.second] {
            pair[keyPath: path].host.links[1].peerIndex = 10
            pair[keyPath: path].host.links[1].peerNamespace = 0
        }

        let trace = try pair.cross()

        #expect(trace.isCertain)
        #expect(trace.outward.verdict.place.title == "web.2")
        #expect(trace.reply?.verdict.text == "leaves eth0 as 192.0.2.2:8080 > 203.0.113.9:40000 tcp")
    }
}
