import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

/// The walk against captures on a real Docker Swarm: hop for hop, device by device.
@Suite struct RecordedSwarmTests {
    /// Another cluster: other names, addresses, numbers, ports and devices.
    ///
    /// Nothing of the first may be in the code.
    static let other: [(String, String)] = [
        ("10.0.0.", "172.31.200."), ("10.0.1.", "10.99.7."), ("192.168.77.", "198.51.100."),
        ("172.18.", "172.29."), ("02:42:0a:00:00:", "02:42:ac:1f:c8:"), ("02:42:0a:00:01:", "02:42:0a:63:07:"),
        ("0A0000", "AC1FC8"), ("0A0001", "0A6307"), ("hosta", "amsterdam"), ("hostb", "brno"),
        ("\"web", "\"shop"), ("/web.", "/shop."), ("web", "shop"), ("4096", "70001"), ("4097", "70002"),
        ("0x104/", "0x1f7/"), ("FWM  00000104", "FWM  000001F7"), ("260", "503"), ("8080", "9443"), ("4789", "4790"),
        ("veth7d12a6c", "vethfeedbee"), ("vxlan0", "vxl-a"), ("\"br0\"", "\"bridge7\""),
        ("docker_gwbridge", "gw-bridge"),
        ("4zh0gkbiba", "zzzzzzzzzz"), ("0wqu25uvv", "yyyyyyyyy"),
    ]

    private func places(_ swarm: RecordedSwarm, _ inventories: [Inventory]) -> [String: String] {
        var places: [String: String] = [:]
        for inventory in inventories {
            let host = inventory.hostname
            let list = String(decoding: swarm.hosts[host]?["namespaces.txt"] ?? [], as: UTF8.self)
            for line in list.split(separator: "\n") {
                let words = line.split(separator: " ")
                places["\(host).\(words[1])"] = "\(host).\(words[0] == "root" ? "host" : String(words[0]))"
            }
            for owner in inventory.owners {
                let space = inventory.namespaces.first { $0.inode == owner.namespaceInode }
                places["\(host).ctr-\(owner.containerID.prefix(12))"] = "\(host).\(space?.name ?? "?")"
            }
            if list.isEmpty { places[host] = "\(host).host" }
        }
        return places
    }

