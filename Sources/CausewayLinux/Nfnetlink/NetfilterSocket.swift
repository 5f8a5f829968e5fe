import CLinux
import CausewayKernel

/// nfnetlink of one namespace: which nftables there are, without asking for what is in them.
package struct NetfilterSocket: Sendable {
    /// A table's name, and what tells who made it.
    package struct TableName: Hashable, Sendable {
        package var family: Nft.Family
        package var name: String
        /// Whether no packet meets it.
        package var isDormant = false
    }

    package struct ChainName: Hashable, Sendable {
        package var table: TableName
        package var name: String
        package var isBase: Bool
    }

    /// A rule by its number, and what its maker wrote to it.
    package struct RuleName: Hashable, Sendable {
        package var handle: UInt64
        package var comment: String?
    }

    package let socket: NetlinkSocket

    /// Opens it in the calling thread's namespace.
    package init() throws(NetlinkError) { socket = try NetlinkSocket(.netfilter) }

    package func tables() throws(NetlinkError) -> [TableName] {
        try all(NFT_MSG_GETTABLE) { family, attributes in
            attributes.string(UInt16(NFTA_TABLE_NAME.rawValue)).map { name in
                let flags = attributes[UInt16(NFTA_TABLE_FLAGS.rawValue)]?.last ?? 0
                return TableName(family: family, name: name, isDormant: flags & 1 != 0)
            }
        }
    }

    /// The number of the namespace's rule set: it rises with each transaction that changes any table in it.
    package func generation() throws(NetlinkError) -> UInt32 {
        let question = NetlinkWriter.netfilter(UInt16(NFNL_SUBSYS_NFTABLES), UInt16(NFT_MSG_GETGEN.rawValue))
        for message in try socket.request(question) {
            do throws(NetlinkReader.Malformed) {
                var reader = NetlinkReader(message.payload)
                _ = try reader.take(4)
                let number = try reader.attributes().bigInteger(UInt16(NFTA_GEN_ID.rawValue), UInt32.self)
                if let number { return number }
            } catch {
                throw NetlinkError(error)
            }
        }
        throw NetlinkError(.malformed, detail: "no generation of the rules")
    }

    package func chains() throws(NetlinkError) -> [ChainName] {
        try all(NFT_MSG_GETCHAIN) { family, attributes in
            guard let table = attributes.string(UInt16(NFTA_CHAIN_TABLE.rawValue)),
                let name = attributes.string(UInt16(NFTA_CHAIN_NAME.rawValue))
            else { return nil }
            return ChainName(
                table: TableName(family: family, name: table), name: name,
                isBase: attributes[UInt16(NFTA_CHAIN_HOOK.rawValue)] != nil)
        }
    }

    /// The rules of one chain, in their order; none where there is no such chain.
    package func rules(_ table: TableName, _ chain: String) throws(NetlinkError) -> [RuleName] {
        var question = NetlinkWriter.netfilter(
            UInt16(NFNL_SUBSYS_NFTABLES), UInt16(NFT_MSG_GETRULE.rawValue), family: table.family.netlink)
        question.attribute(UInt16(NFTA_RULE_TABLE.rawValue), table.name)
        question.attribute(UInt16(NFTA_RULE_CHAIN.rawValue), chain)
        return try all(question) { _, attributes throws(NetlinkReader.Malformed) in
            guard let handle = try attributes.bigInteger(UInt16(NFTA_RULE_HANDLE.rawValue), UInt64.self),
                attributes.string(UInt16(NFTA_RULE_CHAIN.rawValue)) == chain
            else { return nil }
            return RuleName(
                handle: handle, comment: Self.comment(attributes[UInt16(NFTA_RULE_USERDATA.rawValue)] ?? []))
        }
    }

    /// Every rule of the namespace, by its number, with the chain that it is in; those of a chain in their order.
    package func ruleHandles() throws(NetlinkError) -> [(chain: ChainName, handle: UInt64)] {
        try all(NetlinkWriter.netfilter(UInt16(NFNL_SUBSYS_NFTABLES), UInt16(NFT_MSG_GETRULE.rawValue))) {
            family, attributes throws(NetlinkReader.Malformed) in
            guard let table = attributes.string(UInt16(NFTA_RULE_TABLE.rawValue)),
                let chain = attributes.string(UInt16(NFTA_RULE_CHAIN.rawValue)),
                let handle = try attributes.bigInteger(UInt16(NFTA_RULE_HANDLE.rawValue), UInt64.self)
            else { return nil }
            let name = ChainName(table: TableName(family: family, name: table), name: chain, isBase: false)
            return (name, handle)
        }
    }

    /// The comment in what libnftnl calls user data: parts with a byte of type, 0 for a comment, and a byte of length.
    ///
    /// The kernel takes any bytes from anybody: what does not follow that form is no comment.
    static func comment(_ userData: ArraySlice<UInt8>) -> String? {
        var rest = userData
        while let type = rest.popFirst(), let length = rest.popFirst(), rest.count >= length {
            if type == 0 { return String(decoding: rest.prefix(Int(length)).prefix { $0 != 0 }, as: UTF8.self) }
            rest = rest.dropFirst(Int(length))
        }
        return nil
    }

    private func all<T>(
        _ what: nf_tables_msg_types, _ decode: (Nft.Family, NetlinkAttributes) -> T?
    ) throws(NetlinkError) -> [T] {
        try all(NetlinkWriter.netfilter(UInt16(NFNL_SUBSYS_NFTABLES), UInt16(what.rawValue)), decode)
    }

    private func all<T>(
        _ question: NetlinkWriter,
        _ decode: (Nft.Family, NetlinkAttributes) throws(NetlinkReader.Malformed) -> T?
    ) throws(NetlinkError) -> [T] {
        var all: [T] = []
        for message in try socket.dump(question) {
            do throws(NetlinkReader.Malformed) {
                var reader = NetlinkReader(message.payload)
                let family = try reader.read(UInt8.self)
                _ = try reader.take(3)
                let attributes = try reader.attributes()
                if let family = Nft.Family(netlink: family), let one = try decode(family, attributes) {
                    all.append(one)
                }
            } catch {
                throw NetlinkError(error)
            }
        }
        return all
    }
}

extension NetlinkWriter {
    /// A message of a netfilter subsystem, nfgenmsg written.
    package static func netfilter(_ subsystem: UInt16, _ message: UInt16, family: UInt8 = 0, flags: UInt16 = 0) -> Self
    {
        var writer = NetlinkWriter(type: subsystem << 8 | message, flags: flags)
        writer.put([family, 0, 0, 0])
        return writer
    }
}

extension Nft.Family {
    /// Reads one of `NFPROTO_…`.
    package init?(netlink: UInt8) {
        switch netlink {
        case 1: self = .inet
        case 2: self = .ip
        case 3: self = .arp
        case 5: self = .netdev
        case 7: self = .bridge
        case 10: self = .ip6
        default: return nil
        }
    }
}
