import CLinux

/// rtnetlink's numbers as the headers have them, in the width that the wire has them.
enum RTM {
    static let newLink = UInt16(RTM_NEWLINK)
    static let deleteLink = UInt16(RTM_DELLINK)
    static let getLink = UInt16(RTM_GETLINK)
    static let newAddress = UInt16(RTM_NEWADDR)
    static let deleteAddress = UInt16(RTM_DELADDR)
    static let getAddress = UInt16(RTM_GETADDR)
    static let newRoute = UInt16(RTM_NEWROUTE)
    static let deleteRoute = UInt16(RTM_DELROUTE)
    static let getRoute = UInt16(RTM_GETROUTE)
    static let newNeighbor = UInt16(RTM_NEWNEIGH)
    static let deleteNeighbor = UInt16(RTM_DELNEIGH)
    static let getNeighbor = UInt16(RTM_GETNEIGH)
    static let newRule = UInt16(RTM_NEWRULE)
    static let getRule = UInt16(RTM_GETRULE)
    static let deleteRule = UInt16(RTM_DELRULE)
    static let newNetconf = UInt16(RTM_NEWNETCONF)
    static let deleteNetconf = UInt16(RTM_DELNETCONF)
    static let newNamespaceID = UInt16(RTM_NEWNSID)
    static let getNamespaceID = UInt16(RTM_GETNSID)
}

/// Flags of a request that makes something.
enum Make {
    /// Refused when it is there.
    static let new = UInt16(NLM_F_CREATE) | UInt16(NLM_F_EXCL)
    /// Takes the place of one with the same key.
    static let orReplace = UInt16(NLM_F_CREATE) | UInt16(NLM_F_REPLACE)
}

/// Attributes of a link.
enum IFLA {
    static let address = UInt16(IFLA_ADDRESS)
    static let name = UInt16(IFLA_IFNAME)
    static let mtu = UInt16(IFLA_MTU)
    static let peerIndex = UInt16(IFLA_LINK)
    static let controller = UInt16(IFLA_MASTER)
    static let info = UInt16(IFLA_LINKINFO)
    static let namespaceDescriptor = UInt16(IFLA_NET_NS_FD)
    static let alias = UInt16(IFLA_IFALIAS)
    static let peerNamespaceID = UInt16(IFLA_LINK_NETNSID)
    static let carrier = UInt16(IFLA_CARRIER)
    static let extendedMask = UInt16(IFLA_EXT_MASK)
    static let kind = UInt16(IFLA_INFO_KIND)
    static let data = UInt16(IFLA_INFO_DATA)
    static let portKind = UInt16(IFLA_INFO_SLAVE_KIND)
    static let portData = UInt16(IFLA_INFO_SLAVE_DATA)
    static let vethPeer: UInt16 = 1
    static let vxlanID = UInt16(IFLA_VXLAN_ID)
    static let vxlanLocal = UInt16(IFLA_VXLAN_LOCAL)
    static let vxlanLocal6 = UInt16(IFLA_VXLAN_LOCAL6)
    static let vxlanPort = UInt16(IFLA_VXLAN_PORT)
    static let vxlanGroup = UInt16(IFLA_VXLAN_GROUP)
    static let vxlanGroup6 = UInt16(IFLA_VXLAN_GROUP6)
    static let vxlanProxy = UInt16(IFLA_VXLAN_PROXY)
    static let vxlanL2Miss = UInt16(IFLA_VXLAN_L2MISS)
    static let vxlanL3Miss = UInt16(IFLA_VXLAN_L3MISS)
    static let vxlanLearning = UInt16(IFLA_VXLAN_LEARNING)
    static let vxlanChecksum = UInt16(IFLA_VXLAN_UDP_CSUM)
    static let vxlanNoFragments = UInt16(IFLA_VXLAN_DF)
    static let isUp: UInt32 = 1
    /// `RTEXT_FILTER_SKIP_STATS`: counters make most of a dump's bytes.
    static let skipStatistics: UInt32 = 1 << 3
}

