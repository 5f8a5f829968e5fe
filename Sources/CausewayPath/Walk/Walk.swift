import CausewayKernel
import CausewayModel

/// One packet on its way through the namespaces: what it is now, what it has met, what conntrack remembers.
struct Walk: Sendable {
    /// Where the packet is between two steps.
    enum Position: Sendable {
        /// Comes in by a device.
        case receive(Int, NamespaceState.Link)
        /// Made by a process, or by the kernel, in a namespace.
        case output(Int)
        /// Has been through a bridge's port and goes up to its IP stack, or came in by a device that is no port.
        case input(Int, String)
        /// IPVS sends it to a destination that it has chosen.
        case balanced(Int, to: IPAddress)
    }

    enum Outcome: Sendable {
        case go(Position)
        case end(Verdict)
    }

    let world: World
    /// Which candidate of a balancing decision is taken.
    let choice: Int
    var packet: Packet
    var hops: [Hop] = []
    var uncertain: [String] = []

    /// By namespace; outlives one direction, so that the reply is un-translated.
    var connections: [Int: [Connection]] = [:]
    /// Which of the present namespace's connections the packet belongs to.
    var tracked: (index: Int, direction: Connection.Direction)?
    var isUntracked = false
    var isInvalid = false
    /// By namespace: what IPVS has scheduled there.
    var balanced: [Int: [BalancedConnection]] = [:]
    /// Whether IPVS of the present namespace has had the packet.
    var isBalanced = false
    /// A refusal that a rule has made: it belongs to the refused packet's connection, as `related`.
    var isRelated = false
    /// To whom the frame on the last link was addressed; `nil` when the walk does not know.
    var frame: MACAddress?
    /// From whom it is; `nil` when the walk does not know.
    var frameSource: MACAddress?
    /// What is inside, while the packet is a tunnel's.
    var carried: Carried?
    /// Where conntrack looks for the packet.
    var zone = Zone()
    /// The namespace of the last hop.
    var present = 0
    /// Stays on the packet when it comes back by `lo`: it is not routed again.
    var isLooped = false
    /// In the reply's direction: the packet that the asker sent, as it sent it.
    var question: Packet?
    /// In an error of ICMP: the packet that it is about, as it is inside.
    var quoted: Tuple?
    /// Where the packet left the host, if it did.
    var exit: (position: Int, link: String)?

    private static let mostSteps = 128

    init(_ world: World, _ packet: Packet, choice: Int) {
        self.world = world
        self.packet = packet
        self.choice = choice
    }

    /// Walks to the end.
    mutating func run(from start: Position) -> Verdict {
        var position = start
        for _ in 0..<Self.mostSteps {
            switch step(position) {
            case .go(let next): position = next
            case .end(var verdict):
                verdict.uncertain = uncertain
                return verdict
            }
        }
        var verdict = Verdict(.dropped, place(position), "the packet goes round in a circle", reason: .timeToLive)
        verdict.uncertain = uncertain
        return verdict
    }

    private func place(_ position: Position) -> Place {
        switch position {
        case .receive(let at, _), .output(let at), .input(let at, _), .balanced(let at, _): world.place(at)
        }
    }

    private mutating func step(_ position: Position) -> Outcome {
        switch position {
        case .receive(let at, let link): receive(at, link)
        case .input(let at, let link): input(at, link)
        case .output(let at): output(at)
        case .balanced(let at, let target): sendBalanced(at, to: target)
        }
    }

    // MARK: hops

    mutating func add(
        _ at: Int, _ stage: Stage, _ action: String, from before: Packet? = nil, edit: (inout Hop) -> Void = { _ in }
    ) {
        var hop = Hop(world.place(at), stage, action, before: before ?? packet)
        if let before, before != packet { hop.after = packet }
        edit(&hop)
        uncertain += hop.uncertain.filter { !uncertain.contains($0) }
        hops.append(hop)
        present = at
    }

    func drop(_ at: Int, _ text: String, _ reason: DropReason?) -> Outcome {
        .end(Verdict(.dropped, world.place(at), text, reason: reason))
    }

    func refuse(_ at: Int, _ text: String, _ answer: String, _ reason: DropReason?) -> Outcome {
        .end(Verdict(.refused, world.place(at), text, reason: reason, answer: answer))
    }

    /// A walk of what comes back: it knows what the namespaces remember, and has met nothing yet.
    func returning(_ packet: Packet, to question: Packet) -> Walk {
        var back = self
        (back.hops, back.uncertain, back.exit) = ([], [], nil)
        (back.frame, back.frameSource) = (nil, nil)
        back.packet = packet
        back.question = question
        back.forgetNamespace()
        return back
    }

    /// A new namespace knows nothing of the mark, nor of another's conntrack entry.
    mutating func forgetNamespace() {
        packet.mark = 0
        tracked = nil
        isUntracked = false
        isInvalid = false
        isRelated = false
        isLooped = false
        isBalanced = false
        zone = Zone()
    }

    /// What a chain sees of the frame.
    var ethernet: Ethernet { frameSource.map { .known(source: $0, destination: frame) } ?? .unknown }
}
