import CausewayAgent
import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
import CausewayTestKit
import Foundation
import Testing

/// What `causeway path` says of three nodes, against what their kernels do.
@Suite(.enabled(if: TestNamespace.isAllowed, Comment(rawValue: TestNamespace.whyNot)), .serialized)
struct MeshPathTests {
    /// As each node's daemon reads it: its own namespace is the host's, and it sees the machine's others, too.
    private func inventories(_ bed: MeshBed) async throws -> [Inventory] {
        let all = try await InventoryReader().read()
        return try bed.nodes.enumerated().map { index, node in
            let at = try #require(all.namespaces.firstIndex { $0.name == node.name })
            var own = all
            own.hostname = "n\(index + 1)"
            own.namespaces[at].name = "host"
            own.namespaces.insert(own.namespaces.remove(at: at), at: 0)
            // The machine's own namespace is one of many here.
            for other in own.namespaces.indices.dropFirst() where own.namespaces[other].name == "host" {
                own.namespaces[other].name = "machine"
            }
            return own
        }
    }

    private func predict(
        _ bed: MeshBed, _ target: String, from namespace: String, at node: String = "n1",
        _ transport: Packet.Transport = .tcp
    ) async throws -> Trace {
        let tracer = try PathTracer(try await inventories(bed), at: node)
        let answer = try tracer.resolve(Question(target: target, from: namespace, transport: transport))
        return try tracer.trace(answer.packet, from: answer.entry, isReturning: true)
    }

    /// What `twin` says; `nil` when nothing comes back.
    private func ask(_ bed: MeshBed, _ transport: String, _ port: String, _ address: String) async throws -> String? {
        let held = try Held(bed, [transport, "0", port, address], in: bed.client.name)
        defer { held.close() }
        return try await held.answers().first
    }

    private func isReached(_ trace: Trace) -> Bool {
        trace.outward.verdict.outcome == .delivered && trace.reply?.verdict.outcome == .delivered
    }

    @Test(arguments: [IPFamily.ip, .ip6])
    func `the path of a request and of its answer is the one that packets take`(_ underlay: IPFamily) async throws {
        try await MeshBed.run(MeshShop(underlay: underlay), reversePathFilter: 1) { bed in
            let targets = [("n1", "198.51.100.1"), ("n2", "198.51.100.2"), ("n1", "2001:db8:c::1")]
            for (node, address) in targets {
                for transport in [Packet.Transport.tcp, .udp] {
                    let target = address.contains(":") ? "[\(address)]:8080" : "\(address):8080"
                    let trace = try await predict(bed, target, from: bed.client.name, at: node, transport)
                    #expect(trace.isCertain, "\(trace)")
                    #expect(isReached(trace), "\(trace)")
                    #expect(trace.counts.tunnels == 2 && trace.counts.hosts >= 2, "\(trace)")
                    #expect(trace.outward.verdict.place.title == "web.1", "\(trace)")
                    #expect(trace.outward.hops.last?.packet.source == trace.outward.packet.source)
                    let answer = try await ask(bed, transport.rawValue, "8080", address)
                    #expect(answer?.hasPrefix("web.1 \(trace.outward.packet.source) ") == true, "\(answer ?? "-")")
                }
            }
        }
    }

    @Test func `a task calls a task of another node by its virtual address`() async throws {
        try await MeshBed.run { bed in
            let caller = TaskPlace.namespaceName(of: bed.shop.callerTasks[0])
            let trace = try await predict(bed, "\(MeshShop.virtual4):80", from: caller)
            #expect(trace.isCertain && isReached(trace), "\(trace)")
            let place = trace.outward.verdict.place
            #expect(place.title == "web.1" && place.host == "n3", "\(trace)")
        }
    }

    @Test func `where packets end is where the path ends`() async throws {
        try await MeshBed.run(reversePathFilter: 1) { bed in
            let target = "198.51.100.1:8080"
            func expect(_ reason: DropReason, on place: String, _ spoil: String, _ node: Int, heal: String) async throws
            {
                try await bed.nodes[node - 1].shell(spoil)
                let trace = try await predict(bed, target, from: bed.client.name)
                #expect(trace.verdict.reason == reason && trace.verdict.place.title == place, "\(trace)")
                let answer = try await ask(bed, "tcp", "8080", "198.51.100.1")
                #expect(answer?.hasPrefix("web.1") != true, "\(spoil): \(answer ?? "-")")
                try await bed.nodes[node - 1].shell(heal)
            }
            let link = Tunnel.linkName
            let (mac, far) = (Tunnel.macAddress(ofNode: 3), "192.0.2.3")
            try await expect(
                .noRemote, on: "n1", "bridge fdb del \(mac) dev \(link) dst \(far) self", 1,
                heal: "bridge fdb append \(mac) dev \(link) dst \(far) self permanent")
            try await expect(
                .reversePathFilter, on: "n3", "sysctl -qw net.ipv4.conf.\(link).src_valid_mark=0", 3,
                heal: "sysctl -qw net.ipv4.conf.\(link).src_valid_mark=1")
            try await expect(
                .netfilter, on: "n3", "nft delete element inet causeway peers4 '{ 192.0.2.1 }'", 3,
                heal: "nft add element inet causeway peers4 '{ 192.0.2.1 comment \"node n1\" }'")
            #expect(isReached(try await predict(bed, target, from: bed.client.name)))
        }
    }
}
