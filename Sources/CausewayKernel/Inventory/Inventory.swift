import CausewayModel

/// Every network namespace of a host at one moment, with who is joined to whom.
///
/// Read-only by nature.
package struct Inventory: Hashable, Codable, Sendable {
    /// Raised when a field is added or changes its meaning.
    ///
    /// 2: IPVS, bridges' stations and ports, tunnels' settings, the engine's networks and services.
    package static let schemaVersion = 2
    /// Those of earlier releases, which have less in them.
    package static let readableSchemas = 1...schemaVersion

    package var schema: Int
    package var hostname: String
    /// The kernel's boot, where it was read: inventories of one kernel tell of the same namespaces.
    package var machine: String?
    package var takenAt: Timestamp
    /// The host's own namespace first, then sorted by name.
    package var namespaces: [NamespaceState]
    /// What the engine says of who owns what; empty when no engine answered.
    package var owners: [Owner]
    /// `nil` when no engine answered, and in inventories of schema 1.
    package var engine: EngineState?
    /// What could not be read, in words for the one who asked.
    package var gaps: [String]

    package init(
        hostname: String, machine: String? = nil, takenAt: Timestamp, namespaces: [NamespaceState],
        owners: [Owner] = [], engine: EngineState? = nil, gaps: [String] = []
    ) {
        schema = Self.schemaVersion
        self.hostname = hostname
        self.machine = machine
        self.takenAt = takenAt
        self.namespaces = namespaces
        self.owners = owners
        self.engine = engine
        self.gaps = gaps
    }

    /// A container, with the Swarm objects that it belongs to.
    package struct Owner: Hashable, Codable, Sendable {
        package var containerID: String
        package var containerName: String
        /// The namespace's inode: joins with ``NamespaceState/inode``.
        package var namespaceInode: UInt64
        package var serviceID: String?
        package var serviceName: String?
        package var taskID: String?
        /// `web.1.TASKID`.
        package var taskName: String?

        package init(
            containerID: String, containerName: String, namespaceInode: UInt64, serviceID: String? = nil,
            serviceName: String? = nil, taskID: String? = nil, taskName: String? = nil
        ) {
            self.containerID = containerID
            self.containerName = containerName
            self.namespaceInode = namespaceInode
            self.serviceID = serviceID
            self.serviceName = serviceName
            self.taskID = taskID
            self.taskName = taskName
        }
    }
}

