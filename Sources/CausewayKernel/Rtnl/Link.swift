import CausewayModel

/// What rtnetlink(7) knows of a namespace, by iproute2's words.
package enum Rtnl {
    /// A network device, as far as we set it.
    package struct Link: Hashable, Codable, Sendable {
        package enum Kind: Hashable, Codable, Sendable {
            /// The end of a veth pair that owns it: adding this link makes the pair, deleting it removes both ends.
            case veth(peer: String, namespace: String)
            /// The other end. It comes and goes with the end that owns it.
            case vethPeer
            case loopback
            case bridge
            case vxlan(id: UInt32, local: IPAddress?, port: UInt16)
            /// A tunnel as Swarm makes it: its outer packets travel in the host's namespace, and it answers for the
            /// neighbours that it was told of (`proxy`). It learns nothing.
            case overlayVxlan(id: UInt32, local: IPAddress, port: UInt16)
            /// Anything else, by the kernel's name for its kind ("" for a physical device).
            case other(String)
        }

        /// 1 to 15 bytes.
        package var name: String
        package var kind: Kind
        package var address: MACAddress?
        /// Bytes; `nil` leaves the kernel's.
        package var mtu: UInt32?
        package var isUp: Bool
        /// `ip link set … alias`: says whose it is.
        package var alias: String?
        /// `false`: the kernel computes the checksums of what leaves by it (`ethtool -K LINK tx off`); absent where that
        /// is left to the kernel.
        package var checksumOffload: Bool?
        /// The bridge of which it is a port.
        package var master: String?

        package init(
            name: String, kind: Kind, address: MACAddress? = nil, mtu: UInt32? = nil, isUp: Bool = true,
            alias: String? = nil, checksumOffload: Bool? = nil, master: String? = nil
        ) {
            self.name = name
            self.kind = kind
            self.address = address
            self.mtu = mtu
            self.isUp = isUp
            self.alias = alias
            self.checksumOffload = checksumOffload
            self.master = master
        }
    }

    /// An address on a link.
    ///
    /// Always added `nodad`.
    package struct Address: Hashable, Codable, Sendable {
        package var link: String
        package var address: CIDR

        package init(link: String, address: CIDR) {
            self.link = link
            self.address = address
        }
    }

    package struct Route: Hashable, Codable, Sendable {
        package enum Kind: String, Hashable, Codable, Sendable {
            case unicast, local, broadcast, anycast, multicast, blackhole, unreachable, prohibit
        }

        package enum Scope: String, Hashable, Codable, Sendable { case global, site, link, host, nowhere }

        package var kind: Kind
        /// `0.0.0.0/0` or `::/0` is the default route.
        package var destination: CIDR
        package var gateway: IPAddress?
        package var link: String?
        /// The preferred source of packets that this host makes itself.
        package var source: IPAddress?
        /// Routing table: 254 is main, 255 local.
        package var table: UInt32
        package var metric: UInt32
        /// The gateway is reachable on the link although no route says so.
        package var isOnLink: Bool
        /// The largest packet that is sent this way, bytes; absent: as large as the link takes.
        package var mtu: UInt32?
        package var scope: Scope
        /// Who made it (`/etc/iproute2/rt_protos`): 2 kernel, 3 boot, 4 static.
        package var `protocol`: UInt8

        package init(
            kind: Kind = .unicast, destination: CIDR, gateway: IPAddress? = nil, link: String? = nil,
            source: IPAddress? = nil, table: UInt32 = 254, metric: UInt32 = 0, isOnLink: Bool = false,
            scope: Scope = .global, mtu: UInt32? = nil, protocol: UInt8 = Rtnl.causewayProtocol
        ) {
            self.kind = kind
            self.destination = destination
            self.gateway = gateway
            self.link = link
            self.source = source
            self.table = table
            self.metric = metric
            self.isOnLink = isOnLink
            self.mtu = mtu
            self.scope = scope
            self.protocol = `protocol`
        }
    }

    /// A neighbour (ARP, NDP) that we know without asking: always `nud permanent`.
    package struct Neighbor: Hashable, Codable, Sendable {
        package var link: String
        package var destination: IPAddress
        package var address: MACAddress

        package init(link: String, destination: IPAddress, address: MACAddress) {
            self.link = link
            self.destination = destination
            self.address = address
        }
    }

    /// Behind which host frames to an Ethernet address are sent through a VXLAN link (`bridge fdb … self permanent`).
    package struct ForwardingEntry: Hashable, Codable, Sendable {
        package var link: String
        package var address: MACAddress
        /// The other host, in the network below the tunnel.
        package var destination: IPAddress
        /// `true`: the link found it out by itself from what came in, and forgets it again; absent when it was set.
        package var isLearned: Bool?

        package init(link: String, address: MACAddress, destination: IPAddress, isLearned: Bool? = nil) {
            self.link = link
            self.address = address
            self.destination = destination
            self.isLearned = isLearned
        }
    }

    /// The number by which our routes and policy rules are known (`ip route … proto 213`).
    package static let causewayProtocol: UInt8 = 213

    /// Where packets go whose address no task has.
    package static let goneLink = "cw-gone"

    /// The table of our routes: the host's own is left alone.
    package static let taskTable: UInt32 = 213

    /// Every link of ours in the host's namespace begins so.
    package static let linkPrefix = "cw-"

    /// Whether a namespace is one of Swarm's own kind, in which nobody lives, by its name: those of tasks have dots.
    package static func isSandbox(_ namespace: String) -> Bool {
        guard !namespace.contains(".") else { return false }
        return namespace == "cw-ingress_sbox" || namespace.hasPrefix("cw-lb_") || namespace.hasPrefix("cw-1-")
    }

    /// The bridge by which Swarm's sandboxes reach the host; it is there once, whoever makes it.
    package static let gatewayBridge = "docker_gwbridge"
}

extension Rtnl.Link.Kind {
    /// What tells a VXLAN tunnel apart, however it is made; `nil` for every other link.
    package var tunnel: (id: UInt32, local: IPAddress?, port: UInt16)? {
        switch self {
        case .vxlan(let id, let local, let port): (id, local, port)
        case .overlayVxlan(let id, let local, let port): (id, local, port)
        default: nil
        }
    }
}

extension NamespaceState {
    /// The name without what tells ours apart: `lb_NETWORK` of `cw-lb_NETWORK`, and of a Docker Swarm's own.
    package var bareName: String {
        name.hasPrefix(Rtnl.linkPrefix) ? String(name.dropFirst(Rtnl.linkPrefix.count)) : name
    }
}
