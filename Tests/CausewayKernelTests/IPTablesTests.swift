import CausewayKernel
import CausewayModel
import Testing

@Suite struct IPTablesTests {
    private func rules(_ file: String, _ table: String, _ chain: String) throws -> [IPTables.Rule] {
        let tables = IPTables.Table.read(save: try fixture(file), family: .ip)
        let found = try #require(tables.first { $0.name == table })
        return try #require(found.chains.first { $0.name == chain }).rules
    }

    @Test func `Docker's own rules are understood without rest`() throws {
        for file in ["docker-host.iptables.txt", "docker-task.iptables.txt"] {
            for table in IPTables.Table.read(save: try fixture(file), family: .ip) {
                for rule in table.chains.flatMap(\.rules) {
                    for match in rule.matches {
                        if case .unknown(let text) = match { Issue.record("\(file): \(text)") }
                    }
                    if case .unknown(let text) = rule.target, text != "SNAT --to-source :53" {
                        Issue.record("\(file): \(text)")
                    }
                }
            }
        }
    }

    @Test func `chains, policies and rules are those of the file`() throws {
        let tables = IPTables.Table.read(save: try fixture("docker-host.iptables.txt"), family: .ip)
        #expect(tables.map(\.name) == ["filter", "nat"])
        #expect(tables[0].chains.map(\.name).prefix(4) == ["INPUT", "FORWARD", "OUTPUT", "DOCKER"])
        #expect(tables[0].chains.map(\.policy).prefix(4) == ["ACCEPT", "DROP", "ACCEPT", nil])
        let forward = try rules("docker-host.iptables.txt", "filter", "FORWARD")
        #expect(forward.count == 12)
        #expect(
            forward[4]
                == IPTables.Rule(
                    text: "-o docker_gwbridge -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                    matches: [.outgoing("docker_gwbridge"), .state(["RELATED", "ESTABLISHED"])], target: .accept,
                    counters: RuleCounters(packets: 0, bytes: 0)))
        let output = try rules("docker-host.iptables.txt", "nat", "OUTPUT")
        #expect(output[1].matches == [.not(.destination(cidr("127.0.0.0/8"))), .destinationType("LOCAL")])
        let ingress = try rules("docker-host.iptables.txt", "nat", "DOCKER-INGRESS")
        #expect(ingress[0].matches == [.protocol(6), .destinationPort(8080...8080)])
        #expect(ingress[0].counters.map { $0.packets > 0 && $0.bytes > $0.packets } == true)
        #expect(ingress[0].target == .dnat(addresses: ip("172.18.0.2")...ip("172.18.0.2"), ports: 8080...8080))
        let mark = try rules("docker-ingress.iptables.txt", "mangle", "PREROUTING")
        #expect(mark[0].target == .setMark(0x104, mask: .max))
    }

    @Test func `matches of all kinds are read, and the rest is kept`() throws {
        let matches = try rules("ufw.iptables.txt", "filter", "INPUT").map(\.matches)
        #expect(
            matches == [
                [.state(["ESTABLISHED"])],
                [.not(.state(["NEW", "INVALID"]))],
                [
                    .not(.source(cidr("10.0.0.0/8"))), .protocol(6),
                    .destinationPorts([80...80, 443...443, 8000...8010]), .comment("web \"front\" -j DROP"),
                ],
                [.protocol(17), .sourcePort(1024...65535), .not(.destinationPort(53...53))],
                [.mark(0x0fff_0000, mask: 0x0fff_0000)],
                [.not(.mark(1, mask: .max))],
                [.unknown("-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource")],
                [.protocol(1), .unknown("-m icmp --icmp-type 8")],
                [.destinationType("LOCAL"), .unknown("-m addrtype --limit-iface-in")],
                [.unknown("-m limit --limit 3/min --limit-burst 10")],
                [], [],
                [.protocol(132)],
            ])
    }

    @Test func `targets of all kinds are read, and the rest is kept`() throws {
        let filter = try rules("ufw.iptables.txt", "filter", "INPUT").map(\.target)
        #expect(
            filter == [
                .accept, .accept, .jump("ufw-user-input"), .goto("ufw-user-input"), .accept,
                .setMark(0x10, mask: 0xff), nil, .accept, .return, .log, .reject(with: "icmp-host-prohibited"),
                .unknown("CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff"), nil,
            ])
        let nat = try rules("ufw.iptables.txt", "nat", "PREROUTING").map(\.target)
        #expect(
            nat == [
                .redirect(ports: 8080...8080), .dnat(addresses: ip("10.0.0.5")...ip("10.0.0.9"), ports: 80...90),
                .dnat(addresses: nil, ports: 81...81),
            ])
        let post = try rules("ufw.iptables.txt", "nat", "POSTROUTING").map(\.target)
        #expect(
            post == [
                .snat(addresses: ip("192.0.2.1")...ip("192.0.2.1"), ports: nil), .unknown("SNAT --to-source :53"),
                .masquerade,
            ])
    }

    @Test func `IPv6 addresses are told from ports`() {
        let text = """
            *nat
            :PREROUTING ACCEPT [0:0]
            -A PREROUTING -d fd00::1/128 -p tcp -j DNAT --to-destination [fd00::5]:80
            -A PREROUTING -j DNAT --to-destination fd00::5
            COMMIT
            """
        let rules = IPTables.Table.read(save: text, family: .ip6)[0].chains[0].rules
        #expect(rules[0].matches[0] == .destination(cidr("fd00::1/128")))
        #expect(rules[0].target == .dnat(addresses: ip("fd00::5")...ip("fd00::5"), ports: 80...80))
        #expect(rules[1].target == .dnat(addresses: ip("fd00::5")...ip("fd00::5"), ports: nil))
    }

    @Test(arguments: [
        "", "*", "-A", "*nat\n-A", "*nat\n-A X -m", "*nat\n-A X !", "*nat\n-A X -j", "*f\n-A X -s \"",
        "*f\n[1:2", "-A X -j ACCEPT", "*f\n-A X --dport :", "*f\n-A X -j DNAT --to-destination [", "*f\n:",
    ])
    func `a malformed line does not crash`(_ text: String) {
        _ = IPTables.Table.read(save: text, family: .ip)
    }
}
