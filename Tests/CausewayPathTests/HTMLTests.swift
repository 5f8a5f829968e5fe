import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

@Suite struct HTMLTests {
    private func trace() throws -> Trace {
        try RecordedSwarm.ask(
            try RecordedSwarm().inventories(["hosta", "hostb"]), "web:8080", from: "192.168.77.100", at: "hosta",
            choice: 3)
    }

    @Test func `everything that can be pointed at says what it is`() throws {
        let trace = try trace()
        let page = HTMLRenderer().render(trace)

        let things = page.matches(of: /data-hop="([^"]+)"/).flatMap { $0.1.split(separator: " ") }
        let sections = page.matches(of: /<section id="([^"]+)"/).map(\.1)
        #expect(things.count > 60)
        #expect(Set(things).isSubset(of: Set(sections)))
        #expect(Set(sections).count == sections.count)
        #expect(sections.count == trace.legs.map(\.hops.count).reduce(0, +))
    }

    @Test func `a rule has its counters, and the command that shows it where it is`() throws {
        let page = HTMLRenderer().render(try trace())

        for text in [
            "DOCKER-INGRESS: -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:8080</code> "
                + "<span>48 packets, 2880 bytes so far</span>",
            ">iptables -t nat -nvL DOCKER-INGRESS --line-numbers<",
            ">nsenter --net=/run/docker/netns/ingress_sbox ipvsadm -Ln --stats<",
            ">nsenter --net=/run/docker/netns/1-4zh0gkbiba bridge fdb show dev vxlan0<",
            ">nsenter --net=/run/docker/netns/ebb086964acf ss -lntp 'sport = :80'<",
            "<tr class=\"chosen\"><td>1/4</td><td>10.0.0.8:8080</td><td>web.1 (followed here)</td></tr>",
        ] {
            #expect(page.contains(text), "\(text)")
        }
    }

    @Test func `nftables' rules have theirs`() throws {
        var host = demo()
        host.host.sockets = []
        let trace = try host.inventory.ask(Question(target: "web:8080"))
        let hop = try #require(trace.outward.hops.first { $0.stage.table == "inet causeway" })
        #expect(HopCommand(hop).text?.hasPrefix("nft -a list chain inet causeway ") == true)
    }

    @Test func `the page loads nothing, and names cannot break it`() throws {
        var inventories = try RecordedSwarm().inventories(["hosta", "hostb"])
        inventories = RecordedSwarm.with(inventories, "hostb", "ebb086964acf") { space in
            for at in space.sockets.indices { space.sockets[at].processName = "</section><script>alert(1)</script>" }
            space.path = "/run/x; rm -rf '/'"
        }
        let trace = try RecordedSwarm.ask(inventories, "web:8080", from: "192.168.77.100", at: "hosta", choice: 3)
        let page = HTMLRenderer().render(trace)

        #expect(!page.contains("<script>alert"))
        #expect(page.contains("nsenter --net='/run/x; rm -rf '\\''/'\\'''"))
        #expect(page.matches(of: /(src|href)=/).isEmpty)
        #expect(page.matches(of: /https?:\/\//).count == page.matches(of: /xmlns="http:\/\//).count)
    }
}
