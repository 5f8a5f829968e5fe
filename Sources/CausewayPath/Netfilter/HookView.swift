import CausewayKernel
import CausewayModel

/// What a rule can look at, at one hook of one namespace, and what it can change.
struct HookView: Sendable {
    let space: NamespaceState
    let routing: Routing
    let sets: CompiledSets
    let hook: Nft.Chain.Base.Hook
    /// The link it came in by; `nil` for a packet made here.
    let incoming: String?
    /// The link it is to leave by; `nil` where that is not known yet.
    let outgoing: String?
    var packet: Packet
    /// What conntrack knows of it, with the direction.
    var connection: Connection?
    var direction: Connection.Direction = .original
    var isInvalid = false
    var isRelated = false
    var isUntracked = false
    /// Whether IPVS has had the packet.
    var isBalanced = false
    /// Where conntrack looks, or looked, for the packet.
    var zone = Zone()
    var ethernet = Ethernet.none
    var nextHop: IPAddress?
    /// Of a VXLAN packet; `nil` of any other.
    var networkIdentifier: UInt32?
    /// Whether a rule has set the maximum segment size.
    var limitsSegments = false

    /// The bit of `ct state`.
    var stateBits: UInt64 {
        if isUntracked { return 64 }
        guard let connection, !isInvalid else { return 1 }
        if isRelated { return 4 }
        return direction == .reply || connection.hasSeenReply ? 2 : 8
    }

    /// The bits of `ct status`, as far as the walk knows them.
    var statusBits: UInt64? {
        guard let connection, !isUntracked else { return nil }
        var bits: UInt64 = connection.hasSeenReply ? 2 : 0
        if connection.changesSource { bits |= 16 }
        if connection.changesDestination { bits |= 32 }
        if connection.hasSeenReply { bits |= 8 }
        return bits
    }

    /// The number of the ICMP type, where it is one.
    func icmpType(_ transport: Packet.Transport) -> UInt64? {
        packet.transport == transport ? UInt64(packet.icmpType) : nil
    }
}

/// The addresses of the frame that a packet came in.
enum Ethernet: Hashable, Sendable {
    /// It was made here.
    case none
    /// It came from outside, and nothing says from which station.
    case unknown
    case known(source: MACAddress, destination: MACAddress?)
}

/// How a walk through one base chain ends.
enum ChainEnd: Hashable, Sendable {
    case accept
    /// At the chain's end, by its policy.
    case policy(isDrop: Bool)
    case drop
    case reject(String)
    case translate(Translation)
}

/// What a NAT rule asks for.
struct Translation: Hashable, Sendable {
    enum Kind: Hashable, Sendable { case destination, source, masquerade, redirect }

    var kind: Kind
    var address: IPAddress?
    var port: UInt16?
}

/// What a base chain did.
struct ChainRun: Sendable {
    var end: ChainEnd
    var acted: [ActedRule] = []
    var candidates: [Candidate] = []
    var uncertain: [String] = []
}

/// Collects what happens while chains are walked.
struct ChainRecord: Sendable {
    var acted: [ActedRule] = []
    var candidates: [Candidate] = []
    var uncertain: [String] = []

    func run(_ end: ChainEnd) -> ChainRun {
        ChainRun(end: end, acted: acted, candidates: candidates, uncertain: uncertain)
    }
}

/// A balancing decision's outcomes, grouped, and which is taken.
struct Draws<Outcome: Hashable & Sendable>: Sendable {
    /// In the order of the first slot that gives them.
    private(set) var outcomes: [(outcome: Outcome, slots: Int, first: UInt64)] = []
    private(set) var total = 0

    mutating func add(_ outcome: Outcome, slot: UInt64) {
        total += 1
        if let at = outcomes.firstIndex(where: { $0.outcome == outcome }) {
            outcomes[at].slots += 1
        } else {
            outcomes.append((outcome, 1, slot))
        }
    }
}
