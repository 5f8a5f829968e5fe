import CLinux
import CausewayKernel
import CausewayModel

/// A neighbour as RTM_NEWNEIGH tells of it.
package struct NeighborMessage: Hashable, Sendable {
    package var linkIndex: UInt32
    package var destination: IPAddress
    package var address: MACAddress?
    package var state: UInt16

    package static func dump(linkIndex: UInt32? = nil) -> NetlinkWriter {
        var message = NetlinkWriter(type: RTM.getNeighbor)
        message.neighborHeader(family: Family.any, linkIndex: 0, state: 0)
        if let linkIndex { message.attribute(NDA.link, linkIndex) }
        return message
    }

    /// Returns `nil` for what is no neighbour of ours: proxies, other families (bridges' forwarding entries).
    package init?(_ message: NetlinkMessage) throws(NetlinkReader.Malformed) {
        var reader = NetlinkReader(message.payload)
        let family = try reader.read(UInt8.self)
        _ = try reader.take(3)
        linkIndex = try reader.read()
        state = try reader.read()
        let flags = try reader.read(UInt8.self)
        _ = try reader.take(1)
        let attributes = try reader.attributes()
        guard IPFamily(netlink: family) != nil, flags & NDA.proxy == 0,
            let destination = try attributes.address(NDA.destination)
        else { return nil }
        self.destination = destination
        address = attributes[NDA.address].flatMap { MACAddress(bytes: $0) }
    }

    package var isPermanent: Bool { state & NDA.permanent != 0 }

    /// The state as ip(8) names it.
    package var stateName: String { NDA.states.first { state & $0.bit != 0 }?.name ?? "none" }
}

extension NetlinkWriter {
    fileprivate mutating func neighborHeader(family: UInt8, linkIndex: UInt32, state: UInt16) {
        put([family, 0, 0, 0])
        put(linkIndex)
        put(state)
        put(UInt16(0))
    }

    /// A permanent neighbour, in the place of one that the kernel has learned when `replacing`.
    package static func neighborAdd(
        _ neighbor: Rtnl.Neighbor, linkIndex: UInt32, replacing: Bool = false
    ) -> NetlinkWriter {
        var message = NetlinkWriter(type: RTM.newNeighbor, flags: replacing ? Make.orReplace : Make.new)
        message.neighborHeader(
            family: neighbor.destination.family.netlink, linkIndex: linkIndex, state: NDA.permanent)
        message.attribute(NDA.destination, neighbor.destination)
        message.attribute(NDA.address) { $0.put(neighbor.address.bytes) }
        return message
    }

    package static func neighborDelete(_ neighbor: Rtnl.Neighbor, linkIndex: UInt32) -> NetlinkWriter {
        var message = NetlinkWriter(type: RTM.deleteNeighbor)
        message.neighborHeader(family: neighbor.destination.family.netlink, linkIndex: linkIndex, state: 0)
        message.attribute(NDA.destination, neighbor.destination)
        return message
    }
}
