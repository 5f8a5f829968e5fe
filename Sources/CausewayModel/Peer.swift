/// A node of the cluster as the data path of every node sees it.
package struct Peer: Hashable, Codable, Sendable, Identifiable {
    package var id: Swarm.ID
    package var hostname: String
    /// The node's number in the cluster, 1 to 4094; ``Tunnel`` derives its addresses from it.
    package var number: Int
    /// Where its tunnel packets go to and come from.
    package var dataAddress: IPAddress

    package init(id: Swarm.ID, hostname: String, number: Int, dataAddress: IPAddress) {
        self.id = id
        self.hostname = hostname
        self.number = number
        self.dataAddress = dataAddress
    }
}

/// The addresses of one task, or of one container of a user, and the node that has it.
///
/// Every node has a route for each of them: from the moment that they are given until the container has ended, because
/// a task may call others before it counts as running.
package struct PlacedAddresses: Hashable, Codable, Sendable, Identifiable {
    /// Of the task, or of the attached container.
    package var id: Swarm.ID
    package var nodeID: Swarm.ID
    /// In the order of its networks.
    package var addresses: [IPAddress]

    package init(id: Swarm.ID, nodeID: Swarm.ID, addresses: [IPAddress]) {
        self.id = id
        self.nodeID = nodeID
        self.addresses = addresses
    }
}

/// What follows from a node's number: its addresses inside the tunnel.
///
/// One VXLAN device for each node joins all of them (RFC 7348); its frames are sent to known peers only.
package struct Tunnel: Hashable, Codable, Sendable {
    /// The network identifier of every frame of ours.
    package static let networkIdentifier: UInt32 = 4095
    /// The highest number of a node: 4095 would be the mark of what our table has let through.
    package static let numbers = 1...4094
    /// What the tunnel's own addresses are cut from, unless the operator says otherwise (RFC 6598).
    package static let defaultPool = CIDR(.v4(IPv4Address(rawValue: 0x6440_0000)), 16)
    /// The VXLAN device, on every node.
    package static let linkName = "cw-vxlan"
    /// IANA's port of VXLAN, which Docker uses too.
    package static let defaultPort: UInt16 = 4789

    /// The UDP port of the outer packets, on every node.
    package var port: UInt16
    /// IPv4, at least a /20.
    package var pool: CIDR
    /// The cluster's /48; the tunnel's IPv6 addresses are in its first /64.
    package var uniqueLocalPrefix: CIDR

    package init(port: UInt16 = Self.defaultPort, pool: CIDR, uniqueLocalPrefix: CIDR) {
        self.port = port
        self.pool = pool
        self.uniqueLocalPrefix = uniqueLocalPrefix
    }

    /// `02:ca:75:00:NN:NN`: locally administered.
    package static func macAddress(ofNode number: Int) -> MACAddress {
        let low = [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
        return MACAddress(bytes: [0x02, 0xca, 0x75, 0] + low)
            ?? MACAddress(derivedFrom: IPv4Address(rawValue: UInt32(truncatingIfNeeded: number)))
    }

    /// The node's address inside the tunnel: `100.64.0.0` + its number; in IPv6 `PREFIX::1:NUMBER`.
    package func address(ofNode number: Int, _ family: IPFamily) -> IPAddress? {
        switch family {
        case .ip: pool.network.address.advanced(by: UInt64(number))
        case .ip6: uniqueLocalPrefix.network.address.advanced(by: 0x1_0000 + UInt64(number))
        }
    }
}
