import CausewayModel

/// What the compiler has to know of the host that is not in the assignment.
///
/// Read by the shell, used as a value.
package struct NodeFacts: Hashable, Sendable {
    /// The MTU of the link to the outside, bytes; tasks' links get it too.
    package var mtu: UInt32
    /// Links that take their IPv6 default route from router advertisements (`accept_ra` = 1): with forwarding on, the
    /// kernel would stop listening to them unless it is told 2.
    package var routerAdvertisementLinks: [String]
    /// The host's name servers, in order.
    package var nameServers: [IPAddress]
    /// The host's search list, for the tasks' resolvers.
    package var searchDomains: [String]
    /// What was measured of the ways to the peers, by node.
    package var paths: [Swarm.ID: PeerPath]
    /// What docker_gwbridge may have as its address and subnet, best first: its own if it is there, else what overlaps
    /// nothing on this host.
    package var gatewayBridges: [CIDR]
    /// Whether bridges show their packets to iptables (br_netfilter is loaded).
    package var filtersBridges: Bool
    /// Whether the tunnel's link leaves checksums to the hardware below it.
    package var tunnelOffload: Bool

    package init(
        mtu: UInt32 = 1500, routerAdvertisementLinks: [String] = [], nameServers: [IPAddress] = [],
        searchDomains: [String] = [], paths: [Swarm.ID: PeerPath] = [:], tunnelOffload: Bool = true,
        gatewayBridges: [CIDR] = GatewayBridge.candidates, filtersBridges: Bool = false
    ) {
        self.mtu = mtu
        self.routerAdvertisementLinks = routerAdvertisementLinks
        self.nameServers = nameServers
        self.searchDomains = searchDomains
        self.paths = paths
        self.tunnelOffload = tunnelOffload
        self.gatewayBridges = gatewayBridges
        self.filtersBridges = filtersBridges
    }
}

/// What was measured of the way to one peer.
package struct PeerPath: Hashable, Codable, Sendable {
    /// The largest packet inside the tunnel that arrives, bytes; absent until it is measured.
    package var mtu: UInt32?

    package init(mtu: UInt32? = nil) { self.mtu = mtu }
}
