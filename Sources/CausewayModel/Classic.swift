/// Where a node's balancer of one classic network is: what its tasks call, and what others' tasks are called by.
package struct BalancerAddress: Hashable, Codable, Sendable, Identifiable {
    package var networkID: Swarm.ID
    package var nodeID: Swarm.ID
    /// With the subnet's prefix length.
    package var address: CIDR

    package init(networkID: Swarm.ID, nodeID: Swarm.ID, address: CIDR) {
        self.networkID = networkID
        self.nodeID = nodeID
        self.address = address
    }

    package var id: String { networkID + "/" + nodeID }
}

extension Swarm {
    /// Places on the bridge by which what is on classic networks reaches its host: the subnet's address and this.
    ///
    /// A task has its own for life, and no other task of the cluster has it, so that a node needs no allocator.
    package enum GatewayNumbers {
        /// The bridge itself.
        package static let host: UInt64 = 1
        /// The sandbox of the published-port mesh.
        package static let ingress: UInt64 = 2
        /// Of tasks: those of a /16 but for its broadcast address.
        package static let tasks: ClosedRange<UInt32> = 3...65_534
    }

    /// Numbers of classic networks' tunnels; those below are kept for others by Docker, and 4095 is ``Tunnel``'s.
    package static let tunnelIdentifiers: ClosedRange<UInt32> = 4096...0xff_ffff
}