    @Test(arguments: ["hosta", "hostb"], [false, true])
    func `a published port is walked as it was captured, and so is the answer`(
        taskHost: String, isRenamed: Bool
    ) throws {
        let names = isRenamed ? Self.other : []
        let swarm = try RecordedSwarm(renaming: names)
        func renamed(_ text: String) -> String { names.reduce(text) { $0.replacing($1.0, with: $1.1) } }
        let hosts = ["hosta", "hostb", "client"].map(renamed)
        let inventories = try swarm.inventories(hosts)
        let capture = try #require(swarm.captures[renamed(taskHost)])
        let places = places(swarm, inventories)
        // The balancer's turn was with the task that answered.
        let target = try #require(capture.syn.last?.dst)
        let first = try RecordedSwarm.ask(inventories, renamed("web:8080"), from: hosts[2], at: hosts[0])
        let choice = try #require(first.candidates.firstIndex { $0.target == target })

        let trace = try RecordedSwarm.ask(
            inventories, renamed("web:8080"), from: hosts[2], at: hosts[0], choice: choice,
            clientPort: UInt16(capture.client_port))

        #expect(
            PredictedSighting.all(trace.outward) == PredictedSighting.captured(capture.syn, places: places))
        let reply = try #require(trace.reply)
        #expect(PredictedSighting.all(reply) == PredictedSighting.captured(capture.synack, places: places))
        #expect(trace.outward.verdict.outcome == .delivered)
        #expect(reply.verdict.outcome == .delivered)
        #expect(trace.isCertain)
    }

    /// As on a node of ours, whose engine knows nothing of its networks.
    @Test func `without an engine the balancers say where a name and a published port lead`() throws {
        let swarm = try RecordedSwarm()
        var inventories = try swarm.inventories()
        let told = Directory(World(InventoryJoin(inventories), home: 0))
        for index in inventories.indices { inventories[index].engine = nil }

        let found = Directory(World(InventoryJoin(inventories), home: 0))

        let address = try #require(found.virtualIP(of: "web", .ip))
        #expect(address == told.virtualIP(of: "web", .ip))
        let trace = try RecordedSwarm.ask(inventories, "web:8080", from: "client", at: "hosta")
        #expect(trace.candidates.count == 4)
        #expect(trace.outward.verdict.outcome == .delivered)
        // By its name from inside it is asked on its own port, not on the published one.
        let inside = try RecordedSwarm.ask(inventories, "web", from: "api.1", at: "hosta")
        #expect(inside.outward.hops.first?.before.destination == address)
        #expect(inside.outward.hops.first?.before.destinationPort == 80)
    }

    @Test func `every replica is one branch in four, and sees the entry node's address`() throws {
        let inventories = try RecordedSwarm().inventories()
        for (host, entry) in [("hosta", "10.0.0.2"), ("hostb", "10.0.0.3")] {
            let seen = try (0..<4).map { choice in
                try RecordedSwarm.ask(inventories, "web:8080", from: "client", at: host, choice: choice)
            }

            #expect(seen[0].candidates.map(\.owner) == ["web.2", "web.3", "web.4", "web.1"])
            #expect(seen[0].candidates.allSatisfy { $0.share == "1/4" })
            for (choice, trace) in seen.enumerated() {
                let last = try #require(trace.outward.hops.last)
                #expect(last.place.title == trace.candidates[choice].owner)
                #expect(last.packet.source == IPAddress(entry))
                #expect(last.packet.destinationPort == 80)
                #expect(trace.reply?.verdict.outcome == .delivered)
            }
        }
    }

    @Test func `east to west goes by the balancer of the asker's own host`() throws {
        let inventories = try RecordedSwarm().inventories(["hosta", "hostb"])
        for (asker, entry) in [("probe-hosta", "10.0.1.8"), ("probe-hostb", "10.0.1.7")] {
            var tasks: Set<String> = []
            for choice in 0..<4 {
                let trace = try RecordedSwarm.ask(inventories, "web", from: "task:\(asker)", choice: choice)
                let last = try #require(trace.outward.hops.last)

                #expect(trace.outward.packet.destination == IPAddress("10.0.1.2"))
                #expect(last.packet.source == IPAddress(entry))
                #expect(trace.outward.verdict.processName == "nginx")
                #expect(trace.reply?.verdict.outcome == .delivered)
                #expect(trace.reply?.hops.last?.packet.source == IPAddress("10.0.1.2"))
                tasks.insert(last.place.title)
            }
            #expect(tasks == ["web.1", "web.2", "web.3", "web.4"])
        }
    }

    @Test func `the devices between a container and a task behind a virtual address`() throws {
        let inventories = try RecordedSwarm().inventories(["hosta", "hostb"])

        let trace = try RecordedSwarm.ask(inventories, "api", from: "probe-hosta", choice: 1)

        let devices = PredictedSighting.all(trace.outward).map { "\($0.place) \($0.device)" }
        #expect(
            devices == [
                "hosta.842ff8f55564 eth0", "hosta.1-0wqu25uvvf veth6", "hosta.1-0wqu25uvvf veth0",
                "hosta.lb_0wqu25uvv eth0", "hosta.lb_0wqu25uvv eth0", "hosta.1-0wqu25uvvf veth0",
                "hosta.1-0wqu25uvvf vxlan0", "hosta.host eth0", "hostb.host eth0", "hostb.1-0wqu25uvvf vxlan0",
                "hostb.1-0wqu25uvvf veth1", "hostb.79397456d625 eth0",
            ])
        #expect(
            trace.counts.description
                == "2 hosts, 7 namespaces (5 of them no ordinary tool lists), 5 IP stacks, 2 bridges, 5 NAT tables, "
                + "1 mangle table, 2 filter tables, 1 balancer, 2 tunnels")
    }

    @Test(arguments: ["rr", "tasks.rr"])
    func `a name without a virtual address leads to the tasks themselves, with the asker's own address`(
        name: String
    ) throws {
        let inventories = try RecordedSwarm().inventories(["hosta", "hostb"])

        let traces = try (0..<2).map { try RecordedSwarm.ask(inventories, name, from: "probe-hosta", choice: $0) }

        #expect(traces[0].candidates.map(\.owner) == ["rr.1", "rr.2"])
        #expect(traces.map { $0.outward.hops.last?.place.title } == ["rr.1", "rr.2"])
        for trace in traces {
            #expect(trace.outward.hops.last?.packet.source == IPAddress("10.0.1.19"))
            #expect(trace.counts.balancers == 0)
            #expect(trace.reply?.verdict.outcome == .delivered)
        }
        #expect(traces.map(\.counts.tunnels) == [0, 2])
    }

    @Test func `a port in host mode keeps the client's address, and is refused where there is no task`() throws {
        let inventories = try RecordedSwarm().inventories()

        let there = try RecordedSwarm.ask(inventories, "hostpub:8082", from: "client", at: "hostb")
        let elsewhere = try RecordedSwarm.ask(inventories, "hostpub:8082", from: "client", at: "hosta")

        #expect(there.outward.hops.last?.packet.header == "192.168.77.100:40000 > 172.18.0.4:80 tcp")
        #expect(there.reply?.hops.last?.packet.header == "192.168.77.12:8082 > 192.168.77.100:40000 tcp")
        #expect(elsewhere.outward.verdict.answer == "tcp reset")
    }

    @Test func `what a task sends out is masqueraded, and the answer finds it`() throws {
        let inventories = try RecordedSwarm().inventories(["hosta", "hostb"])

        let trace = try RecordedSwarm.ask(inventories, "192.168.77.200:443", from: "web.2")

        #expect(trace.outward.verdict.outcome == .sent)
        #expect(trace.outward.hops.last?.packet.source == IPAddress("192.168.77.11"))
        let reply = try #require(trace.reply)
        #expect(reply.verdict.outcome == .delivered)
        #expect(reply.hops.last?.place.title == "web.2")
        #expect(reply.hops.last?.packet.header == "192.168.77.200:443 > 172.18.0.7:40000 tcp")
    }

    @Test func `a worker's recording alone knows its services too`() throws {
        let inventories = try RecordedSwarm().inventories(["hostb"])

        let published = try RecordedSwarm.ask(inventories, "web:8080", from: "192.168.77.100", choice: 0)
        let inside = try RecordedSwarm.ask(inventories, "web", from: "probe-hostb", choice: 2)

        // The task is on the other host, of which nothing is known but its name.
        #expect(published.candidates.map(\.owner) == ["web.2", "web.3", "web.4", "web.1"])
        #expect(published.outward.verdict.outcome == .sent)
        #expect(published.outward.verdict.text.contains("192.168.77.11"))
        #expect(inside.outward.packet.destination == IPAddress("10.0.1.2"))
    }
}
