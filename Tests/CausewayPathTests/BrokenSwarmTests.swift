import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

/// The recorded Swarm with one thing wrong: where the packet ends, and why.
@Suite struct BrokenSwarmTests {
    private func published(_ inventories: [Inventory], choice: Int = 3) throws -> Trace {
        try RecordedSwarm.ask(inventories, "web:8080", from: "client", at: "hosta", choice: choice)
    }

    private func edited(
        _ host: String, _ namespace: String, edit: (inout NamespaceState) -> Void
    ) throws -> [Inventory] {
        RecordedSwarm.with(try RecordedSwarm().inventories(), host, namespace, edit: edit)
    }

    @Test func `without IPVS the published port ends in the balancer's namespace`() throws {
        let trace = try published(try edited("hosta", "ingress_sbox") { $0.ipvs = [] })

        #expect(trace.outward.verdict.outcome == .refused)
        #expect(trace.outward.verdict.place.namespace == "ingress_sbox")
        #expect(trace.candidates.isEmpty)
    }

    @Test func `a service whose destinations are all drained refuses`() throws {
        let inventories = try edited("hosta", "ingress_sbox") { space in
            for at in space.ipvs[0].destinations.indices { space.ipvs[0].destinations[at].weight = 0 }
        }

        let verdict = try published(inventories).outward.verdict

        #expect(verdict.outcome == .refused)
        #expect(verdict.answer == "icmp port-unreachable")
        #expect(verdict.text == "the balancer FWM 260 has 4 destinations, all with weight 0")
    }

    @Test func `a drained destination is no candidate`() throws {
        let inventories = try edited("hosta", "ingress_sbox") { space in
            let at = space.ipvs[0].destinations.firstIndex { $0.address == IPAddress("10.0.0.6") }!
            space.ipvs[0].destinations[at].weight = 0
        }

        let trace = try published(inventories, choice: 0)

        #expect(trace.candidates.map(\.owner) == ["web.2", "web.4", "web.1"])
        #expect(trace.candidates.map(\.share) == ["1/3", "1/3", "1/3"])
    }

    @Test func `weights count where the scheduler weighs`() throws {
        let inventories = try edited("hosta", "ingress_sbox") { space in
            space.ipvs[0].scheduler = "wrr"
            let at = space.ipvs[0].destinations.firstIndex { $0.address == IPAddress("10.0.0.5") }!
            space.ipvs[0].destinations[at].weight = 3
        }

        #expect(try published(inventories).candidates.map(\.share) == ["3/6", "1/6", "1/6", "1/6"])
    }

    @Test func `a balancer that may not forward loses the answer`() throws {
        let inventories = try edited("hosta", "ingress_sbox") { space in
            for name in space.sysctls.keys where name.hasSuffix("forwarding") || name.hasSuffix("ip_forward") {
                space.sysctls[name] = "0"
            }
        }

        let trace = try published(inventories)

        // The request is not forwarded but sent anew: it arrives all the same.
        #expect(trace.outward.verdict.outcome == .delivered)
        #expect(trace.reply?.verdict.reason == .notForwarding)
        #expect(trace.reply?.verdict.place.namespace == "ingress_sbox")
    }

    @Test func `without vs conntrack the source is not translated`() throws {
        let inventories = try edited("hosta", "ingress_sbox") { $0.sysctls["net.ipv4.vs.conntrack"] = "0" }

        let trace = try published(inventories)

        #expect(trace.outward.hops.last?.packet.source == IPAddress("192.168.77.100"))
        #expect(trace.reply?.verdict.outcome != .delivered)
    }

    @Test func `a task that nobody told this host of is lost in the tunnel`() throws {
        let inventories = try edited("hosta", "1-4zh0gkbiba") { space in
            space.forwarding.removeAll { $0.address == MACAddress("02:42:0a:00:00:08") }
        }

        let verdict = try published(inventories).outward.verdict

        #expect(verdict.reason == .noRemote)
        #expect(verdict.place.host == "hosta")
    }

    @Test func `without a neighbour entry the tunnel does not answer`() throws {
        let wanted = IPAddress("10.0.0.8")!
        var inventories = try edited("hosta", "1-4zh0gkbiba") { space in
            space.neighbors.removeAll { $0.neighbor.destination == wanted }
        }
        inventories = RecordedSwarm.with(inventories, "hosta", "ingress_sbox") { space in
            space.neighbors.removeAll { $0.neighbor.destination == wanted }
        }

        let verdict = try published(inventories).outward.verdict

        #expect(verdict.reason == .neighborFailed)
        #expect(verdict.text == "nobody answers for 10.0.0.8 on eth0, and vxlan0 has no entry for it")
    }

    @Test func `an entry that says another host makes the other side deaf`() throws {
        let inventories = try edited("hostb", "1-4zh0gkbiba") { space in
            for at in space.forwarding.indices where space.forwarding[at].address == MACAddress("02:42:0a:00:00:02") {
                space.forwarding[at].destination = IPAddress("192.168.77.99")!
            }
        }

        let verdict = try published(inventories).outward.verdict

        #expect(verdict.outcome == .dropped)
        #expect(verdict.text.contains("set by hand"))
        #expect(verdict.place.host == "hostb")
    }

    @Test func `a rule that is not understood is said, wherever it stands`() throws {
        let inventories = try edited("hosta", "ingress_sbox") { space in
            let at = space.iptables.firstIndex { $0.name == "mangle" }!
            let chain = space.iptables[at].chains.firstIndex { $0.name == "PREROUTING" }!
            space.iptables[at].chains[chain].rules.insert(
                IPTables.Rule(
                    text: "-m quota --quota 3 -j DROP", matches: [.unknown("-m quota --quota 3")], target: .drop),
                at: 0)
        }

        let trace = try published(inventories)

        #expect(!trace.isCertain)
        #expect(trace.outward.verdict.uncertain.contains { $0.contains("quota") })
    }

    @Test func `direct routing leaves the packet as it is, and the task answers by itself`() throws {
        let virtual = IPAddress("10.0.1.9")!
        var inventories = try edited("hosta", "lb_0wqu25uvv") { space in
            for service in space.ipvs.indices {
                for at in space.ipvs[service].destinations.indices {
                    space.ipvs[service].destinations[at].method = .route
                }
            }
            space.iptables.removeAll { $0.name == "nat" }
        }
        inventories = RecordedSwarm.with(inventories, "hosta", "9af2884dc232") { space in
            space.addresses.append(Rtnl.Address(link: "lo", address: CIDR(host: virtual)))
            space.routes.append(
                Rtnl.Route(kind: .local, destination: CIDR(host: virtual), link: "lo", table: 255, scope: .host))
            space.sysctls["net.ipv4.conf.all.arp_ignore"] = "1"
        }

        let trace = try RecordedSwarm.ask(inventories, "api", from: "probe-hosta", choice: 0)

        #expect(trace.outward.hops.last?.packet.header == "10.0.1.19:40000 > 10.0.1.9:80 tcp")
        #expect(trace.outward.hops.last?.place.title == "api.1")
        let reply = try #require(trace.reply)
        #expect(reply.verdict.outcome == .delivered)
        #expect(!reply.hops.contains { $0.place.kind == .balancer })
    }
}
