import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

@Suite struct PublishedPortTests {
    @Test func `a published port reaches a task and the reply is un-translated`() throws {
        let trace = try demo().inventory.ask(Question(target: "web:8080"), isReturning: true)

        #expect(
            TextRenderer(isASCII: true).render(trace) == """
                203.0.113.9:40000 > 192.0.2.2:8080 tcp
                  |
                +- host node-a -----------------------------------------------------------------------------------+
                | v device       eth0 in                                                                          |
                | . prerouting   passes inet causeway source                                                      |
                | # prerouting   inet causeway prerouting (nat -100): dnat to 10.0.0.5:80  [web.1]                |
                | |              fib daddr type local dnat ip to meta l4proto . th dport . numgen random mod 64   |
                | |              map @published                                                                   |
                | |              > 22/64  10.0.0.5:80  web.1 (followed here)                                      |
                | |              - 21/64  10.0.0.6:80  web.2                                                      |
                | |              - 21/64  10.0.0.7:80  web.3                                                      |
                | |   203.0.113.9:40000 > 10.0.0.5:80 tcp                                                         |
                | . prerouting   passes inet causeway refuse                                                      |
                | O route        10.0.0.5 dev cw-web1xxxxxx (table main)  [web.1]                                 |
                | # forward      inet causeway forward (filter -5): mark 0xfff0000, accept                        |
                | |              ct status dnat meta mark set meta mark & 0xf000ffff | 0x0fff0000 accept          |
                | # forward      iptables filter FORWARD (filter): accept                                         |
                | |              DOCKER-USER: -m mark --mark 0xfff0000/0xfff0000 -m comment --comment causeway -j |
                | |              ACCEPT                                                                           |
                | . postrouting  passes inet causeway srcnat                                                      |
                | v device       cw-web1xxxxxx out to 10.0.0.5 (permanent neighbour)                              |
                +-+-----------------------------------------------------------------------------------------------+
                  |
                +- task web.1 (cw-web.1.web1xxxx) ----------------------------------------------------------------+
                | v device       eth0 in                                                                          |
                | O route        local (table local)  [web.1]                                                     |
                | @ socket       httpd (pid 4000) listens on [::]:80                                              |
                +-------------------------------------------------------------------------------------------------+
                + delivered: httpd (pid 4000) listens on [::]:80

                the reply

                10.0.0.5:80 > 203.0.113.9:40000 tcp
                +- task web.1 (cw-web.1.web1xxxx) ----------------------------------------------------------------+
                | @ socket       httpd answers                                                                    |
                | O route        default via 169.254.1.1 dev eth0 (table main)                                    |
                | v device       eth0 out to 169.254.1.1 (permanent neighbour)                                    |
                +-+-----------------------------------------------------------------------------------------------+
                  :
                +- host node-a -----------------------------------------------------------------------------------+
                | v device       cw-web1xxxxxx in                                                                 |
                | . prerouting   passes inet causeway source, inet causeway refuse                                |
                | O route        default via 192.0.2.1 dev eth0 (table main)                                      |
                | # forward      inet causeway forward (filter -5): mark 0xfff0000, accept                        |
                | :              ct state established,related meta mark set meta mark & 0xf000ffff | 0x0fff0000   |
                | :              accept                                                                           |
                | # forward      iptables filter FORWARD (filter): accept                                         |
                | :              DOCKER-USER: -m mark --mark 0xfff0000/0xfff0000 -m comment --comment causeway -j |
                | :              ACCEPT                                                                           |
                | # postrouting  conntrack: source back to 192.0.2.2:8080                                         |
                | :   192.0.2.2:8080 > 203.0.113.9:40000 tcp                                                      |
                | v device       eth0 out to 192.0.2.1                                                            |
                +-+-----------------------------------------------------------------------------------------------+
                  :
                + sent: leaves eth0 as 192.0.2.2:8080 > 203.0.113.9:40000 tcp

                met: 2 namespaces, 2 IP stacks, no bridges, 1 NAT table, 2 filter tables, 1 balancer

                """)
    }

    @Test func `another candidate can be followed`() throws {
        let trace = try demo().inventory.ask(Question(target: "web:8080"), choice: 2)

        #expect(trace.outward.verdict.place.title == "web.3")
        #expect(trace.candidates.map(\.share) == ["22/64", "21/64", "21/64"])
        #expect(trace.candidates.map(\.isChosen) == [false, false, true])
    }

    @Test func `slots that lead nowhere are shown as a share`() throws {
        var host = demo()
        host.published.removeAll { $0.key.last == .number(0) || $0.key.last == .number(1) }

        let trace = try host.inventory.ask(Question(target: "web:8080"))

        #expect(trace.candidates.map(\.target) == ["10.0.0.5:80", "10.0.0.6:80", "10.0.0.7:80", "no entry"])
        #expect(trace.candidates.last?.share == "2/64")
    }

    @Test func `a published port without a backend is refused with a reset`() throws {
        var host = demo()
        host.published = []
        host.knownPorts = [
            Nft.Element(key: [.name("tcp"), .number(8080)], comment: "service web")
        ]

        let trace = try host.inventory.ask(Question(target: "web:8080"), isReturning: true)

        #expect(trace.verdict.outcome == .refused)
        #expect(trace.verdict.answer == "tcp reset")
        #expect(trace.verdict.reason == .netfilter)
        #expect(trace.verdict.text.contains("no backend"))
        #expect(trace.reply?.verdict.text == "leaves eth0 as 192.0.2.2:8080 > 203.0.113.9:40000 tcp")
    }

    @Test func `a port that nobody listens on is refused by the host`() throws {
        let trace = try demo().inventory.ask(Question(target: "host:9999"))

        #expect(
            "\(trace.verdict)" == "refused: nothing listens on 192.0.2.2:9999 (tcp) (NO_SOCKET)")
        #expect(trace.verdict.place.kind == .host)
    }

    @Test func `a task whose process is gone is refused by the task`() throws {
        var host = demo()
        host.tasks[0].sockets = []

        let trace = try host.inventory.ask(Question(target: "web:8080"), isReturning: true)

        #expect(trace.verdict.outcome == .refused)
        #expect(trace.verdict.place.title == "web.1")
        #expect(trace.reply?.verdict.text == "leaves eth0 as 192.0.2.2:8080 > 203.0.113.9:40000 tcp")
    }

    @Test func `the host itself reaches a published port by its own address`() throws {
        let trace = try demo().inventory.ask(Question(target: "web:8080", from: "host"), isReturning: true)

        #expect(trace.outward.packet.description == "192.0.2.2:40000 > 192.0.2.2:8080 tcp")
        #expect(trace.outward.verdict.place.title == "web.1")
        #expect(trace.reply?.verdict.text == "the socket that asked, 192.0.2.2:40000")
    }

    @Test func `without the entry for our mark Docker's policy drops`() throws {
        var host = demo()
        host.host.iptables = []
        host.addDockerFilter(acceptsMark: false)

        let trace = try host.inventory.ask(Question(target: "web:8080"))

        #expect(
            "\(trace.verdict)"
                == "dropped: by the policy of iptables filter, chain FORWARD (NETFILTER_DROP)")
    }

    @Test func `a published port works over IPv6`() throws {
        var host = Host()
        host.addTask("web", 1, addresses: ["10.0.0.5", "fd00:1::5"])
        host.publish(8080, to: [("10.0.0.5", 80)])
        for slot in 0..<64 {
            host.published.append(
                Nft.Element(
                    key: [.name("tcp"), .number(8080), .number(UInt64(slot))],
                    data: [.address(IPAddress("fd00:1::5")!), .number(80)]))
        }

        let trace = try host.inventory.ask(Question(target: "web:8080", family: .ip6), isReturning: true)

        #expect(trace.outward.packet.description == "[2001:db8::9]:40000 > [2001:db8:1::2]:8080 tcp")
        #expect(trace.outward.verdict.outcome == .delivered)
        #expect(trace.candidates.map(\.target) == ["[fd00:1::5]:80"])
        #expect(
            trace.reply?.verdict.text == "leaves eth0 as [2001:db8:1::2]:8080 > [2001:db8::9]:40000 tcp")
    }

    @Test func `unrelated services do not change the answer`() throws {
        var host = demo()
        for number in 0..<200 {
            let address = "10.9.\(number).5"
            host.publish(UInt64(20_000 + number), to: [(address, 80)])
            host.addVirtualIP("10.8.\(number).2", to: [address])
        }

        #expect(
            try host.inventory.ask(Question(target: "web:8080"), isReturning: true)
                == demo().inventory.ask(Question(target: "web:8080"), isReturning: true))
    }
}
