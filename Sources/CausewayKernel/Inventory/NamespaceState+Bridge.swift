import CausewayModel

extension NamespaceState {
    /// What a bridge has learned, or was told: by which port an Ethernet address is reached (`bridge fdb`).
    package struct Station: Hashable, Codable, Sendable {
        package var bridge: String
        /// The bridge's own name for an address of the bridge itself.
        package var port: String
        package var address: MACAddress
        /// The address is the port's own: frames for it go up to the IP stack.
        package var isOwn: Bool
        /// Set by hand or by a program; else learned, and forgotten again.
        package var isStatic: Bool
        package var vlan: UInt16?

        package init(
            bridge: String, port: String, address: MACAddress, isOwn: Bool = false, isStatic: Bool = false,
            vlan: UInt16? = nil
        ) {
            self.bridge = bridge
            self.port = port
            self.address = address
            self.isOwn = isOwn
            self.isStatic = isStatic
            self.vlan = vlan
        }
    }

    /// How a bridge is set.
    package struct Bridge: Hashable, Codable, Sendable {
        package var filtersVLANs: Bool
        /// iptables sees what is bridged, whatever the namespace's own setting says.
        package var callsIPTables: Bool

        package init(filtersVLANs: Bool = false, callsIPTables: Bool = false) {
            self.filtersVLANs = filtersVLANs
            self.callsIPTables = callsIPTables
        }
    }

    /// How a link is set as a bridge's port (`bridge -d link`).
    package struct BridgePort: Hashable, Codable, Sendable {
        /// `forwarding`, `blocking`, `disabled`, ….
        package var state: String
        /// Frames may leave by the port that they came in by.
        package var isHairpin: Bool
        /// Does not speak with other such ports.
        package var isIsolated: Bool
        package var learns: Bool
        /// Gets frames for addresses that the bridge does not know.
        package var floods: Bool
        /// Answers for neighbours that the link has entries of.
        package var suppressesNeighbors: Bool

        package init(
            state: String = "forwarding", isHairpin: Bool = false, isIsolated: Bool = false, learns: Bool = true,
            floods: Bool = true, suppressesNeighbors: Bool = false
        ) {
            self.state = state
            self.isHairpin = isHairpin
            self.isIsolated = isIsolated
            self.learns = learns
            self.floods = floods
            self.suppressesNeighbors = suppressesNeighbors
        }
    }

    /// How a VXLAN link is set, beyond its number, address and port.
    package struct Tunnel: Hashable, Codable, Sendable {
        /// Where frames go that no forwarding entry is for.
        package var remote: IPAddress?
        package var learns: Bool
        /// `proxy`: answers ARP from its own neighbour entries, and lets no other question through.
        package var answersNeighbors: Bool
        /// The inode of the namespace in which the outer packets travel; `nil`: in the link's own; 0 is one that was
        /// not read.
        package var underlay: UInt64?

        package init(
            remote: IPAddress? = nil, learns: Bool = false, answersNeighbors: Bool = false, underlay: UInt64? = nil
        ) {
            self.remote = remote
            self.learns = learns
            self.answersNeighbors = answersNeighbors
            self.underlay = underlay
        }
    }
}
