import CausewayModel

/// All that is known of the peers, and what to ask them next.
///
/// A value: rounds go in, questions and news come out.
package struct PeerTable: Sendable {
    struct Entry: Sendable {
        var peer: Peer
        /// Inside the tunnel.
        let address: IPAddress
        var health: PeerHealth
        var path: PathMTU
        var checksum: ChecksumTrial
        /// Whether it has answered at all, and a ping.
        var isKnown = false
        var answersPings = false

        init(_ peer: Peer, at address: IPAddress, _ memory: PeerMemory.Entry?) {
            self.peer = peer
            self.address = address
            let memory = memory?.dataAddress == peer.dataAddress ? memory : nil
            health = PeerHealth(isSuspect: memory?.isSuspect ?? false)
            path = PathMTU(remembered: memory?.mtu)
            checksum = ChecksumTrial(needsOwn: memory?.needsOwnChecksums ?? false)
        }
    }

    private var entries: [Swarm.ID: Entry] = [:]
    private var tunnel: Tunnel?
    private(set) var link: ProbeRound.Link?
    private let remembered: PeerMemory
    private var round = 0

    package init(remembered: PeerMemory = PeerMemory()) { self.remembered = remembered }

    package var isEmpty: Bool { entries.isEmpty }

    /// Sorted by the peers' numbers.
    var sorted: [Entry] { entries.values.sorted { $0.peer.number < $1.peer.number } }

    /// Takes the peers of an assignment: one that has moved is a new one.
    package mutating func follow(_ assignment: NodeAssignment) {
        if tunnel != assignment.tunnel { entries = [:] }
        tunnel = assignment.tunnel
        var kept: [Swarm.ID: Entry] = [:]
        for peer in assignment.peers where peer.id != assignment.nodeID {
            if var known = entries[peer.id], known.peer.dataAddress == peer.dataAddress,
                known.peer.number == peer.number
            {
                known.peer = peer
                kept[peer.id] = known
            } else if let address = tunnel?.address(ofNode: peer.number, .ip) {
                kept[peer.id] = Entry(peer, at: address, remembered.peers[peer.id])
            }
        }
        entries = kept
    }

    /// The questions of the next round.
    package mutating func probes() -> [PeerProbe] {
        round += 1
        var probes: [PeerProbe] = []
        for id in entries.keys.sorted() {
            guard var entry = entries.removeValue(forKey: id) else { continue }
            let turn = turn(of: entry)
            var questions = [PeerProbe.Question.echo(size: PathMTU.smallest)]
            if entry.answersPings, entry.health.missed == 0 {
                questions += entry.path.sizes(in: turn).map { .echo(size: $0) }
            }
            let asks = link.map { entry.checksum.asks(in: turn, offload: $0.isOffloadOn) } ?? false
            if asks || mayBeDeafToPings(entry) { questions.append(.connect) }
            probes += questions.map { PeerProbe(peer: id, address: entry.address, question: $0) }
            entries[id] = entry
        }
        return probes
    }

    /// Peers take turns with what is not asked in each round.
    private func turn(of entry: Entry) -> Int { round + entry.peer.number }

    /// A connection that is refused is a sign of life as well; one that is dead is asked so less often, because each try
    /// leaves an entry in conntrack for two minutes.
    private func mayBeDeafToPings(_ entry: Entry) -> Bool {
        guard !entry.answersPings || entry.health.missed > 0 else { return false }
        return entry.health.missed < ProbeTiming.missesUntilSuspect || round % 5 == 0
    }

    /// Takes what was heard in the round.
    ///
    /// Without a link of our own nothing was heard because nothing was asked, which tells nothing of the peers.
    package mutating func take(_ outcome: ProbeRound) -> [PeerNews] {
        guard outcome.link != nil else { return [] }
        let linkBefore = link
        link = outcome.link
        var news: [PeerNews] = []
        for id in entries.keys.sorted() {
            guard var entry = entries.removeValue(forKey: id) else { continue }
            news += take(outcome.answers[id] ?? .init(), for: &entry, linkBefore)
            entries[id] = entry
        }
        return news
    }

    private func take(
        _ answers: ProbeRound.Answers, for entry: inout Entry, _ linkBefore: ProbeRound.Link?
    ) -> [PeerNews] {
        let turn = turn(of: entry)
        var kinds: [PeerNews.Kind] = []
        let isPinged = !answers.sizes.isEmpty
        let before = entry.health
        if entry.health.take(wasHeard: isPinged || answers.isConnectAnswered, in: turn) {
            let rounds = entry.health.since - before.since
            kinds.append(
                entry.health.state == .suspect
                    ? .lost(wasKnown: entry.isKnown) : .returned(after: ProbeTiming.period * rounds))
        }
        if isPinged, let link {
            let isBack = !entry.answersPings || (before.state == .suspect && entry.health.state == .reachable)
            if isBack || link.index != linkBefore?.index { entry.checksum.wayMayHaveChanged(in: turn) }
            if isBack || link.index != linkBefore?.index || link.mtu != linkBefore?.mtu {
                entry.path.measure(upTo: link.mtu)
            } else if entry.path.take(answers.sizes, in: turn), let mtu = entry.path.value {
                kinds.append(.mtu(mtu, link: link.mtu))
            }
            if entry.checksum.take(isAnswered: answers.isConnectAnswered, offload: link.isOffloadOn, in: turn) {
                kinds.append(.checksum(entry.checksum.verdict))
            }
            entry.answersPings = true
        }
        entry.isKnown = entry.isKnown || isPinged || answers.isConnectAnswered
        return kinds.map { PeerNews(peer: entry.peer, kind: $0) }
    }
}
