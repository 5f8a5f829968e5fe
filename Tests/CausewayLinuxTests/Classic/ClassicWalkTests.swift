import CausewayAgent
import CausewayKernel
import CausewayModel
import CausewayPath
import Testing

/// The lens' walk through what the compiler builds for classic networks, hop by hop as Docker Swarm has it.
@Suite struct `A packet through a classic network` {
    private let inventories: [Inventory]

    init() {
        inventories = ClassicCluster.hosts.keys.sorted().map { host in
            let assignment = ClassicCluster().assignment(host)
            let desired = AssignmentCompiler().compile(assignment, facts: NodeFacts())
            return ClassicInventory(host, desired, address: ClassicCluster.hosts[host]!, tasks: assignment.tasks)
                .inventory
        }
    }

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test(arguments: [(0, "10.0.0.5", false), (1, "10.0.0.6", true)])
    func `a published port is answered by the task whose turn it is, here or there`(
        choice: Int, target: String, isRemote: Bool
    ) throws {
        let tracer = try PathTracer(inventories, at: "hosta")
        let packet = Packet(.tcp, from: try address("192.168.77.100"), 40000, to: try address("192.168.77.11"), 8080)

        let trace = try tracer.trace(packet, from: .link(namespace: 1, name: "eth0"), choice: choice, isReturning: true)

        let last = try #require(trace.outward.hops.last)
        #expect(trace.outward.verdict.outcome == .delivered, "\(TextRenderer().render(trace))")
        #expect(last.packet.source == IPAddress("10.0.0.2"))
        #expect("\(last.packet.destination):\(last.packet.destinationPort)" == "\(target):80")
        #expect(trace.outward.hops.contains { $0.stage.kind == .encapsulate } == isRemote)
        #expect(trace.candidates.map(\.share) == ["1/2", "1/2"])
        #expect(trace.reply?.verdict.outcome == .delivered || trace.reply?.verdict.outcome == .sent)
        #expect(trace.reply?.hops.last?.packet.source == IPAddress("192.168.77.11"))
    }

    @Test(arguments: [0, 1])
    func `a virtual address is balanced on the asker's own host, whatever the port`(choice: Int) throws {
        let tracer = try PathTracer(inventories, at: "hosta")
        let asker = try #require(inventories[0].owners.first { $0.serviceName == "probe" })
        let packet = Packet(.tcp, from: try address("10.0.1.9"), 40000, to: try address("10.0.1.2"), 80)

        let trace = try tracer.trace(
            packet, from: .process(namespace: asker.namespaceInode), choice: choice, isReturning: true)

        let last = try #require(trace.outward.hops.last)
        #expect(trace.outward.verdict.outcome == .delivered, "\(TextRenderer().render(trace))")
        #expect(last.packet.source == IPAddress("10.0.1.3"))
        #expect(last.packet.destination == IPAddress(choice == 0 ? "10.0.1.5" : "10.0.1.6"))
        #expect(trace.reply?.verdict.outcome == .delivered)
        #expect(trace.reply?.hops.last?.packet.source == IPAddress("10.0.1.2"))
    }

    @Test func `a task goes out by the bridge, with its host's address`() throws {
        let tracer = try PathTracer(inventories, at: "hosta")
        let asker = try #require(inventories[0].owners.first { $0.serviceName == "probe" })
        let packet = Packet(.tcp, from: try address("172.18.0.5"), 40000, to: try address("192.0.2.7"), 443)

        let trace = try tracer.trace(packet, from: .process(namespace: asker.namespaceInode))

        #expect(trace.outward.hops.last?.packet.source == IPAddress("192.168.77.11"))
    }
}
