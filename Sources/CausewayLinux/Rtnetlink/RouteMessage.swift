import CLinux
import CausewayKernel
import CausewayModel

/// A route as RTM_NEWROUTE tells of it, as one route for each of its next hops.
package struct RouteMessage: Sendable {
    package struct NextHop: Hashable, Sendable {
        package var gateway: IPAddress?
        package var linkIndex: UInt32?
        package var flags: UInt32
    }

    package var isClone: Bool
    /// `nil` for a kind that we have no word for.
    package var kind: Rtnl.Route.Kind?
    package var destination: CIDR
    package var source: IPAddress?
    package var table: UInt32
    package var metric: UInt32
    package var mtu: UInt32?
    package var scope: Rtnl.Route.Scope
    package var `protocol`: UInt8
    package var nextHops: [NextHop]

    /// A message that asks for the routes of a family; only those of a protocol, where the kernel can tell (4.20).
    package static func dump(_ family: IPFamily, protocol: UInt8 = 0) -> NetlinkWriter {
        var message = NetlinkWriter(type: RTM.getRoute)
        message.routeHeader(family: family.netlink, protocol: `protocol`)
        return message
    }

    /// Which route the kernel would take to an address.
    package static func lookup(_ destination: IPAddress) -> NetlinkWriter {
        var message = NetlinkWriter(type: RTM.getRoute)
        message.routeHeader(family: destination.family.netlink, prefixLength: destination.family.width)
        message.attribute(RTA.destination, destination)
        return message
    }

    /// Returns `nil` for routes of other families (multicast routing, MPLS).
    package init?(_ message: NetlinkMessage) throws(NetlinkReader.Malformed) {
        var reader = NetlinkReader(message.payload)
        let family = try reader.read(UInt8.self)
        let length = try reader.read(UInt8.self)
        _ = try reader.take(2)
        let table = try reader.read(UInt8.self)
        `protocol` = try reader.read()
        let scope = try reader.read(UInt8.self)
        let type = try reader.read(UInt8.self)
        let flags = try reader.read(UInt32.self)
        let at = reader.remaining.startIndex
        let attributes = try reader.attributes()
        guard let family = IPFamily(netlink: family) else { return nil }
        guard let cidr = CIDR(try attributes.address(RTA.destination) ?? family.unspecified, Int(length)) else {
            throw NetlinkReader.Malformed(offset: at, why: "a destination of /\(length)")
        }
        isClone = flags & RTA.cloned != 0
        kind = Rtnl.Route.Kind(netlink: type)
        destination = cidr
        source = try attributes.address(RTA.source)
        self.table = try attributes.integer(RTA.table) ?? UInt32(table)
        metric = try attributes.integer(RTA.priority) ?? 0
        mtu = try attributes.nested(RTA.metrics).integer(RTA.metricMTU)
        self.scope = Rtnl.Route.Scope(netlink: scope)
        if let several = attributes[RTA.multipath] {
            nextHops = try Self.nextHops(several)
        } else {
            nextHops = [
                NextHop(
                    gateway: try Self.gateway(attributes), linkIndex: try attributes.integer(RTA.link), flags: flags)
            ]
        }
    }

    private static func gateway(_ attributes: NetlinkAttributes) throws(NetlinkReader.Malformed) -> IPAddress? {
        if let gateway = try attributes.address(RTA.gateway) { return gateway }
        return attributes[RTA.via].flatMap { IPAddress(bytes: $0.dropFirst(2)) }
    }

    /// rtnexthop: length (2), flags, hops, link index (4), then attributes.
    private static func nextHops(_ bytes: ArraySlice<UInt8>) throws(NetlinkReader.Malformed) -> [NextHop] {
        var reader = NetlinkReader(bytes)
        var hops: [NextHop] = []
        while !reader.isAtEnd {
            let at = reader.remaining.startIndex
            let length = Int(try reader.read(UInt16.self))
            let flags = try reader.read(UInt8.self)
            _ = try reader.take(1)
            let index = try reader.read(UInt32.self)
            guard length >= 8 else { throw NetlinkReader.Malformed(offset: at, why: "next hop of \(length) bytes") }
            var inner = NetlinkReader(try reader.take(length - 8))
            let gateway = try gateway(try inner.attributes())
            hops.append(NextHop(gateway: gateway, linkIndex: index, flags: UInt32(flags)))
            _ = try reader.take(min(reader.remaining.count, (4 - length % 4) % 4))
        }
        return hops
    }

    /// The same in the words of the plan.
    ///
    /// `names` gives links their names.
    package func routes(names: [UInt32: String]) -> [Rtnl.Route] {
        guard let kind, !isClone else { return [] }
        return nextHops.map { hop in
            Rtnl.Route(
                kind: kind, destination: destination, gateway: hop.gateway,
                link: hop.linkIndex.map { names[$0] ?? "if\($0)" }, source: source, table: table, metric: metric,
                isOnLink: hop.flags & RTA.onLink != 0, scope: scope, mtu: mtu, protocol: `protocol`)
        }
    }
}

