import CausewayAgent
import CausewayLinux
import CausewayModel
import CausewayTestKit
import Glibc
import Testing

@Suite(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"), .timeLimit(.minutes(2)), .serialized)
struct `Peer prober` {
    private func isMeasured(_ view: PeerView) -> Bool { view.observations.first?.takesChecksumOffload != nil }

    // MARK: who answers

    @Test func `a peer without any program of ours answers, and falls silent with its link`() async throws {
        let bed = try await ProbeBed()
        await bed.start()
        try await bed.time(until: "measured", within: .seconds(4)) { isMeasured($0) && $0.paths["n2"] != nil }

        for _ in 0..<3 {
            try await bed.router.shell("ip link set toward2 down")
            try await bed.time(until: "avoided", within: .seconds(1)) { $0.suspects == ["n2"] }
            try await bed.router.shell("ip link set toward2 up")
            try await bed.time(until: "used again", within: .seconds(2)) { $0.suspects.isEmpty }
        }
        #expect(bed.view.tunnelOffload)
    }

    @Test(arguments: ["ip saddr 192.0.2.1", "ip saddr 192.0.2.129"])
    func `loss in one direction is loss`(direction: String) async throws {
        let bed = try await ProbeBed()
        await bed.start()
        try await bed.time(until: "measured", within: .seconds(4), isMeasured)

        try await bed.router.shell("nft 'add rule inet quiet way \(direction) udp dport 4789 drop'")
        try await bed.time(until: "avoided", within: .seconds(1)) { !$0.suspects.isEmpty }
        try await bed.router.shell("nft flush chain inet quiet way")
        try await bed.time(until: "used again", within: .seconds(2)) { $0.suspects.isEmpty }
    }

    @Test func `a peer that ignores pings is alive`() async throws {
        let bed = try await ProbeBed()
        try await bed.n2.shell("sysctl -qw net.ipv4.icmp_echo_ignore_all=1")
        await bed.start()
        try await bed.time(until: "known", within: .seconds(2)) { $0.observations.first?.note.isEmpty == false }
        try await Task.sleep(for: .seconds(1))
        #expect(bed.view.suspects.isEmpty)
    }

    @Test func `a hundred peers are watched at the price of a few hundredths of a processor`() async throws {
        let bed = try await ProbeBed(peers: 100)
        await bed.start()
        try await bed.time(until: "all measured", within: .seconds(8)) { view in
            view.observations.count == 100
                && view.observations.allSatisfy { $0.mtu == 1450 && $0.takesChecksumOffload == true }
        }
        let before = Self.processorTime()
        try await Task.sleep(for: .seconds(5))
        let share = (Self.processorTime() - before) / 5
        print("processor: \(share)")
        #expect(bed.view.suspects.isEmpty)
        // A debug build's; the machine may be busy with other things.
        #expect(share < 0.3)

        try await bed.router.shell("ip link set toward2 down")
        try await bed.time(until: "all avoided", within: .seconds(1.2)) { $0.suspects.count == 100 }
    }

    /// Seconds of this process.
    private static func processorTime() -> Double {
        var usage = rusage()
        getrusage(0, &usage)
        return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
    }

    // MARK: how large

    @Test(arguments: [(9000, 1500), (9000, 9000), (1500, 1450), (1500, 1400), (1500, 1330)])
    func `the way's MTU is measured although nobody says too big`(own: Int, way: Int) async throws {
        let bed = try await ProbeBed(underlay: own)
        try await bed.router.shell("ip link set toward2 mtu \(way)")
        await bed.start()

        try await bed.time(until: "\(way - 50)", within: .seconds(6)) { $0.paths["n2"]?.mtu == UInt32(way - 50) }

        #expect(bed.view.suspects.isEmpty)
    }

    @Test func `a way that shrinks is measured again within ten seconds`() async throws {
        let bed = try await ProbeBed()
        await bed.start()
        try await bed.time(until: "1450", within: .seconds(4)) { $0.paths["n2"]?.mtu == 1450 }

        try await bed.router.shell("ip link set toward2 mtu 1400")

        try await bed.time(until: "1350", within: .seconds(10)) { $0.paths["n2"]?.mtu == 1350 }
        #expect(bed.log.lines.contains { $0.contains("packets above 1350 bytes do not arrive") })
        #expect(bed.view.suspects.isEmpty)
    }

    // MARK: checksums

    @Test func `a bad NIC is found and cured within five seconds, and the cure is lifted when it is replaced`()
        async throws
    {
        let bed = try await ProbeBed(badNIC: true)
        await bed.start()

        try await bed.time(until: "cured", within: .seconds(5)) {
            $0.observations.first?.takesChecksumOffload == false && !$0.tunnelOffload
        }
        let words = "TCP checksums left to the hardware do not arrive; checksum offload of cw-vxlan switched off"
        try await bed.time(until: "said", within: .seconds(2)) { $0.observations.first?.note == words }
        #expect(bed.log.lines.contains("tunnel to n2: \(words)"))
        #expect(try await bed.n1.namespace.perform { try ChecksumOffload.isOn("cw-vxlan") } == false)
        #expect(try await bed.n1.namespace.perform { try ChecksumOffload.isOn("eth0") } == true)
        try await answersTCP(bed)

        // What is known of a way is no proof for another one.
        try await bed.repairNIC()
        await bed.follow(dataAddress: "192.0.2.130")
        try await bed.time(until: "set back", within: .seconds(5)) {
            $0.tunnelOffload && $0.observations.first?.takesChecksumOffload == true
        }
        #expect(try await bed.n1.namespace.perform { try ChecksumOffload.isOn("cw-vxlan") } == true)
        try await answersTCP(bed)
    }

    @Test func `a firewall that drops TCP is not taken for a bad NIC`() async throws {
        let bed = try await ProbeBed()
        try await bed.n2.shell(
            "nft 'add table inet f; add chain inet f in { type filter hook input priority 0; }; "
                + "add rule inet f in iifname cw-vxlan tcp dport 9 drop'")
        await bed.start()
        try await bed.time(until: "said", within: .seconds(8)) {
            $0.tunnelOffload && $0.observations.first?.note.contains("firewall") == true
        }
        try await bed.time(until: "switched back", within: .seconds(1), \.tunnelOffload)
    }

    /// A program's own connection.
    private func answersTCP(_ bed: ProbeBed) async throws {
        let status = try await bed.n1.outcome(
            ["timeout", "--signal=KILL", "2", "bash", "-c", "echo >/dev/tcp/100.64.0.2/99"])
        // 1 is the refusal, 137 would be silence.
        #expect(status.status == 1, "\(status.errors)")
    }
}
