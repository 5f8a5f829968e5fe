import CausewayModel

/// What Causeway owns in one network namespace, desired or observed: one type for both, so that they compare.
///
/// Ours is what carries our mark: links by name prefix (in a task's namespace every link is ours), routes and policy
/// rules by protocol number, nftables by table name, the entry in another's firewall by its comment. What the kernel adds by itself
/// (link-local addresses, connected routes, handles, counters) is not part of it.
package struct KernelState: Hashable, Codable, Sendable {
    package var links: [String: Rtnl.Link]
    package var addresses: Swift.Set<Rtnl.Address>
    package var routes: Swift.Set<Rtnl.Route>
    package var neighbors: Swift.Set<Rtnl.Neighbor>
    package var forwarding: Swift.Set<Rtnl.ForwardingEntry>
    package var rules: Swift.Set<NamespaceState.PolicyRule>
    /// Sorted by family and name.
    package var tables: [Nft.Table]
    /// `net.ipv4.ip_forward` → `1`.
    ///
    /// Names use dots; a dot within a link's name is written `/`, as sysctl(8) does.
    package var sysctls: [String: String]
    /// Where somebody else's firewall filters what is forwarded, whether it lets our mark through: the families for
    /// which it has to.
    package var forwardAccepts: Swift.Set<IPFamily>
    /// Of IPVS: sorted by key, each one's destinations by address; nothing is counted in them.
    package var balancers: [IPVS.Service]
    /// Of iptables: the tables, chains and rules that are ours, in their order in each chain; nothing is counted in them.
    ///
    /// In a sandbox all are ours. On the host it is the chain ``IPTables/ingressChain`` of each table, and in others'
    /// chains each rule that leads to it or names ``Rtnl/gatewayBridge``.
    package var firewall: [IPTables.Table]

    package init(
        links: [String: Rtnl.Link] = [:], addresses: Swift.Set<Rtnl.Address> = [],
        routes: Swift.Set<Rtnl.Route> = [], neighbors: Swift.Set<Rtnl.Neighbor> = [],
        forwarding: Swift.Set<Rtnl.ForwardingEntry> = [], rules: Swift.Set<NamespaceState.PolicyRule> = [],
        tables: [Nft.Table] = [], sysctls: [String: String] = [:], forwardAccepts: Swift.Set<IPFamily> = [],
        balancers: [IPVS.Service] = [], firewall: [IPTables.Table] = []
    ) {
        self.links = links
        self.addresses = addresses
        self.routes = routes
        self.neighbors = neighbors
        self.forwarding = forwarding
        self.rules = rules
        self.tables = tables
        self.sysctls = sysctls
        self.forwardAccepts = forwardAccepts
        self.balancers = balancers
        self.firewall = firewall
    }
}

extension KernelState {
    /// The bits of a packet's mark that are ours.
    package static let markMask: UInt32 = 0x0fff_0000

    /// The mark of a packet that our own table has let through; others' firewalls accept it by this.
    package static let acceptedMark: UInt32 = 0x0fff_0000

    /// Our table's name, in the host's namespace and in each task's.
    package static let tableName = "causeway"
}

extension KernelState {
    enum CodingKeys: String, CodingKey {
        case links, addresses, routes, neighbors, forwarding, rules, tables, sysctls, forwardAccepts
        case balancers, firewall
    }

    /// Reads what earlier releases wrote, too: they knew of no forwarding entries, policy rules, balancers
    /// and no iptables.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            links: try values.decode([String: Rtnl.Link].self, forKey: .links),
            addresses: try values.decode(Swift.Set<Rtnl.Address>.self, forKey: .addresses),
            routes: try values.decode(Swift.Set<Rtnl.Route>.self, forKey: .routes),
            neighbors: try values.decode(Swift.Set<Rtnl.Neighbor>.self, forKey: .neighbors),
            forwarding: try values.decodeIfPresent(Swift.Set<Rtnl.ForwardingEntry>.self, forKey: .forwarding) ?? [],
            rules: try values.decodeIfPresent(Swift.Set<NamespaceState.PolicyRule>.self, forKey: .rules) ?? [],
            tables: try values.decode([Nft.Table].self, forKey: .tables),
            sysctls: try values.decode([String: String].self, forKey: .sysctls),
            forwardAccepts: try values.decode(Swift.Set<IPFamily>.self, forKey: .forwardAccepts),
            balancers: try values.decodeIfPresent([IPVS.Service].self, forKey: .balancers) ?? [],
            firewall: try values.decodeIfPresent([IPTables.Table].self, forKey: .firewall) ?? [])
    }
}
