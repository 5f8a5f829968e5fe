import CausewayModel

/// What follows from the probes for the rest of the node.
package struct PeerView: Hashable, Sendable {
    /// The nodes that new connections avoid.
    package var suspects: Set<Swarm.ID> = []
    package var paths: [Swarm.ID: PeerPath] = [:]
    /// Whether the tunnel's link may leave checksums to the hardware below it.
    package var tunnelOffload = true
    /// For the manager and for people; sorted by the peers' numbers.
    package var observations: [PeerObservation] = []

    package init() {}
}

/// What is kept of the peers over a restart, so that no packet is lost until they are measured again.
package struct PeerMemory: Hashable, Codable, Sendable {
    package struct Entry: Hashable, Codable, Sendable {
        /// It is of no use once the peer has another.
        package var dataAddress: IPAddress
        package var mtu: UInt32?
        package var needsOwnChecksums: Bool
        package var isSuspect: Bool

        package init(dataAddress: IPAddress, mtu: UInt32?, needsOwnChecksums: Bool, isSuspect: Bool) {
            self.isSuspect = isSuspect
            self.dataAddress = dataAddress
            self.mtu = mtu
            self.needsOwnChecksums = needsOwnChecksums
        }
    }

    package var peers: [Swarm.ID: Entry]

    package init(peers: [Swarm.ID: Entry] = [:]) { self.peers = peers }
}

extension PeerTable {
    package var view: PeerView {
        var view = PeerView()
        for entry in sorted {
            if entry.health.state == .suspect { view.suspects.insert(entry.peer.id) }
            if let mtu = entry.path.value { view.paths[entry.peer.id] = PeerPath(mtu: mtu) }
            if entry.checksum.wantsOwn { view.tunnelOffload = false }
            view.observations.append(entry.observation(link))
        }
        return view
    }

    package var memory: PeerMemory {
        PeerMemory(
            peers: Dictionary(
                sorted.map { entry in
                    (
                        entry.peer.id,
                        PeerMemory.Entry(
                            dataAddress: entry.peer.dataAddress, mtu: entry.path.value,
                            needsOwnChecksums: entry.checksum.verdict == .needsOwn,
                            isSuspect: entry.health.state == .suspect)
                    )
                }
            ) { first, _ in first })
    }
}

extension PeerTable.Entry {
    fileprivate func observation(_ link: ProbeRound.Link?) -> PeerObservation {
        PeerObservation(
            nodeID: peer.id, isReachable: health.state == .reachable, mtu: path.value,
            takesChecksumOffload: checksum.verdict.takesOffload, note: notes(link).joined(separator: "; "))
    }

    private func notes(_ link: ProbeRound.Link?) -> [String] {
        var notes: [String] = []
        if health.state == .suspect {
            notes.append("does not answer through the tunnel; new connections avoid it")
        } else if isKnown, !answersPings {
            notes.append("answers connections and no pings: its MTU is not measured")
        }
        if let mtu = path.value, let link, mtu < link.mtu {
            notes.append(PeerNews.smallPath(mtu, link: link.mtu))
        }
        return notes + (PeerNews.words(for: checksum.verdict).map { [$0] } ?? [])
    }
}

extension ChecksumTrial.Verdict {
    /// Absent as long as it is not known.
    fileprivate var takesOffload: Bool? {
        switch self {
        case .fine: true
        case .failing, .needsOwn: false
        case .unknown, .mute: nil
        }
    }
}
