import CausewayAgent
import CausewayModel
import Testing

@Suite struct `Peer health` {
    private static let second = 5

    @Test func `a peer that falls silent is suspect after three rounds, before a second is over`() {
        var network = FakeWays()
        network.run(rounds: 20)
        #expect(network.table.view.suspects.isEmpty)

        network.ways["peer2"]?.isUp = false

        #expect(network.rounds { $0.suspects == ["peer2"] } == 3)
        #expect(network.words.last == "n2 does not answer through the tunnel (192.0.2.2); new connections avoid it")
        #expect(network.table.view.observations[0].isReachable == false)
    }

    @Test(arguments: [1, 2]) func `a lost answer or two changes nothing`(lost: Int) {
        var network = FakeWays()
        network.run(rounds: 20)
        for _ in 0..<10 {
            network.ways["peer2"]?.isUp = false
            network.run(rounds: lost)
            #expect(network.table.view.suspects.isEmpty)
            network.ways["peer2"]?.isUp = true
            network.run(rounds: 1)
        }
        #expect(!network.words.contains { $0.contains("avoid") })
    }

    @Test func `a peer that is back is used after two answers`() {
        var network = FakeWays()
        network.run(rounds: 20)
        network.ways["peer2"]?.isUp = false
        network.run(rounds: 30)

        network.ways["peer2"]?.isUp = true

        #expect(network.rounds { $0.suspects.isEmpty } == 2)
    }

    @Test func `one that keeps coming and going is used later, and still within two seconds`() {
        var network = FakeWays()
        network.run(rounds: 20)
        var waits: [Int] = []
        for _ in 0..<20 {
            network.ways["peer2"]?.isUp = false
            network.run(rounds: 5)
            network.ways["peer2"]?.isUp = true
            waits.append(network.rounds { $0.suspects.isEmpty })
            network.run(rounds: 5)
        }
        #expect(waits.prefix(3) == [2, 4, 6])
        #expect(waits.allSatisfy { $0 < 2 * Self.second })
    }

    @Test func `flaps are forgotten after a minute`() {
        var network = FakeWays()
        for _ in 0..<3 {
            network.run(rounds: 20)
            network.ways["peer2"]?.isUp = false
            network.run(rounds: 5)
            network.ways["peer2"]?.isUp = true
        }
        network.run(rounds: 60 * Self.second)
        network.ways["peer2"]?.isUp = false
        network.run(rounds: 5)
        network.ways["peer2"]?.isUp = true
        #expect(network.rounds { $0.suspects.isEmpty } == 2)
    }

    @Test func `a far peer whose answers take three rounds is no dead one`() {
        var network = FakeWays()
        network.ways["peer2"]?.delay = 2
        network.run(rounds: 100)
        #expect(network.table.view.suspects.isEmpty)
        #expect(network.table.view.paths["peer2"]?.mtu == 1450)
    }

    @Test func `a peer that is deaf to pings is alive by what it refuses`() {
        var network = FakeWays()
        network.ways["peer2"]?.answersPings = false
        network.run(rounds: 100)
        let observation = network.table.view.observations[0]
        #expect(observation.isReachable)
        #expect(observation.mtu == nil)
        #expect(observation.note.contains("no pings"))

        network.ways["peer2"]?.isUp = false
        #expect(network.rounds { !$0.suspects.isEmpty } <= 4)
        network.run(rounds: 50)
        network.ways["peer2"]?.isUp = true
        #expect(network.rounds { $0.suspects.isEmpty } < 2 * Self.second)
    }

    @Test func `a dead peer is not asked for a connection in each round`() {
        var network = FakeWays()
        network.ways["peer2"]?.isUp = false
        network.run(rounds: 10)
        var connections = 0
        for _ in 0..<50 {
            network.run(rounds: 1)
            connections += network.asked.filter { $0.question == .connect }.count
        }
        #expect(connections == 10)
    }

    @Test func `a restart does not make a dead peer a good one`() {
        var before = FakeWays(2)
        before.ways["peer3"]?.isUp = false
        before.run(rounds: 20)

        var network = FakeWays(2, remembered: before.table.memory)
        network.ways["peer3"]?.isUp = false

        for _ in 0..<20 {
            #expect(network.table.view.suspects == ["peer3"])
            network.run(rounds: 1)
        }
        network.ways["peer3"]?.isUp = true
        #expect(network.rounds(until: \.suspects.isEmpty) == 2)
    }

    @Test func `without a link of our own nobody is suspect`() {
        var network = FakeWays(3)
        network.link = nil
        network.run(rounds: 50)
        #expect(network.table.view.suspects.isEmpty)
        #expect(network.news.isEmpty)
    }

    @Test func `a hundred quiet peers get little more than one small ping each in a round`() {
        var network = FakeWays(100)
        network.run(rounds: 100)
        var probes = 0
        var bytes: UInt32 = 0
        for _ in 0..<50 {
            network.run(rounds: 1)
            probes += network.asked.count
            for case .echo(let size) in network.asked.map(\.question) { bytes += size }
        }
        #expect(probes == 50 * 100 + 5 * 100)
        #expect(bytes / 10 < 110_000, "bytes a second")
    }

