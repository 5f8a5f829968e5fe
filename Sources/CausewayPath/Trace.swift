import CausewayKernel
import CausewayModel

/// The way of one packet, and of its answer if asked for.
///
/// One type for the path that is computed and, later, for the one that is observed, so that they compare.
package struct Trace: Hashable, Codable, Sendable {
    /// One direction.
    package struct Leg: Hashable, Codable, Sendable {
        /// As it sets out.
        package var packet: Packet
        package var hops: [Hop]
        package var verdict: Verdict
    }

    package var outward: Leg
    /// `nil` when it was not asked for, or when nothing answers.
    package var reply: Leg?
    /// The way of the ICMP error with which the packet was refused; `nil` when it was not asked for, or when there is none.
    package var refusal: Leg?
    package var counts: Counts
    /// What lies behind the end, where that is known: a sentence each.
    package var remarks: [String] = []

    package init(outward: Leg, reply: Leg?) {
        self.outward = outward
        self.reply = reply
        counts = Counts(outward.hops + (reply?.hops ?? []))
    }

    /// What comes back to the one who asked: the answer, or the error.
    package var back: Leg? { reply ?? refusal }

    package var legs: [Leg] { [outward] + (back.map { [$0] } ?? []) }

    /// What can be chosen with another `choice`, of the first balancing decision.
    package var candidates: [Candidate] { outward.hops.first { !$0.candidates.isEmpty }?.candidates ?? [] }

    /// The worse of both directions' verdicts.
    package var verdict: Verdict {
        guard let reply, outward.verdict.outcome == .delivered, reply.verdict.outcome == .dropped else {
            return outward.verdict
        }
        return reply.verdict
    }

    /// Whether nothing was met that the walk does not understand.
    package var isCertain: Bool { legs.allSatisfy { $0.verdict.uncertain.isEmpty } }
}

/// One thing that a packet meets.
package struct Hop: Hashable, Codable, Sendable {
    package var place: Place
    package var stage: Stage
    /// What happened, in a few words: `dnat to 10.0.1.5:80`, `passes`.
    package var action: String
    /// Whether the packet only went through.
    package var isPassing: Bool
    /// The rules that acted, in the order in which they did.
    package var rules: [ActedRule]
    package var before: Packet
    /// `nil` when the packet left as it came.
    package var after: Packet?
    /// The service or task that the decision concerns.
    package var owner: String?
    /// The balancing decision, when one was taken here.
    package var candidates: [Candidate]
    /// Rules and facts that the walk does not understand here.
    package var uncertain: [String]
    /// When it was seen, in nanoseconds since the packet was seen first.
    ///
    /// `nil` in a prediction, and where the kernel tells no time.
    package var nanoseconds: UInt64?

    init(_ place: Place, _ stage: Stage, _ action: String, before: Packet) {
        self.place = place
        self.stage = stage
        self.action = action
        isPassing = false
        rules = []
        self.before = before
        candidates = []
        uncertain = []
    }

    /// The packet as it leaves the hop.
    package var packet: Packet { after ?? before }
}

/// The namespace in which a hop is, with the name that its user knows it by.
package struct Place: Hashable, Codable, Sendable {
    /// The namespace's name, as `Inventory` has it.
    package var namespace: String
    /// `web.1`, a container's name, or the host's.
    package var title: String
    package var kind: Kind
    /// The host that it is on, where there are several.
    package var host: String?
    /// Whether an ordinary tool shows that the namespace exists: `ip netns` does, or it is the host's own.
    package var isListed = true
    /// Where the namespace is mounted, or a process that lives in it: for commands to show.
    package var path = ""

    package enum Kind: String, Hashable, Codable, Sendable {
        case host, task, container, other
        /// Where an overlay network has its bridge and its tunnel.
        case overlay
        /// Where the engine balances a network's services.
        case balancer
    }
}