/// Attributes of a bridge, and of a bridge's port.
enum BridgeAttribute {
    static let filtersVLANs = UInt16(IFLA_BR_VLAN_FILTERING)
    static let callsIPTables = UInt16(IFLA_BR_NF_CALL_IPTABLES)
    static let portState = UInt16(IFLA_BRPORT_STATE)
    static let portHairpin = UInt16(IFLA_BRPORT_MODE)
    static let portLearning = UInt16(IFLA_BRPORT_LEARNING)
    static let portFlood = UInt16(IFLA_BRPORT_UNICAST_FLOOD)
    static let portIsolated = UInt16(IFLA_BRPORT_ISOLATED)
    static let portSuppression = UInt16(IFLA_BRPORT_NEIGH_SUPPRESS)
    /// As bridge(8) names a port's states, by their numbers.
    static let portStates = ["disabled", "listening", "learning", "forwarding", "blocking"]
}

/// Attributes of an address.
enum IFA {
    static let address = UInt16(IFA_ADDRESS)
    static let local = UInt16(IFA_LOCAL)
    static let flags = UInt16(IFA_FLAGS)
    /// `IFA_F_NODAD`: usable at once.
    static let withoutDetection: UInt32 = 0x02
}

/// Attributes of a route.
enum RTA {
    static let destination = UInt16(RTA_DST.rawValue)
    static let link = UInt16(RTA_OIF.rawValue)
    static let gateway = UInt16(RTA_GATEWAY.rawValue)
    static let priority = UInt16(RTA_PRIORITY.rawValue)
    static let source = UInt16(RTA_PREFSRC.rawValue)
    static let multipath = UInt16(RTA_MULTIPATH.rawValue)
    static let table = UInt16(RTA_TABLE.rawValue)
    static let metrics = UInt16(RTA_METRICS.rawValue)
    /// `RTAX_MTU`, within the metrics.
    static let metricMTU: UInt16 = 2
    /// The gateway of another family.
    static let via = UInt16(RTA_VIA.rawValue)
    /// The flag `RTNH_F_ONLINK`.
    static let onLink: UInt32 = 4
    /// `RTM_F_CLONED`: a cached entry, no route.
    static let cloned: UInt32 = 0x200
}

/// Attributes of a neighbour, and its states.
enum NDA {
    static let destination = UInt16(NDA_DST)
    static let address = UInt16(NDA_LLADDR)
    static let link = UInt16(NDA_IFINDEX)
    static let controller = UInt16(NDA_MASTER)
    static let vlan = UInt16(NDA_VLAN)
    static let permanent: UInt16 = 0x80
    static let noARP: UInt16 = 0x40
    /// `NTF_SELF`: an entry of the link itself, not of a bridge above it.
    static let ofLink: UInt8 = 0x02
    /// `NTF_PROXY`: answers for another, is no neighbour.
    static let proxy: UInt8 = 0x08
    static let states: [(bit: UInt16, name: String)] = [
        (0x80, "permanent"), (0x40, "noarp"), (0x02, "reachable"), (0x04, "stale"), (0x08, "delay"),
        (0x10, "probe"), (0x01, "incomplete"), (0x20, "failed"),
    ]
}

/// Attributes of a policy rule.
enum FRA {
    static let destination = UInt16(FRA_DST)
    static let source = UInt16(FRA_SRC)
    static let incomingLink = UInt16(FRA_IIFNAME)
    static let priority = UInt16(FRA_PRIORITY)
    static let mark = UInt16(FRA_FWMARK)
    static let table = UInt16(FRA_TABLE)
    static let markMask = UInt16(FRA_FWMASK)
    static let outgoingLink = UInt16(FRA_OIFNAME)
    static let target = UInt16(FRA_GOTO)
    static let `protocol` = UInt16(FRA_PROTOCOL)
    /// The flag `FIB_RULE_INVERT`.
    static let inverted: UInt32 = 2
    static let actions: [UInt8: String] = [
        1: "lookup", 2: "goto", 3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit",
    ]
}

/// Address families, by netlink's byte.
enum Family {
    static let any: UInt8 = 0
    static let v4: UInt8 = 2
    static let v6: UInt8 = 10
    /// Forwarding entries, of bridges and of VXLAN links.
    static let bridge: UInt8 = 7
}