    @Test func `a peer with another address is measured anew, one with another name is not`() {
        var network = FakeWays(2)
        network.run(rounds: 30)
        var assignment = FakeWays.assignment(2)
        assignment.peers[0].hostname = "renamed"
        assignment.peers[1].dataAddress = .v4(IPv4Address(rawValue: 0xc000_0263))

        network.table.follow(assignment)

        #expect(network.table.view.paths["peer2"]?.mtu == 1450)
        #expect(network.table.view.paths["peer3"] == nil)
    }
}

@Suite struct `Path MTU` {
    @Test(arguments: [1500, 1450, 1400, 1280, 576, 100, 8950] as [UInt32], [1450, 8950] as [UInt32])
    func `the largest packet that arrives is found within four seconds`(path: UInt32, link: UInt32) {
        var network = FakeWays()
        network.link?.mtu = link
        network.ways["peer2"]?.mtu = path

        let rounds = network.rounds { $0.paths["peer2"]?.mtu == min(path, link) }

        #expect(rounds <= 20, "\(network.words)")
        network.run(rounds: 300)
        #expect(network.table.view.paths["peer2"]?.mtu == min(path, link))
        let isNarrow = path < link
        #expect(network.table.view.observations[0].note.contains("do not arrive") == isNarrow)
    }

    @Test func `any size is found, whatever the link`() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = ShopGenerator(seed: seed)
        for _ in 0..<300 {
            var network = FakeWays()
            let link = UInt32.random(in: 65...9200, using: &generator)
            let path = UInt32.random(in: 64...9200, using: &generator)
            network.link?.mtu = link
            network.ways["peer2"]?.mtu = path
            network.run(rounds: 25)
            #expect(network.table.view.paths["peer2"]?.mtu == min(path, link), "seed \(seed)")
        }
    }

    @Test func `a way that becomes narrower is noticed within seven seconds`() {
        for shift in 0..<10 {
            var network = FakeWays()
            network.run(rounds: 30 + shift)
            network.ways["peer2"]?.mtu = 1350
            let rounds = network.rounds { $0.paths["peer2"]?.mtu == 1350 }
            #expect(rounds <= 35, "shift \(shift)")
            #expect(network.table.view.suspects.isEmpty)
        }
        var network = FakeWays()
        network.ways["peer2"]?.mtu = 1350
        network.run(rounds: 30)
        #expect(
            network.words.contains(
                "tunnel to n2: packets above 1350 bytes do not arrive although cw-vxlan takes 1450; "
                    + "packets to it are kept to that"))
    }

    @Test func `a way that becomes wider is noticed within half a minute and a search`() {
        var network = FakeWays()
        network.ways["peer2"]?.mtu = 1350
        network.run(rounds: 30)
        network.ways["peer2"]?.mtu = 1400
        #expect(network.rounds { $0.paths["peer2"]?.mtu == 1400 } <= 5 * 34)
        network.ways["peer2"]?.mtu = 1450
        #expect(network.rounds { $0.paths["peer2"]?.mtu == 1450 } <= 5 * 34)
    }

    @Test func `a single full-size packet that is lost changes nothing`() {
        var network = FakeWays()
        network.run(rounds: 30)
        for _ in 0..<10 {
            network.ways["peer2"]?.mtu = 1000
            network.run(rounds: 3)
            network.ways["peer2"]?.mtu = 1450
            network.run(rounds: 12)
            #expect(network.table.view.paths["peer2"]?.mtu == 1450)
        }
        #expect(network.words.filter { $0.contains("do not arrive") }.isEmpty)
    }

    @Test func `another MTU of our own link is another question`() {
        var network = FakeWays()
        network.ways["peer2"]?.mtu = 8950
        network.run(rounds: 30)
        #expect(network.table.view.paths["peer2"]?.mtu == 1450)
        network.link?.mtu = 8950
        #expect(network.rounds { $0.paths["peer2"]?.mtu == 8950 } <= 20)
    }

    @Test func `a peer that comes back may have come another way`() {
        var network = FakeWays()
        network.run(rounds: 30)
        network.ways["peer2"]?.isUp = false
        network.run(rounds: 30)
        network.ways["peer2"]?.isUp = true
        network.ways["peer2"]?.mtu = 1300
        #expect(network.rounds { $0.paths["peer2"]?.mtu == 1300 } <= 25)
    }

    @Test func `what was measured before a restart counts until it is measured again`() {
        var before = FakeWays()
        before.ways["peer2"]?.mtu = 1300
        before.run(rounds: 30)

        var network = FakeWays(remembered: before.table.memory)

        #expect(network.table.view.paths["peer2"]?.mtu == 1300)
        #expect(network.rounds { $0.paths["peer2"]?.mtu == 1450 } <= 20)
    }
}
