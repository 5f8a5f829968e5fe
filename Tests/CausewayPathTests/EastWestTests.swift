import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

@Suite struct EastWestTests {
    @Test func `a task reaches a service through its virtual IP and hears from it`() throws {
        let trace = try demo().inventory.ask(Question(target: "web", from: "task:client.1"), isReturning: true)

        #expect(trace.outward.packet.description == "10.0.1.20:40000 > 10.0.1.2:80 tcp")
        #expect(trace.candidates.map(\.owner) == ["web.1", "web.2", "web.3"])
        #expect(trace.outward.verdict.place.title == "web.1")
        #expect(
            trace.outward.hops.map(\.packet).last?.description == "10.0.1.20:40000 > 10.0.1.5:80 tcp")
        #expect(trace.reply?.verdict.text == "the socket that asked, 10.0.1.20:40000")
        #expect(trace.counts.namespaces == 3)
        #expect(trace.counts.stacks == 3)
    }

    @Test func `a task is reached by its address on the network that both share`() throws {
        let trace = try demo().inventory.ask(Question(target: "web.1", from: "task:client.1"), isReturning: true)

        #expect(trace.outward.packet.description == "10.0.1.20:40000 > 10.0.1.5:80 tcp")
        #expect(trace.reply?.verdict.outcome == .delivered)
    }

    @Test func `a task of another network is dropped, and by whom is said`() throws {
        let trace = try demo().inventory.ask(Question(target: "web.1", from: "task:other.1"))

        #expect(
            "\(trace.verdict)"
                == "dropped: by inet causeway, chain forward: \"isolation\" oifname \"cw-*\" drop (NETFILTER_DROP)")
        #expect(trace.verdict.place.kind == .host)
    }

    @Test func `a forged source is dropped before conntrack sees it`() throws {
        let trace = try demo().inventory.send("10.0.1.99", "10.0.1.2", 80, by: "cw-client1xxx")

        #expect(trace.verdict.reason == .netfilter)
        #expect(trace.verdict.text.contains("\"spoof\""))
        #expect(trace.outward.hops.allSatisfy { $0.stage.kind != .route })
    }

    @Test func `a task reaches the outside with the host's address`() throws {
        let trace = try demo().inventory.ask(
            Question(target: "198.51.100.7:443", from: "task:client.1"), isReturning: true)

        #expect(
            "\(trace.verdict)" == "sent: leaves eth0 as 192.0.2.2:40000 > 198.51.100.7:443 tcp")
        #expect(trace.outward.hops.contains { $0.action == "masquerade as 192.0.2.2" })
    }

    @Test func `a virtual IP without a task behind it is refused`() throws {
        var host = demo()
        host.virtual = []
        host.virtualAddresses = [
            Nft.Element(key: [.address(IPAddress("10.0.1.2")!)], comment: "service web")
        ]

        let trace = try host.inventory.ask(Question(target: "web:80", from: "client.1"))

        #expect(trace.verdict.outcome == .refused)
        #expect(trace.verdict.answer == "tcp reset")
    }

    @Test func `names that nobody has are an error that lists those that are known`() {
        #expect(
            throws: PathError.unknownTarget(
                "nosuch",
                known: [
                    "client", "other", "web", "client.1", "other.1", "web.1", "web.2", "web.3",
                ])
        ) {
            _ = try demo().inventory.ask(Question(target: "nosuch"))
        }
        #expect(throws: PathError.noPublishedPort(service: "web", port: 81, known: ["8080/tcp"])) {
            _ = try demo().inventory.ask(Question(target: "web:81"))
        }
        #expect(throws: PathError.malformed("web:0", why: "'0' is no port; ports are 1 to 65535")) {
            _ = try demo().inventory.ask(Question(target: "web:0"))
        }
        #expect(
            throws: PathError.unknownOrigin("task:none", known: ["client.1", "other.1", "web.1", "web.2", "web.3"])
        ) {
            _ = try demo().inventory.ask(Question(target: "web:8080", from: "task:none"))
        }
    }
}