extension NetlinkWriter {
    fileprivate mutating func routeHeader(
        family: UInt8, prefixLength: Int = 0, table: UInt8 = 0, protocol: UInt8 = 0, scope: UInt8 = 0,
        type: UInt8 = 0, flags: UInt32 = 0
    ) {
        put([family, UInt8(prefixLength), 0, 0, table, `protocol`, scope, type])
        put(flags)
    }

    /// Adds or deletes a route; `type` says which.
    ///
    /// With `replacing`, in the place of one with the same destination, table and metric.
    package static func route(
        _ type: UInt16, _ route: Rtnl.Route, linkIndex: UInt32?, replacing: Bool = false
    ) -> NetlinkWriter {
        let flags = replacing ? Make.orReplace : Make.new
        var message = NetlinkWriter(type: type, flags: type == RTM.newRoute ? flags : 0)
        message.routeHeader(
            family: route.destination.family.netlink, prefixLength: route.destination.prefixLength,
            table: UInt8(exactly: route.table) ?? 0, protocol: route.protocol, scope: route.scope.netlink,
            type: route.kind.netlink, flags: route.isOnLink ? RTA.onLink : 0)
        message.attribute(RTA.destination, route.destination.network.address)
        if let gateway = route.gateway {
            if gateway.family == route.destination.family {
                message.attribute(RTA.gateway, gateway)
            } else {
                message.attribute(RTA.via) { via in
                    via.put(UInt16(gateway.family.netlink))
                    via.put(gateway.bytes)
                }
            }
        }
        if let linkIndex { message.attribute(RTA.link, linkIndex) }
        if let source = route.source { message.attribute(RTA.source, source) }
        if let metric = route.kernelMetric { message.attribute(RTA.priority, metric) }
        message.attribute(RTA.table, route.table)
        if let mtu = route.mtu, type == RTM.newRoute {
            message.nested(RTA.metrics) { $0.attribute(RTA.metricMTU, mtu) }
        }
        return message
    }
}

extension Rtnl.Route {
    /// `IP6_RT_PRIO_USER`: what the kernel makes of metric 0 in IPv6.
    static let defaultV6Metric: UInt32 = 1024

    /// The metric on the wire.
    ///
    /// A deletion has to name it, or any metric matches.
    fileprivate var kernelMetric: UInt32? {
        if metric != 0 { return metric }
        return destination.family == .ip6 ? Self.defaultV6Metric : nil
    }
}

extension Rtnl.Route.Kind {
    private static let numbers: [Self: UInt8] = [
        .unicast: 1, .local: 2, .broadcast: 3, .anycast: 4, .multicast: 5, .blackhole: 6, .unreachable: 7,
        .prohibit: 8,
    ]

    var netlink: UInt8 { Self.numbers[self] ?? 0 }

    init?(netlink: UInt8) {
        guard let kind = Self.numbers.first(where: { $0.value == netlink })?.key else { return nil }
        self = kind
    }

    /// Whether it has no next hop: such a route in IPv6 names lo, which nobody asked for.
    var isRefusal: Bool { self == .blackhole || self == .unreachable || self == .prohibit }
}

extension Rtnl.Route.Scope {
    var netlink: UInt8 {
        switch self {
        case .global: 0
        case .site: 200
        case .link: 253
        case .host: 254
        case .nowhere: 255
        }
    }

    /// Numbers between those that have a name are a user's own, and count as the next wider one.
    init(netlink: UInt8) {
        switch netlink {
        case 255: self = .nowhere
        case 254: self = .host
        case 253: self = .link
        case 200...: self = .site
        default: self = .global
        }
    }
}
