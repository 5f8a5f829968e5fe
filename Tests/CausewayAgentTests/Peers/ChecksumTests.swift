import CausewayAgent
import CausewayModel
import Testing

@Suite struct `Checksum trial` {
    /// Five rounds are a second.
    private static let minute = 300

    @Test func `where all is well offload stays on`() {
        var network = FakeWays(3)
        network.run(rounds: 100)
        #expect(network.table.view.tunnelOffload)
        #expect(network.table.view.observations.map(\.takesChecksumOffload) == [true, true, true])
        #expect(network.table.view.observations.map(\.note) == ["", "", ""])
    }

    @Test func `a bad NIC is found and cured within five seconds, and named`() {
        var network = FakeWays(3)
        network.ways["peer3"]?.passesOffload = false

        #expect(network.rounds { !$0.tunnelOffload } <= 15)
        network.run(rounds: 10)

        let view = network.table.view
        #expect(!view.tunnelOffload)
        #expect(view.observations.map(\.takesChecksumOffload) == [true, false, true])
        let words =
            "TCP checksums left to the hardware do not arrive; checksum offload of cw-vxlan switched off"
        #expect(view.observations[1].note == words)
        #expect(network.words.last == "tunnel to n3: \(words)")
        #expect(view.suspects.isEmpty)
    }

    @Test func `a firewall is no bad NIC, and costs no offload`() {
        var network = FakeWays(2)
        network.ways["peer2"]?.refusesConnections = false
        network.run(rounds: 60)
        let view = network.table.view
        #expect(view.tunnelOffload)
        #expect(view.observations.map(\.takesChecksumOffload) == [nil, true])
        #expect(view.observations[0].note.contains("firewall"))
        // And the question is not asked again and again.
        let before = network.news.count
        network.run(rounds: 10 * Self.minute)
        #expect(network.news.count == before)
    }

    @Test func `a cure is lifted when the peer comes back by a way that needs none`() {
        var network = FakeWays()
        network.ways["peer2"]?.passesOffload = false
        network.run(rounds: 2 * Self.minute)
        #expect(!network.table.view.tunnelOffload)

        network.ways["peer2"]?.isUp = false
        network.run(rounds: 10)
        network.ways["peer2"] = FakeWays.Way()
        network.run(rounds: 20)

        #expect(network.table.view.tunnelOffload)
        #expect(network.table.view.observations[0].takesChecksumOffload == true)
    }

    @Test func `a cure is not lifted for each flap`() {
        var network = FakeWays()
        network.ways["peer2"]?.passesOffload = false
        network.run(rounds: 30)
        for _ in 0..<15 {
            network.ways["peer2"]?.isUp = false
            network.run(rounds: 5)
            network.ways["peer2"]?.isUp = true
            for _ in 0..<10 {
                network.run(rounds: 1)
                #expect(!network.table.view.tunnelOffload)
            }
        }
    }

    @Test func `after six hours it is tried whether the cure is still needed`() {
        var network = FakeWays()
        network.ways["peer2"]?.passesOffload = false
        network.run(rounds: 30)
        network.ways["peer2"]?.passesOffload = true
        network.run(rounds: 5 * 60 * Self.minute)
        #expect(!network.table.view.tunnelOffload)
        network.run(rounds: 61 * Self.minute)
        #expect(network.table.view.tunnelOffload)
    }

    @Test func `a peer that needs a cure no more ends it by leaving`() {
        var network = FakeWays(2)
        network.ways["peer3"]?.passesOffload = false
        network.run(rounds: 30)
        network.table.follow(FakeWays.assignment(1))
        #expect(network.table.view.tunnelOffload)
    }

    @Test func `a restart keeps the cure, without a gap`() {
        var before = FakeWays()
        before.ways["peer2"]?.passesOffload = false
        before.run(rounds: 30)

        var network = FakeWays(remembered: before.table.memory)
        network.ways["peer2"]?.passesOffload = false
        network.link?.isOffloadOn = false

        for _ in 0..<100 {
            #expect(!network.table.view.tunnelOffload)
            network.run(rounds: 1)
        }
    }

    @Test func `a device that was made anew is tried again`() {
        var network = FakeWays()
        network.run(rounds: 30)
        network.link?.index = 9
        network.ways["peer2"]?.passesOffload = false
        #expect(network.rounds { !$0.tunnelOffload } <= 15)
    }
}
