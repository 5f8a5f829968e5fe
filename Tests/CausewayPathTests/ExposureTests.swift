import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

@Suite struct ExposureTests {
    /// The demo host with a server of its own on port 22, and one on loopback alone.
    private func node() -> Host {
        var host = demo()
        func listen(_ address: String, _ port: UInt16, _ name: String) {
            host.host.sockets.append(
                NamespaceState.Socket(
                    protocol: .tcp, address: IPAddress(address)!, port: port, processID: 700, processName: name))
        }
        // What no task holds is nowhere, so nobody outside calls from there.
        host.host.routes.append(
            Rtnl.Route(kind: .unreachable, destination: CIDR("10.0.1.0/24")!, metric: 1024))
        listen("::", 22, "sshd")
        listen("127.0.0.1", 631, "cupsd")
        return host
    }

    private func rule(_ matches: IPTables.Match..., target: IPTables.Target) -> IPTables.Rule {
        IPTables.Rule(text: "\(matches) \(target)", matches: matches, target: target)
    }

    /// A firewall as ufw makes it: what it does not name is dropped.
    private func guarded(_ rules: [IPTables.Rule]) -> Host {
        var host = node()
        let input = IPTables.Chain(name: "INPUT", policy: "DROP", rules: rules)
        let at = host.host.iptables.firstIndex { $0.name == "filter" }!
        host.host.iptables[at].chains[0] = input
        return host
    }

    private func survey(_ host: Host, from name: String? = nil) throws -> Exposure {
        try ExposureSurvey(host.inventory, from: name).run()
    }

    private func lines(_ exposure: Exposure) -> [String] {
        exposure.openings.map { opening in
            let from = opening.from.map { source in
                "\(source.prefix)" + source.except.map { " but \($0)" }.joined()
            }.joined(separator: ", ")
            return "\(opening.portText) at \(opening.address) from \(from): \(opening.leadsTo.name)"
        }
    }

    @Test func `what listens and what is published is open to all, and nothing else`() throws {
        let exposure = try survey(node())

        #expect(
            lines(exposure) == [
                "22/tcp at 192.0.2.2 from 0.0.0.0/0: sshd",
                "22/tcp at 2001:db8:1::2 from ::/0: sshd",
                "8080/tcp at 192.0.2.2 from 0.0.0.0/0: web",
            ])
        #expect(exposure.openings.last?.leadsTo.tasks == ["web.1", "web.2", "web.3"])
        #expect(exposure.openings.last?.leadsTo.port == 80)
        #expect(exposure.links == ["eth0"])
        #expect(exposure.disagreements.isEmpty)
        #expect(exposure.isCertain)
    }

    @Test func `a rule's sources are told exactly, and where the firewall and the truth differ`() throws {
        let office = IPTables.Match.source(CIDR("198.51.100.0/24")!)
        let intruder = IPTables.Match.source(CIDR("198.51.100.7/32")!)
        let host = guarded([
            rule(intruder, target: .drop),
            rule(office, .protocol(6), .destinationPort(22...22), target: .accept),
            rule(.protocol(6), .destinationPort(9000...9001), target: .accept),
        ])
        let exposure = try survey(host)

        #expect(
            lines(exposure) == [
                "22/tcp at 192.0.2.2 from 198.51.100.0/24 but 198.51.100.7/32: sshd",
                "22/tcp at 2001:db8:1::2 from ::/0: sshd",
                "8080/tcp at 192.0.2.2 from 0.0.0.0/0: web",
            ])
        let kinds = exposure.disagreements.map { "\($0.kind.rawValue) \($0.firstPort)-\($0.lastPort)" }
        #expect(kinds == ["refusedButReachable 8080-8080", "allowedButClosed 9000-9001"])
        #expect(exposure.disagreements.first?.firewall.contains("INPUT") == true)
    }

    @Test func `a rule that is not understood is named, and what it may stop is not certain`() throws {
        let host = guarded([
            rule(.unknown("-m recent --name ssh"), .protocol(6), target: .drop),
            rule(.protocol(6), .destinationPort(22...22), target: .accept),
        ])
        let exposure = try survey(host)

        let ssh = try #require(exposure.openings.first { $0.firstPort == 22 && $0.address.family == .ip })
        #expect(ssh.unknown.contains { $0.contains("recent") })
        #expect(!exposure.isCertain)
        #expect(exposure.text.contains("(likely)"))
    }

    @Test func `a published port whose packets are dropped is no opening, and the reason is told`() throws {
        var host = node()
        host.host.iptables = []
        host.addDockerFilter(acceptsMark: false)
        let exposure = try survey(host)

        #expect(!exposure.openings.contains { $0.firstPort == 8080 })
        #expect(exposure.unreachable.map(\.port) == [8080])
        #expect(exposure.unreachable.first?.why.contains("FORWARD") == true)
    }

    @Test func `a task reaches what is published, and its own network`() throws {
        let exposure = try survey(node(), from: "task:client.1")

        #expect(exposure.from == "client.1")
        #expect(lines(exposure).contains("8080/tcp at 192.0.2.2 from 0.0.0.0/0: web"))
        #expect(lines(exposure).contains("80/tcp at 10.0.1.6 from 0.0.0.0/0: web"))
        #expect(!lines(exposure).contains { $0.contains("10.0.0.6") })
        #expect(throws: PathError.self) { try survey(node(), from: "nobody") }
    }

    @Test func `neighbouring ports that lead to the same are one opening`() throws {
        var host = node()
        host.host.iptables.append(
            IPTables.Table(
                family: .ip, name: "nat",
                chains: [
                    IPTables.Chain(
                        name: "PREROUTING", policy: "ACCEPT",
                        rules: [
                            rule(
                                .protocol(6), .destinationPort(2000...2999), target: .redirect(ports: 22...22))
                        ])
                ]))
        let exposure = try survey(host)

        #expect(lines(exposure).contains("2000-2999/tcp at 192.0.2.2 from 0.0.0.0/0: sshd"))
    }
}

@Suite struct SourceRegionTests {
    @Test func `a region's source is in it and in none within it`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let prefixes = Set(
                (0..<12).map { _ in
                    CIDR(
                        .v4(IPv4Address(rawValue: UInt32.random(in: 0...3, using: &generator) << 30)),
                        Int.random(in: 0...32, using: &generator))!.network
                })
            let regions = SourceRegions(.ip, prefixes).regions
            for region in regions {
                let within = region.children.map { regions[$0].prefix }
                guard let source = region.representative else { continue }
                #expect(region.prefix.contains(source), "\(prefixes)")
                #expect(!within.contains { $0.contains(source) }, "\(prefixes)")
            }
        }
    }

    @Test func `a region that is wholly covered has no source`() {
        let halves = Set(["0.0.0.0/1", "128.0.0.0/1"].map { CIDR($0)! })

        #expect(SourceRegions(.ip, halves).regions.first?.representative == nil)
    }

    @Test func `a range of addresses is the fewest prefixes that make it up`() {
        let prefixes = CIDR.covering(IPAddress("10.0.0.1")!, IPAddress("10.0.0.6")!)

        #expect(prefixes.map(\.description) == ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"])
    }
}
