import CausewayLinux
import CausewayModel
import CausewayTestKit
import Testing

/// What the compiler builds for classic networks, made by a kernel with IPVS and used with real requests.
@Suite(.enabled(if: VirtualMachine.isHere, "\(VirtualMachine.whyNot)"), .serialized)
struct VirtualMachineClassicTests {
    @Test func `requests go the way that Docker Swarm's go`() async throws {
        try await ClassicBed.run { bed in
            let client = { try await bed.client.shell($0) }
            let (host, other) = (try #require(bed.hosts["hosta"]), try #require(bed.hosts["hostb"]))

            // From outside, on either host: tasks in turn, here and there, and the entry's balancer is what they see.
            let outside = try await ClassicBed.ask("http://192.168.77.11:8080", 4, client)
            #expect(outside.sorted() == ["web.1 10.0.0.2", "web.1 10.0.0.2", "web.2 10.0.0.2", "web.2 10.0.0.2"])
            let there = try await ClassicBed.ask("http://192.168.77.12:8080", 2, client)
            #expect(there.sorted() == ["web.1 10.0.0.3", "web.2 10.0.0.3"])

            // From the host itself, by its own address and by the loopback one.
            for address in ["192.168.77.11", "127.0.0.1"] {
                let own = try await ClassicBed.ask("http://\(address):8080", 2) { try await host.shell($0) }
                #expect(own.sorted() == ["web.1 10.0.0.2", "web.2 10.0.0.2"])
            }

            // From a task: the virtual address on the task's own port.
            let probe = try #require(ClassicCluster().assignment("hosta").tasks.first { $0.serviceName == "probe" })
            let asker = bed.space(of: probe, on: "hosta")
            let inside = try await ClassicBed.ask("http://10.0.1.2:80", 2) { try await asker.shell($0) }
            #expect(inside.sorted() == ["web.1 10.0.1.3", "web.2 10.0.1.3"])
            // And out, with the host's address.
            let away = try await ClassicBed.ask("http://192.168.77.100", 1) { try await asker.shell($0) }
            #expect(away == ["client 192.168.77.11"])

            // One that drains gets nothing new, and the other is told nothing of it.
            try await bed.apply(ClassicCluster(draining: ["hostb"]))
            let drained = try await ClassicBed.ask("http://192.168.77.12:8080", 3, client)
            #expect(drained == ["web.1 10.0.0.3", "web.1 10.0.0.3", "web.1 10.0.0.3"])
            #expect(try await bed.space("cw-ingress_sbox", on: "hostb").shell("ipvsadm -S -n").contains("-w 0"))
            // Nobody left: refused at once.
            try await bed.apply(ClassicCluster(draining: ["hosta", "hostb"]))
            let refused = try await client("curl --silent --max-time 20 http://192.168.77.11:8080 || echo $?")
            #expect(refused == "7\n")
            try await bed.apply(ClassicCluster())
            #expect(
                try await ClassicBed.ask("http://192.168.77.11:8080", 2) { try await other.shell($0) }.count == 2)
        }
    }
}