/// What kind of thing a hop is, and its name.
package struct Stage: Hashable, Codable, Sendable {
    package enum Kind: String, Hashable, Codable, Sendable {
        /// A process sends, or takes the packet.
        case socket
        /// A device, inwards or outwards.
        case deviceIn, deviceOut
        /// A link into another namespace.
        case cross
        case bridge
        /// A chain at a netfilter hook.
        case chain
        /// conntrack turns an earlier translation round.
        case conntrack
        case route
        case neighbor
        /// A tunnel's device puts the packet into another one, or takes it out.
        case encapsulate, decapsulate
        /// IPVS chooses a destination, or turns its choice round.
        case balancer
    }

    package var kind: Kind
    /// The device, the chain, the route's table, the process.
    package var name: String
    /// nft's name of the hook: `prerouting`, `input`, and so on.
    package var hook: String?
    /// Family and name: `inet causeway`, `iptables filter`.
    package var table: String?
    /// The chain's type, or the iptables table: `filter`, `nat`, `mangle`.
    package var chainKind: String?
    package var priority: Int32?

    init(_ kind: Kind, _ name: String) {
        self.kind = kind
        self.name = name
    }
}

/// A rule that did something to the packet.
package struct ActedRule: Hashable, Codable, Sendable {
    package var chain: String
    package var text: String
    package var comment: String?
    /// What the rule has counted, where it counts.
    package var counters: RuleCounters?
}

/// One outcome that a balancing decision can have.
package struct Candidate: Hashable, Codable, Sendable {
    /// Address and port, or a chain: `10.0.1.5:80`.
    package var target: String
    package var owner: String?
    /// How many of the `total` slots lead here.
    package var slots: Int
    package var total: Int
    package var isChosen: Bool

    /// Slots of all slots: `22/64`.
    package var share: String { "\(slots)/\(total)" }
}

/// Where a packet ends.
package struct Verdict: Hashable, Codable, Sendable {
    package enum Outcome: String, Hashable, Codable, Sendable {
        /// A socket has it.
        case delivered
        /// It left the host as it should.
        case sent
        /// Somebody answered that it is not wanted.
        case refused
        /// It vanishes.
        case dropped
    }

    package var outcome: Outcome
    package var place: Place
    /// One sentence without a stop.
    package var text: String
    /// The kernel's name for it (`enum skb_drop_reason`), where there is one.
    package var reason: DropReason?
    package var processID: Int32?
    package var processName: String?
    /// What a refused sender gets: `tcp reset`, `icmp port-unreachable`.
    package var answer: String?
    /// What the walk did not understand on the way.
    ///
    /// Not empty: the outcome is likely, not sure.
    package var uncertain: [String]

    init(_ outcome: Outcome, _ place: Place, _ text: String, reason: DropReason? = nil, answer: String? = nil) {
        self.outcome = outcome
        self.place = place
        self.text = text
        self.reason = reason
        self.answer = answer
        uncertain = []
    }
}

extension Verdict: CustomStringConvertible {
    package var description: String {
        var line =
            uncertain.isEmpty ? "\(outcome.rawValue): \(text)" : "uncertain, probably \(outcome.rawValue): \(text)"
        if let reason { line += " (\(reason.rawValue))" }
        return line
    }
}

/// Why the kernel gives a packet up, by the names of `enum skb_drop_reason`.
package enum DropReason: String, Hashable, Codable, Sendable {
    case netfilter = "NETFILTER_DROP"
    case reversePathFilter = "IP_RPFILTER"
    case noInputRoute = "IP_INNOROUTES"
    case noOutputRoute = "IP_OUTNOROUTES"
    case notForwarding = "IP_INADDRERRORS"
    case localSource = "IP_LOCAL_SOURCE"
    case invalidSource = "IP_INVALID_SOURCE"
    case loopbackOutside = "IP_LOCALNET"
    case timeToLive = "IP_INHDR"
    case noSocket = "NO_SOCKET"
    case neighborFailed = "NEIGH_FAILED"
    case otherHost = "OTHERHOST"
    case deviceNotReady = "DEV_READY"
    case tooBig = "PKT_TOO_BIG"
    case noRemote = "VXLAN_NO_REMOTE"
    case unknownIdentifier = "VXLAN_VNI_NOT_FOUND"
    case ownAddress = "LOCAL_MAC"
}