/// All that one network namespace holds.
package struct NamespaceState: Hashable, Codable, Sendable {
    /// `host` for the one the lens runs in, else the name under /run/netns or /run/docker/netns, else `net:[INODE]`.
    package var name: String
    /// Where it is mounted, or `/proc/PID/ns/net`.
    package var path: String
    /// Its number in nsfs.
    package var inode: UInt64
    package var links: [Link]
    package var addresses: [Rtnl.Address]
    package var routes: [Rtnl.Route]
    package var rules: [PolicyRule]
    package var neighbors: [Neighbor]
    /// Of VXLAN links.
    package var forwarding: [Rtnl.ForwardingEntry]
    /// Of bridges.
    package var stations: [Station]
    /// nftables that nft made: those that iptables-nft made are in `iptables`.
    package var tables: [Nft.Table]
    package var iptables: [IPTables.Table]
    package var ipvs: [IPVS.Service]
    /// Base chains of nft and of iptables-nft, as `ip filter FORWARD`, the oldest first; `nil` where that was not read.
    ///
    /// Of two with one priority the kernel calls the younger one first.
    package var baseChains: [String]?
    package var sockets: [Socket]
    package var sysctls: [String: String]
    /// Neighbours that were asked for and did not say who they are; absent in earlier snapshots.
    package var unanswered: [Unanswered]?
    /// Whether a process lives in it; absent in earlier snapshots.
    package var isInhabited: Bool?
    /// Whether the kernel has IPVS, Docker Swarm's balancer; absent in earlier snapshots.
    package var hasIPVS: Bool?

    enum CodingKeys: String, CodingKey {
        case name, path, inode, links, addresses, routes, rules, neighbors, forwarding, stations, tables, iptables
        case ipvs, baseChains, sockets, sysctls, unanswered, isInhabited, hasIPVS
    }

    package init(
        name: String, path: String, inode: UInt64, links: [Link] = [], addresses: [Rtnl.Address] = [],
        routes: [Rtnl.Route] = [], rules: [PolicyRule] = [], neighbors: [Neighbor] = [],
        forwarding: [Rtnl.ForwardingEntry] = [], stations: [Station] = [], tables: [Nft.Table] = [],
        iptables: [IPTables.Table] = [], ipvs: [IPVS.Service] = [], baseChains: [String]? = nil,
        sockets: [Socket] = [], sysctls: [String: String] = [:]
    ) {
        self.name = name
        self.path = path
        self.inode = inode
        self.links = links
        self.addresses = addresses
        self.routes = routes
        self.rules = rules
        self.neighbors = neighbors
        self.forwarding = forwarding
        self.stations = stations
        self.tables = tables
        self.iptables = iptables
        self.ipvs = ipvs
        self.baseChains = baseChains
        self.sockets = sockets
        self.sysctls = sysctls
    }

    /// A link with what only the kernel gives it.
    package struct Link: Hashable, Codable, Sendable {
        package var index: UInt32
        package var link: Rtnl.Link
        /// The other end, where there is one: its index, and its namespace's inode when it is another
        /// namespace; 0 is one that was not read.
        package var peerIndex: UInt32?
        package var peerNamespace: UInt64?
        /// The bridge it is a port of.
        package var controller: String?
        package var hasCarrier: Bool
        /// Of a bridge.
        package var bridge: Bridge?
        /// Of a bridge's port.
        package var port: BridgePort?
        /// Of a VXLAN link.
        package var tunnel: Tunnel?

        package init(
            index: UInt32, link: Rtnl.Link, peerIndex: UInt32? = nil, peerNamespace: UInt64? = nil,
            controller: String? = nil, hasCarrier: Bool = true, bridge: Bridge? = nil, port: BridgePort? = nil,
            tunnel: Tunnel? = nil
        ) {
            self.index = index
            self.link = link
            self.peerIndex = peerIndex
            self.peerNamespace = peerNamespace
            self.controller = controller
            self.hasCarrier = hasCarrier
            self.bridge = bridge
            self.port = port
            self.tunnel = tunnel
        }
    }

    package struct Neighbor: Hashable, Codable, Sendable {
        package var neighbor: Rtnl.Neighbor
        /// `permanent`, `reachable`, `stale`, `failed`, ….
        package var state: String

        package init(neighbor: Rtnl.Neighbor, state: String) {
            self.neighbor = neighbor
            self.state = state
        }
    }

    /// A neighbour whose Ethernet address is not known.
    package struct Unanswered: Hashable, Codable, Sendable {
        package var link: String
        package var destination: IPAddress
        /// `incomplete`: being asked for; `failed`: gave no answer.
        package var state: String

        package init(link: String, destination: IPAddress, state: String) {
            self.link = link
            self.destination = destination
            self.state = state
        }
    }

    /// A socket that takes packets without having asked for them: TCP in LISTEN, UDP bound.
    package struct Socket: Hashable, Codable, Sendable {
        package var `protocol`: Swarm.TransportProtocol
        /// `0.0.0.0` or `::` is any address.
        package var address: IPAddress
        package var port: UInt16
        /// Of a socket on `::`: whether IPv4 is kept out.
        package var isV6Only: Bool
        package var processID: Int32?
        package var processName: String?

        package init(
            protocol: Swarm.TransportProtocol, address: IPAddress, port: UInt16, isV6Only: Bool = false,
            processID: Int32? = nil, processName: String? = nil
        ) {
            self.protocol = `protocol`
            self.address = address
            self.port = port
            self.isV6Only = isV6Only
            self.processID = processID
            self.processName = processName
        }
    }
}
