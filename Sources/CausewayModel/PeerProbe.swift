/// One question to the kernel of a peer, through the tunnel.
///
/// The kernel answers, not a daemon: a peer whose daemon was killed still carries traffic.
package struct PeerProbe: Hashable, Sendable {
    package enum Question: Hashable, Sendable {
        /// An ICMP echo that must not be fragmented.
        ///
        /// `size` is that of the whole packet inside the tunnel, bytes.
        case echo(size: UInt32)
        /// A TCP connection to a port on which nobody listens: the refusal is the answer.
        ///
        /// Its packets leave with their checksum left to the hardware, as those of every program do.
        case connect
    }

    package var peer: Swarm.ID
    /// The peer's address inside the tunnel.
    package var address: IPAddress
    package var question: Question

    package init(peer: Swarm.ID, address: IPAddress, question: Question) {
        self.peer = peer
        self.address = address
        self.question = question
    }
}

/// What was heard of the peers in one round of probes.
package struct ProbeRound: Hashable, Sendable {
    /// This node's own end of the tunnel, as it was at the end of the round.
    package struct Link: Hashable, Sendable {
        /// Another number is another device, whatever its name.
        package var index: UInt32
        /// Bytes inside the tunnel.
        package var mtu: UInt32
        /// Whether checksums are left to the hardware below it.
        package var isOffloadOn: Bool

        package init(index: UInt32, mtu: UInt32, isOffloadOn: Bool) {
            self.index = index
            self.mtu = mtu
            self.isOffloadOn = isOffloadOn
        }
    }

    /// What came from one peer, to questions of this round or an earlier one.
    package struct Answers: Hashable, Sendable {
        /// The sizes of the echoes.
        package var sizes: Set<UInt32>
        /// Whether a connection was refused, or made.
        package var isConnectAnswered: Bool

        package init(sizes: Set<UInt32> = [], isConnectAnswered: Bool = false) {
            self.sizes = sizes
            self.isConnectAnswered = isConnectAnswered
        }
    }

    /// Absent when there is no such device.
    package var link: Link?
    package var answers: [Swarm.ID: Answers]

    package init(link: Link? = nil, answers: [Swarm.ID: Answers] = [:]) {
        self.link = link
        self.answers = answers
    }
}

/// Asks the kernels of the peers.
package protocol PeerProbing: Sendable {
    /// Asks all at once, and says what was heard since the last round when `period` is over.
    ///
    /// A question that cannot be sent is one without an answer.
    func round(_ probes: [PeerProbe], lasting period: Duration) async -> ProbeRound
}
