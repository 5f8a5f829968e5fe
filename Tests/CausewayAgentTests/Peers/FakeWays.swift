import CausewayAgent
import CausewayModel

/// A network between nodes in which everything can be said beforehand.
struct FakeWays {
    struct Way {
        var isUp = true
        var mtu: UInt32 = 1450
        /// Whether packets arrive whose checksum was left to the hardware.
        var passesOffload = true
        /// Whether somebody there refuses connections; a firewall may drop them.
        var refusesConnections = true
        var answersPings = true
        /// How many rounds an answer takes.
        var delay = 0
    }

    var ways: [Swarm.ID: Way]
    /// `nil`: there is none yet.
    var link: ProbeRound.Link? = .init(index: 7, mtu: 1450, isOffloadOn: true)
    var table: PeerTable
    private(set) var news: [PeerNews] = []
    private(set) var asked: [PeerProbe] = []
    private var late: [[Swarm.ID: ProbeRound.Answers]] = []

    init(_ peers: Int = 1, remembered: PeerMemory = PeerMemory()) {
        table = PeerTable(remembered: remembered)
        let assignment = Self.assignment(peers)
        ways = Dictionary(uniqueKeysWithValues: assignment.peers.map { ($0.id, Way()) })
        table.follow(assignment)
    }

    static func assignment(_ peers: Int) -> NodeAssignment {
        var assignment = Shop.assignment()
        assignment.tunnel = Tunnel(pool: Tunnel.defaultPool!, uniqueLocalPrefix: assignment.uniqueLocalPrefix)
        assignment.peers = (0..<peers).map { index in
            Peer(
                id: "peer\(index + 2)", hostname: "n\(index + 2)", number: index + 2,
                dataAddress: .v4(IPv4Address(rawValue: 0xc000_0202 + UInt32(index))))
        }
        return assignment
    }

    /// As the agent would, the link follows what the table wants of it.
    mutating func run(rounds: Int) {
        for _ in 0..<rounds {
            asked = table.probes()
            var answers: [Swarm.ID: [Int: ProbeRound.Answers]] = [:]
            for probe in link == nil ? [] : asked {
                guard let way = ways[probe.peer], way.isUp else { continue }
                switch probe.question {
                case .echo(let size) where way.answersPings && size <= min(way.mtu, link?.mtu ?? 0):
                    answers[probe.peer, default: [:]][way.delay, default: .init()].sizes.insert(size)
                case .connect where way.refusesConnections && (way.passesOffload || link?.isOffloadOn == false):
                    answers[probe.peer, default: [:]][way.delay, default: .init()].isConnectAnswered = true
                default: break
                }
            }
            for (peer, byDelay) in answers {
                for (delay, answer) in byDelay {
                    while late.count <= delay { late.append([:]) }
                    late[delay][peer] = answer
                }
            }
            let heard = late.isEmpty ? [:] : late.removeFirst()
            news += table.take(ProbeRound(link: link, answers: heard))
            link?.isOffloadOn = table.view.tunnelOffload
        }
    }

    /// How many rounds pass until something is true; gives up after `limit`.
    mutating func rounds(until isTrue: (PeerView) -> Bool, limit: Int = 200) -> Int {
        for count in 0..<limit {
            if isTrue(table.view) { return count }
            run(rounds: 1)
        }
        return limit
    }

    var words: [String] { news.map(\.description) }
}
