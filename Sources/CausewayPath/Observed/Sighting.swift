import CausewayKernel

/// One thing that the kernel said of one packet.
package struct Sighting: Hashable, Codable, Sendable {
    package enum Event: Hashable, Codable, Sendable {
        /// A chain of nftables looked at it.
        case chain(ChainEvent)
        /// A device took it in, or was given it to send; devices by their index.
        case received(link: UInt32)
        case sent(link: UInt32)
        /// It was given up, with the kernel's reason (`enum skb_drop_reason`) and function, if it has names for them.
        case dropped(reason: String, function: String?)
    }

    /// A rule that matched, or the end of a chain.
    package struct ChainEvent: Hashable, Codable, Sendable {
        package enum Verdict: String, Hashable, Codable, Sendable {
            case accept, drop, `continue`, `return`, jump, goto, queue, stolen
        }

        package enum Kind: Hashable, Codable, Sendable {
            case rule(handle: UInt64)
            case endOfChain
            case policy
        }

        /// What the kernel calls the packet; another one may be called so later.
        package var trace: UInt32
        package var family: Nft.Family
        package var table: String
        package var chain: String
        package var kind: Kind
        package var verdict: Verdict
        /// Devices by their index; told with the packet only.
        package var incoming: UInt32?
        package var outgoing: UInt32?
        package var mark: UInt32

        package init(
            trace: UInt32, family: Nft.Family, table: String, chain: String, kind: Kind, verdict: Verdict,
            incoming: UInt32? = nil, outgoing: UInt32? = nil, mark: UInt32 = 0
        ) {
            self.trace = trace
            self.family = family
            self.table = table
            self.chain = chain
            self.kind = kind
            self.verdict = verdict
            self.incoming = incoming
            self.outgoing = outgoing
            self.mark = mark
        }
    }

    /// The namespace, by its number in nsfs.
    package var namespace: UInt64
    /// Nanoseconds of CLOCK_MONOTONIC: the kernel's for devices and drops; for chains, when it was heard.
    package var time: UInt64
    package var event: Event
    /// Told once for each base chain, and with each device and drop.
    package var packet: SeenPacket?

    package init(namespace: UInt64, time: UInt64, _ event: Event, packet: SeenPacket? = nil) {
        self.namespace = namespace
        self.time = time
        self.event = event
        self.packet = packet
    }
}

/// The table of ours that has the kernel trace, one in each namespace, and what its chains are there for.
///
/// The first chain at a hook chooses the packets; the last one shows them as they leave the hook.
package enum TraceTable {
    package static let name = "causeway_trace"
    package static let first: Int32 = -1000
    package static let last = Int32.max
    package static let hooks: [Nft.Chain.Base.Hook] = [.prerouting, .input, .forward, .output, .postrouting]
    /// Where packets enter a namespace's stack.
    package static let entries: [Nft.Chain.Base.Hook] = [.prerouting, .output]

    package static func chain(_ hook: Nft.Chain.Base.Hook, isFirst: Bool) -> String {
        "\(hook.rawValue)_\(isFirst ? "first" : "last")"
    }

    /// What a chain of ours stands for.
    static func meaning(of chain: String) -> (hook: Nft.Chain.Base.Hook, isFirst: Bool)? {
        for hook in hooks {
            if chain == self.chain(hook, isFirst: true) { return (hook, true) }
            if chain == self.chain(hook, isFirst: false) { return (hook, false) }
        }
        return nil
    }
}
