import CLinux
import CausewayKernel

/// Which part of our state a notification may be about.
///
/// Our own changes are none, nor is what others do with what is theirs: a host with hundreds of containers of its own is
/// never still. Decides only; what it does not understand may be about anything.
struct ChangeFilter {
    /// Links of ours in the host's namespace, by index.
    private(set) var ourLinks: Set<UInt32>

    init(ourLinks: Set<UInt32> = []) { self.ourLinks = ourLinks }

    // MARK: rtnetlink

    /// What a notification of the host's namespace, or of a task's, in which every link is ours, may be about.
    mutating func route(_ message: NetlinkMessage, isHost: Bool) -> KernelParts {
        do throws(NetlinkReader.Malformed) {
            let parts = try parts(message, isHost: isHost)
            return OwnPorts.contains(message.port) ? [] : parts
        } catch {
            return [.links, .sysctls]
        }
    }

    private mutating func parts(_ message: NetlinkMessage, isHost: Bool) throws(NetlinkReader.Malformed) -> KernelParts
    {
        switch message.type {
        case RTM.newLink, RTM.deleteLink: try link(message, isHost)
        case RTM.newAddress, RTM.deleteAddress:
            // ifaddrmsg and ndmsg both have the link's index behind four bytes.
            try isOurs(number(at: 4, message), isHost) ? .links : []
        case RTM.newNeighbor, RTM.deleteNeighbor:
            try isLearned(message) ? [] : isOurs(number(at: 4, message), isHost) ? .links : []
        case RTM.newRoute, RTM.deleteRoute: try route(message)
        case RTM.newRule, RTM.deleteRule:
            try RuleMessage.rule(message)?.protocol == Rtnl.causewayProtocol ? .links : []
        case RTM.newNetconf, RTM.deleteNetconf: try settings(message, isHost)
        default: []
        }
    }

    private mutating func link(_ message: NetlinkMessage, _ isHost: Bool) throws(NetlinkReader.Malformed) -> KernelParts
    {
        // Bridges tell of their ports in messages of the same type.
        guard message.payload.first == Family.any else { return [] }
        guard isHost else { return .links }
        let link = try LinkMessage(message)
        let isOurs = link.name.hasPrefix(Rtnl.linkPrefix) || link.name == Rtnl.gatewayBridge
        let wasOurs = ourLinks.contains(link.index)
        if isOurs && message.type == RTM.newLink { ourLinks.insert(link.index) } else { ourLinks.remove(link.index) }
        return isOurs || wasOurs ? .links : []
    }

    /// What the kernel finds out by itself, and forgets again: bridges and sandboxes do all the time.
    private func isLearned(_ message: NetlinkMessage) throws(NetlinkReader.Malformed) -> Bool {
        var reader = NetlinkReader(message.payload)
        _ = try reader.take(8)
        let state = try reader.read(UInt16.self)
        return message.port == 0 && state & (NDA.permanent | NDA.noARP) == 0
    }

    /// Ours by its protocol; one that replaces another may have had ours in its place.
    private func route(_ message: NetlinkMessage) throws(NetlinkReader.Malformed) -> KernelParts {
        var reader = NetlinkReader(message.payload)
        _ = try reader.take(5)
        let isOurs = try reader.read(UInt8.self) == Rtnl.causewayProtocol
        return isOurs || message.flags & UInt16(NLM_F_REPLACE) != 0 ? .links : []
    }

    /// Forwarding and a few more settings; the kernel tells them of every new link, too.
    private func settings(_ message: NetlinkMessage, _ isHost: Bool) throws(NetlinkReader.Malformed) -> KernelParts {
        var reader = NetlinkReader(message.payload)
        _ = try reader.take(4)
        guard let index = try reader.attributes().integer(UInt16(NETCONFA_IFINDEX), Int32.self) else { return .sysctls }
        return !isHost || index < 0 || ourLinks.contains(UInt32(index)) ? .sysctls : []
    }

    private func isOurs(_ index: UInt32, _ isHost: Bool) -> Bool { !isHost || ourLinks.contains(index) }

    private func number(at offset: Int, _ message: NetlinkMessage) throws(NetlinkReader.Malformed) -> UInt32 {
        var reader = NetlinkReader(message.payload)
        _ = try reader.take(offset)
        return try reader.read()
    }

    // MARK: nftables

    static func endsTransaction(_ message: NetlinkMessage) -> Bool {
        message.type == UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(NFT_MSG_NEWGEN.rawValue)
    }

    func netfilter(_ message: NetlinkMessage, isHost: Bool) -> KernelParts {
        guard !Self.endsTransaction(message), !OwnPorts.contains(message.port) else { return [] }
        do throws(NetlinkReader.Malformed) {
            var reader = NetlinkReader(message.payload)
            _ = try reader.take(4)
            // Tables, chains, rules, sets, elements, objects: the first attribute of all is the table's name.
            let attributes = try reader.attributes()
            switch attributes.string(UInt16(NFTA_TABLE_NAME.rawValue)) {
            case KernelState.tableName: return .tables
            case "filter": return isHost ? [.forward, .firewall] : .firewall
            case "nat", "mangle", "raw", "security": return .firewall
            case FirewalldFilter.table.name: return isHost && Self.isEntrys(message.type, attributes) ? .forward : []
            default: return []
            }
        } catch {
            return [.tables, .forward, .firewall]
        }
    }

    /// Whether a change of firewalld's may have to do with our entry: a reload changes hundreds of rules, and its sets of
    /// addresses may never be still.
    private static func isEntrys(_ type: UInt16, _ attributes: NetlinkAttributes) -> Bool {
        let chain: String?
        switch UInt32(type & 0xff) {
        case NFT_MSG_NEWRULE.rawValue, NFT_MSG_DELRULE.rawValue:
            chain = attributes.string(UInt16(NFTA_RULE_CHAIN.rawValue))
        case NFT_MSG_NEWCHAIN.rawValue, NFT_MSG_DELCHAIN.rawValue:
            chain = attributes.string(UInt16(NFTA_CHAIN_NAME.rawValue))
        case NFT_MSG_NEWTABLE.rawValue, NFT_MSG_DELTABLE.rawValue: return true
        default: return false
        }
        return chain == FirewalldFilter.policies || chain == FirewalldFilter.forward
    }
}
