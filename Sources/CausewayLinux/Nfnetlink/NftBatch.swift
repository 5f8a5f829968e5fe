import CLinux
import CausewayKernel
import Glibc

/// Changes of set elements as the kernel takes them: one transaction, written by us.
///
/// libnftables reads every set that a command names and formats text both ways: with many elements that costs more
/// than all the rest. Here a change costs its own size. See linux/netfilter/nf_tables.h and nfnetlink.h.
struct NftBatch {
    /// The longest payload of a message's elements: an attribute's length has 16 bits.
    private static let messageLimit = 60_000

    private let family: UInt8
    private let table: String
    private(set) var bytes: [UInt8] = []
    /// What each message but the first and the last is about, in order; the first has sequence number 2.
    private(set) var parts: [String] = []
    private var sequence: UInt32 = 1
    /// Where the last message with elements starts.
    private var lastMessage = 0

    /// Begins one for the `generation` of the rule set that it was made for.
    ///
    /// The kernel refuses it (ERESTART) when somebody has changed any rules since; without a number it does not ask.
    init(family: Nft.Family, table: String, generation: UInt32? = nil) {
        self.family = family.netlink
        self.table = table
        var begin = NetlinkWriter(type: UInt16(NFNL_MSG_BATCH_BEGIN), flags: UInt16(NLM_F_REQUEST))
        begin.put([UInt8(0), 0])
        begin.putBig(UInt16(NFNL_SUBSYS_NFTABLES))
        if let generation { begin.attribute(UInt16(NFNL_BATCH_GENID.rawValue), generation.bigEndian) }
        bytes = begin.finished(sequence: 1)
    }

    /// Adds elements, or deletes them by their keys.
    ///
    /// - Returns: whether all of them can be said in this way; if not, nothing is to be sent.
    mutating func change(_ part: Plan.SetElements, adding: Bool) -> Bool {
        guard let encoder = NftElementEncoder(part, adding: adding) else { return false }
        var elements: [UInt8] = []
        for entry in part.entries {
            guard
                encoder.append(
                    entry, to: &elements, full: { flush(&$0, of: part.set, adding: adding) }, Self.messageLimit)
            else { return false }
        }
        flush(&elements, of: part.set, adding: adding)
        return true
    }

    /// Makes a dormant table one that packets meet.
    mutating func wakeTable() {
        var message = NetlinkWriter.netfilter(
            UInt16(NFNL_SUBSYS_NFTABLES), UInt16(NFT_MSG_NEWTABLE.rawValue), family: family,
            flags: UInt16(NLM_F_REQUEST))
        message.attribute(UInt16(NFTA_TABLE_NAME.rawValue), table)
        message.attribute(UInt16(NFTA_TABLE_FLAGS.rawValue), UInt32(0))
        append(message, "table wake \(table)")
    }

    /// Asks for the acknowledgement, and ends the transaction.
    ///
    /// - Returns: the sequence number of the message that is acknowledged.
    mutating func finish() -> UInt32 {
        let last = sequence
        let flags = UInt16(NLM_F_ACK) | UInt16(bytes[lastMessage + 6]) | UInt16(bytes[lastMessage + 7]) << 8
        withUnsafeBytes(of: flags) { bytes.replaceSubrange(lastMessage + 6..<lastMessage + 8, with: $0) }
        var end = NetlinkWriter(type: UInt16(NFNL_MSG_BATCH_BEGIN) + 1, flags: UInt16(NLM_F_REQUEST))
        end.put([UInt8(0), 0])
        end.putBig(UInt16(NFNL_SUBSYS_NFTABLES))
        bytes += end.finished(sequence: last + 1)
        return last
    }

    private mutating func flush(_ elements: inout [UInt8], of set: String, adding: Bool) {
        guard !elements.isEmpty else { return }
        let type = adding ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM
        var message = NetlinkWriter.netfilter(
            UInt16(NFNL_SUBSYS_NFTABLES), UInt16(type.rawValue), family: family,
            flags: UInt16(NLM_F_REQUEST) | (adding ? UInt16(NLM_F_CREATE) : 0))
        message.attribute(UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), table)
        message.attribute(UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), set)
        message.nested(UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue)) { $0.put(elements) }
        append(message, "element \(adding ? "add" : "delete") \(table) \(set)")
        elements.removeAll(keepingCapacity: true)
    }

    private mutating func append(_ message: NetlinkWriter, _ part: String) {
        sequence += 1
        lastMessage = bytes.count
        bytes += message.finished(sequence: sequence)
        parts.append(part)
    }
}

extension Nft.Family {
    /// `NFPROTO_…`.
    var netlink: UInt8 {
        switch self {
        case .inet: 1
        case .ip: 2
        case .arp: 3
        case .netdev: 5
        case .bridge: 7
        case .ip6: 10
        }
    }
}
