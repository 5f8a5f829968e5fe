import CausewayModel

/// What Causeway owns in one network namespace, desired or observed: one type for both, so that they compare.
///
/// Ours is what carries our mark: links by name prefix (in a task's namespace every link is ours), routes by protocol
/// number, nftables by table name, the entry in another's firewall by its comment. What the kernel adds by itself
/// (link-local addresses, connected routes, handles, counters) is not part of it.
package struct KernelState: Hashable, Codable, Sendable {
    package var links: [String: Rtnl.Link]
    package var addresses: Swift.Set<Rtnl.Address>
    package var routes: Swift.Set<Rtnl.Route>
    package var neighbors: Swift.Set<Rtnl.Neighbor>
    /// Sorted by family and name.
    package var tables: [Nft.Table]
    /// `net.ipv4.ip_forward` → `1`.
    ///
    /// Names use dots; a dot within a link's name is written `/`, as sysctl(8) does.
    package var sysctls: [String: String]
    /// Where somebody else's firewall filters what is forwarded, whether it lets our mark through: the families for
    /// which it has to.
    package var forwardAccepts: Swift.Set<IPFamily>

    package init(
        links: [String: Rtnl.Link] = [:], addresses: Swift.Set<Rtnl.Address> = [],
        routes: Swift.Set<Rtnl.Route> = [], neighbors: Swift.Set<Rtnl.Neighbor> = [], tables: [Nft.Table] = [],
        sysctls: [String: String] = [:], forwardAccepts: Swift.Set<IPFamily> = []
    ) {
        self.links = links
        self.addresses = addresses
        self.routes = routes
        self.neighbors = neighbors
        self.tables = tables
        self.sysctls = sysctls
        self.forwardAccepts = forwardAccepts
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
