import CausewayModel

extension NamespaceState {
    /// `ip rule`.
    package struct PolicyRule: Hashable, Codable, Sendable {
        package var family: IPFamily
        package var priority: UInt32
        package var isInverted: Bool
        package var from: CIDR?
        package var to: CIDR?
        package var incomingLink: String?
        package var outgoingLink: String?
        /// 0 with a mask asks for packets without a mark in those bits.
        package var mark: UInt32?
        package var markMask: UInt32?
        /// The table to look in; `nil` when the rule's action is not a look-up.
        package var table: UInt32?
        /// `lookup`, `blackhole`, `unreachable`, `prohibit`, `goto`, ….
        package var action: String
        /// The priority of the rule that a `goto` leads to.
        package var target: UInt32?
        /// Who made it, by the numbers of routes; absent in inventories of before it was read.
        package var `protocol`: UInt8?

        package init(
            family: IPFamily, priority: UInt32, isInverted: Bool = false, from: CIDR? = nil, to: CIDR? = nil,
            incomingLink: String? = nil, outgoingLink: String? = nil, mark: UInt32? = nil, markMask: UInt32? = nil,
            table: UInt32? = nil, action: String = "lookup", target: UInt32? = nil, protocol: UInt8? = nil
        ) {
            self.family = family
            self.priority = priority
            self.isInverted = isInverted
            self.from = from
            self.to = to
            self.incomingLink = incomingLink
            self.outgoingLink = outgoingLink
            self.mark = mark
            self.markMask = markMask
            self.table = table
            self.action = action
            self.target = target
            self.protocol = `protocol`
        }
    }
}

extension NamespaceState {
    /// Reads what earlier releases wrote, too: they knew of no forwarding entries, no stations and no balancers.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try values.decode(String.self, forKey: .name), path: try values.decode(String.self, forKey: .path),
            inode: try values.decode(UInt64.self, forKey: .inode),
            links: try values.decode([Link].self, forKey: .links),
            addresses: try values.decode([Rtnl.Address].self, forKey: .addresses),
            routes: try values.decode([Rtnl.Route].self, forKey: .routes),
            rules: try values.decode([PolicyRule].self, forKey: .rules),
            neighbors: try values.decode([Neighbor].self, forKey: .neighbors),
            forwarding: try values.decodeIfPresent([Rtnl.ForwardingEntry].self, forKey: .forwarding) ?? [],
            stations: try values.decodeIfPresent([Station].self, forKey: .stations) ?? [],
            tables: try values.decode([Nft.Table].self, forKey: .tables),
            iptables: try values.decode([IPTables.Table].self, forKey: .iptables),
            ipvs: try values.decodeIfPresent([IPVS.Service].self, forKey: .ipvs) ?? [],
            baseChains: try values.decodeIfPresent([String].self, forKey: .baseChains),
            sockets: try values.decode([Socket].self, forKey: .sockets),
            sysctls: try values.decode([String: String].self, forKey: .sysctls))
        unanswered = try values.decodeIfPresent([Unanswered].self, forKey: .unanswered)
        isInhabited = try values.decodeIfPresent(Bool.self, forKey: .isInhabited)
        hasIPVS = try values.decodeIfPresent(Bool.self, forKey: .hasIPVS)
    }
}
