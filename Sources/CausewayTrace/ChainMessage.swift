import CLinux
import CausewayKernel
import CausewayLinux
import CausewayPath

/// What the kernel says when a traced packet meets a rule (NFT_MSG_TRACE, linux/netfilter/nf_tables.h).
enum ChainMessage {
    /// `nil` for messages of another kind.
    static func sighting(
        _ message: NetlinkMessage, namespace: UInt64, time: UInt64
    ) throws(NetlinkReader.Malformed) -> Sighting? {
        let type = UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(NFT_MSG_TRACE.rawValue)
        guard message.type == type else { return nil }
        var reader = NetlinkReader(message.payload)
        let family = Nft.Family(netlink: try reader.read(UInt8.self))
        _ = try reader.take(3)
        let attributes = try reader.attributes()
        func number(_ attribute: nft_trace_attributes) throws(NetlinkReader.Malformed) -> UInt32? {
            try attributes.bigInteger(UInt16(attribute.rawValue), UInt32.self)
        }
        guard let family, let trace = try number(NFTA_TRACE_ID),
            let table = attributes.string(UInt16(NFTA_TRACE_TABLE.rawValue)),
            let chain = attributes.string(UInt16(NFTA_TRACE_CHAIN.rawValue)),
            let (kind, verdict) = try end(attributes, try number(NFTA_TRACE_TYPE) ?? 0, try number(NFTA_TRACE_POLICY))
        else { return nil }
        let event = Sighting.ChainEvent(
            trace: trace, family: family, table: table, chain: chain, kind: kind, verdict: verdict,
            incoming: try number(NFTA_TRACE_IIF), outgoing: try number(NFTA_TRACE_OIF),
            mark: try number(NFTA_TRACE_MARK) ?? 0)
        var packet: SeenPacket?
        if let network = attributes[UInt16(NFTA_TRACE_NETWORK_HEADER.rawValue)] {
            packet = SeenPacket(
                network: network, transport: attributes[UInt16(NFTA_TRACE_TRANSPORT_HEADER.rawValue)] ?? [])
        }
        return Sighting(namespace: namespace, time: time, .chain(event), packet: packet)
    }

    private static func end(
        _ attributes: NetlinkAttributes, _ type: UInt32, _ policy: UInt32?
    ) throws(NetlinkReader.Malformed) -> (Sighting.ChainEvent.Kind, Sighting.ChainEvent.Verdict)? {
        if let policy { return (.policy, policy == 0 ? .drop : .accept) }
        let nested = try attributes.nested(UInt16(NFTA_TRACE_VERDICT.rawValue))
        guard let code = try nested.bigInteger(UInt16(NFTA_VERDICT_CODE.rawValue), Int32.self) else { return nil }
        guard let handle = try attributes.bigInteger(UInt16(NFTA_TRACE_RULE_HANDLE.rawValue), UInt64.self) else {
            return (.endOfChain, verdict(code))
        }
        return (.rule(handle: handle), verdict(code))
    }

    private static func verdict(_ code: Int32) -> Sighting.ChainEvent.Verdict {
        switch code {
        case NFT_JUMP.rawValue: .jump
        case NFT_GOTO.rawValue: .goto
        case NFT_RETURN.rawValue: .return
        case NFT_CONTINUE.rawValue, NFT_BREAK.rawValue: .continue
        default:
            // Above the verdict itself is a queue's number, or an errno.
            switch code & 0xff {
            case 0: .drop
            case 2: .stolen
            case 3: .queue
            default: .accept
            }
        }
    }
}
